"""What the broker is told at its start: users, permissions, topology."""
