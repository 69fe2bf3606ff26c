"""Owns subscribers with their topics and consents, campaigns, and every mail that is sent: deliveries, suppression."""
