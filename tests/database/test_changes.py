"""Whatever answers are made from: its changes are told to the writer at once and to everybody else by NOTIFY."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import pytest
from psycopg2.extras import register_uuid
from twisted.internet.defer import Deferred

from keygenreg.caches.generations import CHANNEL
from keygenreg.database import visibility
from keygenreg.database.notifications import Listener
from keygenreg.database.pool import Database
from keygenreg.database.query import Query
from keygenreg.database.statements import changes_data
from keygenreg.domain.failures import Unavailable
from tests.access.loading import load
from tests.access.scenes import Scene
from tests.database_fixtures import on_server
from tests.test_architecture import inside
from tests.web.serving import eventually

register_uuid()

#: Tables that answers are made from and that tell of nothing, and why that is right.
SILENT = {
    "processing_jobs": "the queue of uploads: nothing of it is shown to package managers",
    "password_attempts": "attempts are counted anew each time, and never remembered",
    "mirrored_documents": "good until a time of its own, which the answer's permission to be kept ends with",
    "mirrored_files": "the same; and a file that is swept is fetched again",
    "claims_upstream": "told to the operator; no answer is made from it",
    "installation": "written once, before the first request",
    "schema_migrations": "read before anything else",
}
_READING = ("keygenreg.engines", "keygenreg.access", "keygenreg.mirror", "keygenreg.database.queries", "keygenreg.web")
_TABLE = re.compile(r"\b(?:FROM|JOIN|USING)\s+(?:ONLY\s+)?([a-z_]+)", re.IGNORECASE)


def reads() -> Iterator[tuple[str, str]]:
    """Where a statement stands that answers may be made from, and the statement."""
    for package in _READING:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            for name, value in vars(importlib.import_module(found.name)).items():
                for query in inside(value, set()):
                    if not changes_data(query):
                        yield f"{found.name}.{name}", query.sql
    for kind, rules in visibility._RULES.items():
        for name, sql in rules.items():
            yield f"{kind} {name}", sql


@pytest.fixture(scope="module")
def triggers(database_settings) -> dict[str, set[str]]:
    """By table, the events of which a trigger tells, each for whole statements and all columns."""
    rows = on_server(
        database_settings,
        """SELECT t.relname, g.tgtype, g.tgattr::text, g.tgqual IS NOT NULL FROM pg_class t
        LEFT JOIN pg_trigger g ON g.tgrelid = t.oid AND g.tgenabled = 'O' AND g.tgfoid IN
            (SELECT p.oid FROM pg_proc p WHERE p.proname IN ('tell_changed_accounts', 'tell_everything_changed'))
        WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace""",
    )
    bits = {4: "INSERT", 8: "DELETE", 16: "UPDATE", 32: "TRUNCATE"}
    found: dict[str, set[str]] = {}
    for table, kind, columns, conditional in rows:
        events = found.setdefault(table, set())
        if kind is not None and not columns and not conditional:
            events.update(event for bit, event in bits.items() if kind & bit)
    return found


def test_every_table_that_is_read_tells_of_every_change(triggers):
    """A query that reads a further table finds it here, before anybody gets an old answer."""
    unheard = {
        (table, where)
        for where, sql in reads()
        for table in {name.lower() for name in _TABLE.findall(sql)}
        if table in triggers and table not in SILENT and table != "blobs"
        and triggers[table] != {"INSERT", "UPDATE", "DELETE", "TRUNCATE"}
    }
    assert not unheard


def test_the_tables_are_found_at_all(triggers):
    """The test above reads the statements rightly."""
    found = {table for _, sql in reads() for table in _TABLE.findall(sql)} & set(triggers)
    assert found >= {"packages", "releases", "artifacts", "licenses", "policies", "users", "tokens", "products",
                     "manifests", "descriptors", "blobs", "accounts", "environments", "constraints"}  # fmt: skip


def test_nothing_is_silent_for_nothing(triggers):
    assert set(SILENT) <= set(triggers)
    assert not [table for table in SILENT if triggers[table]]


# What is told


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def writer(database_settings, reactor_thread, told) -> Iterator[Database]:
    """A database that notes what it is told of its own writes."""
    opened = Database(reactor_thread.reactor, database_settings, connections=2, changed=told.append)
    yield opened
    reactor_thread.wait(opened.close())


@pytest.fixture(scope="module")
def scene(database_settings) -> Scene:
    """One account with a row in every table that can have one of it."""
    made = Scene()
    product, extra, user = made.product("OPEN"), made.entitlement(), made.user()
    environment = made.make_environment()
    license = made.license(product, holds=[extra], inherits=[extra], owner=user, users=[user])
    package = made.package(product)
    release = made.release(product, needs=[extra], package=package)
    artifact = made.artifact(release)
    made.token(license)
    made.token(environment)
    with closing(psycopg2.connect(**database_settings.keywords(statement_timeout=20))) as connection:
        with connection.cursor() as cursor:
            load(made.world, cursor)
            for table in ("manifests", "descriptors"):
                text = ", content" if table == "manifests" else ""
                cursor.execute(
                    f"INSERT INTO {table} (id, account_id, artifact_id, release_id{text}) VALUES (%s, %s, %s, %s"
                    + (", 'x')" if text else ")"),
                    (str(uuid4()), str(made.account), str(artifact.id), str(release.id)),
                )
            cursor.execute("INSERT INTO claimed_names VALUES (%s, 'pypi', 'claimed')", (str(made.account),))
        connection.commit()
    return made


def write(writer: Database, told: list[str], run_in_reactor: Any, sql: str, **params: Any) -> set[str]:
    """What the writer had been told when the write was done."""
    told.clear()
    run_in_reactor(writer.execute(Query("a write", sql, unscoped="a test"), **params))
    return set(told)


KINDS = {
    "catalogue": (
        "packages", "releases", "artifacts", "constraints", "manifests", "descriptors", "entitlements", "claimed_names",
    ),
    "bearers": (
        "licenses", "license_users", "license_entitlements", "policies", "policy_entitlements", "users", "tokens",
    ),
    "account": ("products", "environments"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "table"), [(kind, table) for kind, tables in KINDS.items() for table in tables])
def test_an_update_is_told(writer, told, scene, run_in_reactor, kind, table):
    """Once, and as what it is, before the write is done."""
    found = write(writer, told, run_in_reactor, f"UPDATE {table} SET created = created WHERE account_id = %(account)s",
                  account=scene.account)  # fmt: skip
    assert found == {f"{kind} {scene.account}"}
    assert len(told) == 1


@pytest.mark.parametrize(("kind", "table"), [(kind, table) for kind, tables in KINDS.items() for table in tables])
def test_a_deletion_is_told(writer, told, scene, run_in_reactor, kind, table):
    """With all that goes along; undone here by the exception after it."""

    async def work(transaction: Any) -> None:
        await transaction.execute(
            Query("a deletion", f"DELETE FROM {table} WHERE account_id = %(account)s", unscoped="a test"),
            account=scene.account,
        )
        found.extend(transaction._session.take_changes())
        raise LookupError

    found: list[str] = []
    told.clear()
    with pytest.raises(LookupError):
        run_in_reactor(writer.transact(work))
    assert f"{kind} {scene.account}" in found
    assert not told, "what was undone has not happened"


def test_an_insertion_is_told(writer, told, scene, run_in_reactor):
    assert write(
        writer, told, run_in_reactor,
        "INSERT INTO environments (id, account_id, code, name) VALUES (%(id)s, %(account)s, 'another', '')",
        id=uuid4(), account=scene.account,
    ) == {f"account {scene.account}"}  # fmt: skip


def test_a_change_of_an_account_is_one_of_everything(writer, told, scene, run_in_reactor):
    sql = "UPDATE accounts SET name = 'x' WHERE id = %(id)s"
    assert write(writer, told, run_in_reactor, sql, id=scene.account) == {"everything"}


def test_digests_that_come_later_are_told(writer, told, run_in_reactor):
    """Of bytes that somebody else has uploaded again; counting references is not."""
    sha256 = "ab" * 32
    made = "INSERT INTO blobs (sha256, size) VALUES (%(sha256)s, 1)"
    assert write(writer, told, run_in_reactor, made, sha256=sha256) == set()
    counted = "UPDATE blobs SET reference_count = 1, unreferenced = NULL WHERE sha256 = %(sha256)s"
    assert write(writer, told, run_in_reactor, counted, sha256=sha256) == set()
    digested = "UPDATE blobs SET sha512 = coalesce(sha512, 'x') WHERE sha256 = %(sha256)s"
    assert write(writer, told, run_in_reactor, digested, sha256=sha256) == {"everything"}
    assert write(writer, told, run_in_reactor, digested, sha256=sha256) == set()


def test_a_read_tells_nothing(writer, told, scene, run_in_reactor):
    assert write(writer, told, run_in_reactor, "SELECT id FROM releases FOR UPDATE") == set()


def test_many_accounts_become_everything(writer, told, run_in_reactor):
    """A statement that touches more than psycopg2 keeps notices of."""
    several = [uuid4() for _ in range(120)]
    account = """INSERT INTO accounts (id, slug, secret_key, ed25519_private_key, rsa_private_key, ecdsa_private_key)
        SELECT id, id::text, '', '', '', '' FROM unnest(%(ids)s::uuid[]) AS new (id)"""
    product = """INSERT INTO products (id, account_id, name)
        SELECT gen_random_uuid(), id, '' FROM unnest(%(ids)s::uuid[]) AS old (id)"""
    write(writer, told, run_in_reactor, account, ids=several)
    found = write(writer, told, run_in_reactor, product, ids=several)
    assert "everything" in found or found >= {f"account {each}" for each in several}


def test_a_whole_transaction_is_told_at_its_end(writer, told, scene, run_in_reactor):
    """After the commit, each change once; what a savepoint undid may be told too, nothing is left out."""

    async def work(transaction: Any) -> list[str]:
        for _ in range(3):
            await transaction.execute(Query("w", "UPDATE users SET created = created", unscoped="t"))
        await transaction.execute(Query("w", "UPDATE packages SET created = created", unscoped="t"))
        return list(told)

    told.clear()
    assert run_in_reactor(writer.transact(work)) == []
    assert sorted(told) == sorted([f"bearers {scene.account}", f"catalogue {scene.account}"])


def test_a_change_after_an_undone_one_is_told(writer, told, scene, run_in_reactor):
    """The database forgets with the savepoint that it has told."""

    async def work(transaction: Any) -> None:
        with pytest.raises(LookupError):
            async with transaction.savepoint():
                await transaction.execute(Query("w", "UPDATE users SET created = created", unscoped="t"))
                raise LookupError
        transaction._session.take_changes()
        await transaction.execute(Query("w", "UPDATE users SET created = created", unscoped="t"))

    told.clear()
    run_in_reactor(writer.transact(work))
    assert told == [f"bearers {scene.account}"]


def test_a_server_that_hides_notices_is_told_not_to(database_settings, reactor_thread, scene):
    """Its settings for a database or a role do not keep a writer from hearing of its own changes."""
    name = database_settings.dbname
    on_server(database_settings, f"ALTER DATABASE {name} SET client_min_messages = error")
    heard: list[str] = []
    opened = Database(reactor_thread.reactor, database_settings, connections=1, changed=heard.append)
    try:
        reactor_thread.wait(opened.execute(Query("w", "UPDATE users SET created = created", unscoped="t")))
    finally:
        reactor_thread.wait(opened.close())
        on_server(database_settings, f"ALTER DATABASE {name} RESET client_min_messages")
    assert heard == [f"bearers {scene.account}"]


def test_others_hear_the_same_by_notification(database_settings, reactor_thread, writer, scene):
    """A listener of another process gets the very words that the writer got."""
    heard: list[str] = []
    connected = Deferred()

    def begin() -> Listener:
        listener = Listener(reactor_thread.reactor, database_settings)
        listener.listen(CHANNEL, heard.append)
        listener.watch(connected=lambda: connected.callback(None), lost=lambda: None)
        listener.start()
        return listener

    async def settled() -> None:
        await connected

    listener = reactor_thread.call(begin)
    try:
        reactor_thread.wait(settled())
        for table in ("users", "packages", "products"):
            reactor_thread.wait(writer.execute(Query("w", f"UPDATE {table} SET created = created "
                                                          "WHERE account_id = %(account)s", unscoped="t"),
                                               account=scene.account))  # fmt: skip
        # Notifications come in the order of commits: after this one the others are here.
        last = UUID(int=3)
        on_server(database_settings, "SELECT pg_notify(%s, %s)", CHANNEL, f"account {last}")
        eventually(lambda: f"account {last}" in heard, "the last notification arrives")
    finally:
        reactor_thread.call(listener.stop)
    assert heard[:3] == [f"bearers {scene.account}", f"catalogue {scene.account}", f"account {scene.account}"]


# When nobody knows


@pytest.mark.parametrize("transaction", [False, True])
def test_a_write_whose_outcome_is_unknown_is_one_of_everything(
    database_settings, reactor_thread, scene, transaction
):
    """The connection breaks while the write runs: it may have been committed."""
    heard: list[str] = []
    opened = Database(reactor_thread.reactor, database_settings, connections=1, changed=heard.append)
    breaking = Query(
        "w",
        """WITH done AS (UPDATE users SET created = created RETURNING 1)
        SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5) FROM done""",
        unscoped="t",
    )
    try:
        with pytest.raises(Unavailable):
            if transaction:
                reactor_thread.wait(opened.transact(lambda running: running.execute(breaking)))
            else:
                reactor_thread.wait(opened.execute(breaking))
    finally:
        reactor_thread.wait(opened.close())
    assert heard == ["everything"]


def test_a_write_that_the_server_refused_is_none(writer, told, scene, run_in_reactor):
    """A constraint: nothing has happened, nothing is told, neither now nor with the next write."""
    sql = "INSERT INTO environments (id, account_id, code, name) VALUES (%(id)s, %(account)s, 'twice', '')"
    write(writer, told, run_in_reactor, sql, id=uuid4(), account=scene.account)
    told.clear()
    with pytest.raises(psycopg2.errors.UniqueViolation):
        run_in_reactor(writer.execute(Query("a write", sql, unscoped="a test"), id=uuid4(), account=scene.account))
    assert told == []
