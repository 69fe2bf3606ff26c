"""Owns network events, their sign-ups and waiting lists, and the pages where people sign up and cancel."""
