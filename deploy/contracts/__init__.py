"""Writes down what the services take and tell: docs/asyncapi.yaml and the table in README.md.

`python -m deploy.contracts` after a change in shared/contracts or in a messages.py; tests fail when either is stale.
"""
