"""A store that the tests of this folder look at; those that change something make their own."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from keygenreg.assembly.bootstrap import create_account
from tests.daemon_fixtures import Account, Daemon
from tests.engines.rubygems.gems import dependency, gem
from tests.engines.rubygems.store import Store
from tests.management.customers import KEYS


@pytest.fixture(scope="session")
def aviary(daemon: Daemon, daemon_connection: Any) -> Store:
    """
    An OPEN store, to be read only: ``kestrel`` 1.0.0 (needs ``hawk``), 1.9.0 for Java and for all, 1.10.0, 2.0.0-beta.1;
    ``hawk.eye`` 1.0.0, which needs much; and packages without gems or of another engine.
    """
    slug = f"aviary-{uuid4().hex}"
    daemon_connection.autocommit = False
    try:
        made = create_account(daemon_connection, slug, f"{slug[:20]}@example.com", "admin password", keys=KEYS)
    finally:
        daemon_connection.autocommit = True
    store = Store(Account(daemon, daemon_connection, made), "OPEN")
    store.publish("1.10.0")
    needs = [dependency("hawk", [(">=", "1"), ("<", "3")]), dependency("rake", kind="development")]
    store.publish("1.0.0", gem(dependencies=needs, ruby=[(">=", "2.7")], rubygems=[(">", "1.3.1")]))
    both = store.release("1.9.0")
    store.add(both, "1.9.0")
    store.add(both, "1.9.0", gem(version="1.9.0", platform="jruby"), "kestrel-1.9.0-java.gem")
    store.publish("2.0.0-beta.1")
    store.other = Store(store.account, "OPEN", "hawk.eye")
    many = [dependency(f"needed-{number}") for number in range(40)]
    store.other.publish("1.0.0", gem("hawk.eye", dependencies=many))
    empty = store.admin.make_package(store.product, "empty", "rubygems")
    store.admin.make_release(store.product, "1.0.0", package=empty)
    store.admin.make_package(store.product, "wheel", "pypi")
    return store
