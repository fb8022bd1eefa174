"""Imports beside others: readers see all of it or nothing, two imports one after the other, an end on request."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from keygenreg.dump import merging
from keygenreg.dump.importing import Import, Interrupted
from keygenreg.formats.dump.fault import BrokenDump
from tests.dump.conftest import Registry
from tests.dump.writing import DumpText, the_small_registry

COUNTS = "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM products), (SELECT count(*) FROM licenses)"


def vendor(slug: str, products: int) -> DumpText:
    dump = DumpText()
    dump.account(slug)
    for number in range(products):
        dump.license(dump.policy(dump.product()), f"K-{number}")
    return dump


class Halfway:
    """Stops an import inside its transaction, with everything written, until ``go_on``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.released = Event(), Event()
        original: Callable = merging.merge

        def merge(cursor: Any, staged: Any, *, replacing: bool) -> None:
            original(cursor, staged, replacing=replacing)
            self.reached.set()
            assert self.released.wait(30)

        monkeypatch.setattr(merging, "merge", merge)

    def go_on(self) -> None:
        self.released.set()


@pytest.fixture
def halfway(monkeypatch: pytest.MonkeyPatch) -> Halfway:
    return Halfway(monkeypatch)


@pytest.fixture
def beside() -> Any:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def test_readers_see_old_or_new(registry: Registry, halfway: Halfway, beside: ThreadPoolExecutor) -> None:
    """Even while everything is being replaced, and without waiting."""
    halfway.go_on()
    registry.load(vendor("old", 3))
    halfway.reached.clear()
    halfway.released.clear()
    loading = beside.submit(registry.load, vendor("new", 5), replace=True)
    assert halfway.reached.wait(30)
    assert registry.sql(COUNTS) == [(1, 3, 3)]
    assert registry.sql("SELECT slug FROM accounts") == [("old",)]
    halfway.go_on()
    loading.result(30)
    assert registry.sql(COUNTS) == [(1, 5, 5)]


def test_imports_do_not_mix(registry: Registry, halfway: Halfway, beside: ThreadPoolExecutor) -> None:
    """The second waits for the first, and then overwrites it."""
    first = beside.submit(registry.load, vendor("first", 2), replace=True)
    assert halfway.reached.wait(30)
    second = beside.submit(registry.load, vendor("second", 4), replace=True)
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while registry.sql(waiting) != [(1,)]:
        assert not second.done()
    halfway.go_on()
    assert (first.result(30), second.result(30)) == (7, 13)
    assert registry.sql("SELECT slug FROM accounts") == [("second",)]


def test_a_deadlock_is_tried_again(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends one of two transactions that wait for each other; the import is not to blame."""
    original: Callable = merging.merge
    attempts = []

    def merge(cursor: Any, staged: Any, *, replacing: bool) -> None:
        original(cursor, staged, replacing=replacing)
        attempts.append(1)
        if len(attempts) < 3:
            cursor.execute("DO $$ BEGIN RAISE deadlock_detected; END $$")

    monkeypatch.setattr(merging, "merge", merge)
    assert registry.load(vendor("x", 2)) == 7
    assert len(attempts) == 3
    assert registry.sql(COUNTS) == [(1, 2, 2)]


def test_what_appears_meanwhile_is_a_fault_of_the_line(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody takes the slug between the reading and the writing."""
    original: Callable = merging.begin

    def begin(cursor: Any) -> None:
        original(cursor)
        registry.sql(
            "INSERT INTO accounts (id, slug, secret_key, ed25519_private_key, rsa_private_key, ecdsa_private_key) "
            "VALUES (gen_random_uuid(), 'x', '', '', '', '')"
        )

    monkeypatch.setattr(merging, "begin", begin)
    with pytest.raises(BrokenDump, match="^line 2: accounts: the slug is that of a stored account already$"):
        registry.load(vendor("x", 1))
    assert registry.sql(COUNTS) == [(1, 0, 0)]


class TestInterrupting:
    def test_while_lines_are_read(self, registry: Registry) -> None:
        before = registry.text()
        source = io.BytesIO(the_small_registry().encode())
        running = Import(registry.settings, registry.store, Path("/"))

        def read(size: int) -> bytes:
            running.interrupt()
            return source.read(size)

        with pytest.raises(Interrupted):
            running.run(read)
        assert registry.text() == before
        assert registry.files() == set()

    def test_while_the_database_works(self, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
        """A statement under way is cancelled."""
        running = Import(registry.settings, registry.store, Path("/"))
        original: Callable = merging.merge
        asleep = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"

        def interrupt() -> None:
            while not registry.sql(asleep):
                time.sleep(0.01)
            running.interrupt()

        def merge(cursor: Any, staged: Any, *, replacing: bool) -> None:
            original(cursor, staged, replacing=replacing)
            with ThreadPoolExecutor(1) as executor:
                executor.submit(interrupt)
                cursor.execute("SELECT pg_sleep(60)")

        monkeypatch.setattr(merging, "merge", merge)
        before = registry.text()
        with pytest.raises(Interrupted):
            running.run(io.BytesIO(the_small_registry().encode()).read)
        assert registry.text() == before
        assert registry.files() == set()

    def test_comes_too_late_after_the_commit(self, registry: Registry) -> None:
        running = Import(registry.settings, registry.store, Path("/"))
        assert running.run(io.BytesIO(the_small_registry().encode()).read) == 13
        running.interrupt()
        assert len([json.loads(line) for line in registry.text().splitlines()]) == 14
