"""The messages that services and integrators exchange: one module per publisher, versioned."""
