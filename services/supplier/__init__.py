"""Owns the supplier portal: the profiles of social enterprises and what they offer. One profile for each CVR number."""
