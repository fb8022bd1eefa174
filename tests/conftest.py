"""Fixtures for all tests."""

from hypothesis import settings

pytest_plugins = ["tests.database_fixtures", "tests.daemon_fixtures"]

# Machines that run tests are busy; how long an example takes says nothing about it.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")
