"""Fixtures for all tests."""

pytest_plugins = ["tests.database_fixtures"]
