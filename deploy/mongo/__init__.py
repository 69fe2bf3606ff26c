"""What MongoDB is told: one database and one user for each service."""
