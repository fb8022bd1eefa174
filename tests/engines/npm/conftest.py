"""Stores that the tests of this folder look at; those that change something make their own."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from keygenreg.assembly.bootstrap import create_account
from tests.daemon_fixtures import Account, Daemon
from tests.engines.npm.store import Store
from tests.engines.npm.tarballs import package
from tests.management.customers import KEYS


@pytest.fixture(scope="session")
def shelf(daemon: Daemon, daemon_connection: Any) -> Store:
    """An OPEN store of ``@acme/lib`` with versions 1.0.0 (tag ``lts``), 1.1.0 and 2.0.0-beta.1; to be read only."""
    slug = f"shelf-{uuid4().hex}"
    daemon_connection.autocommit = False
    try:
        made = create_account(daemon_connection, slug, f"{slug[:20]}@example.com", "admin password", keys=KEYS)
    finally:
        daemon_connection.autocommit = True
    store = Store(Account(daemon, daemon_connection, made), "OPEN", "@acme/lib")
    store.publish("1.0.0", tag="lts")
    members = {"description": "many words " * 200, "dependencies": {"a": "1"}, "scripts": {"install": "x"}}
    store.publish("1.1.0", package("@acme/lib", "1.1.0", **members))
    store.publish("2.0.0-beta.1")
    return store
