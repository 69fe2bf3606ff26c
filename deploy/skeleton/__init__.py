"""A fifth service: `python -m deploy.skeleton <name>` makes a small whole one to begin with."""
