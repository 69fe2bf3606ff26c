"""Owns the demands of public buyers and their matches; keeps copies of the suppliers that it matches them with."""
