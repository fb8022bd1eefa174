"""A store that the tests of this folder look at; those that change something make their own."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from keygenreg.assembly.bootstrap import create_account
from tests.daemon_fixtures import Account, Daemon
from tests.engines.rubygems.gems import dependency, gem
from tests.engines.rubygems.store import Store
from tests.management.customers import KEYS, entitlement


def fresh_account(daemon: Daemon, connection: Any, name: str) -> Account:
    """An account for several tests."""
    slug = f"{name}-{uuid4().hex}"
    connection.autocommit = False
    try:
        made = create_account(connection, slug, f"{slug[:20]}@example.com", "admin password", keys=KEYS)
    finally:
        connection.autocommit = True
    return Account(daemon, connection, made)


@pytest.fixture(scope="session")
def aviary(daemon: Daemon, daemon_connection: Any) -> Store:
    """
    An OPEN store, to be read only: ``kestrel`` 1.0.0 (needs ``hawk``), 1.9.0 for Java and for all, 1.10.0,
    2.0.0-beta.1; ``hawk.eye`` 1.0.0, which needs much; and packages without gems or of another engine.
    """
    store = Store(fresh_account(daemon, daemon_connection, "aviary"), "OPEN")
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


@pytest.fixture(scope="session")
def gated(daemon: Daemon, daemon_connection: Any) -> Store:
    """A store as of :func:`stocked`; for tests that change nothing but licenses."""
    return stocked(fresh_account(daemon, daemon_connection, "gated"))


def stocked(account: Account) -> Store:
    """
    A LICENSED store of ``kestrel`` with a withdrawn version 1.1.0, a draft 2.0.0 and published ones, of which 1.2.0 and
    3.0.0-rc.1 need an entitlement, ``needed``.
    """
    store = Store(account, "LICENSED")
    for version in ("1.0.0", "1.1.0", "1.2.0", "3.0.0-rc.1"):
        store.publish(version)
    store.publish("2.0.0", status="DRAFT")
    store.set_status("1.1.0", "YANKED")
    store.needed = entitlement(account, "GOLD")
    for version in ("1.2.0", "3.0.0-rc.1"):
        store.constrain(version, store.needed)
    return store
