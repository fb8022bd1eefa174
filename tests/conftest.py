"""Fixtures for all tests."""

import os
import re

from hypothesis import settings

pytest_plugins = ["tests.database_fixtures", "tests.daemon_fixtures"]

# Machines that run tests are busy; how long an example takes says nothing about it. A full run looks further.
settings.register_profile("tests", deadline=None, max_examples=50)
settings.register_profile("full", deadline=None, max_examples=500)
settings.load_profile("full" if os.environ.get("KEYGENREG_TEST_FULL") else "tests")


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def pytest_make_parametrize_id(config, val, argname):
    """The same name in every process that runs the tests: sets in the order of their members, no random ids."""
    if isinstance(val, (set, frozenset)):
        return ",".join(sorted(map(str, val)))
    if isinstance(val, str) and _UUID.search(val):
        return _UUID.sub("uuid", val)
    return None
