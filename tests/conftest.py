"""Fixtures that every test may use."""

pytest_plugins = ("tests.support.containers", "tests.support.broker", "tests.support.stores", "tests.support.trips")
