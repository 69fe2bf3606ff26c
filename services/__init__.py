"""The four services. Each is independent: none imports, calls or reads the store of another."""
