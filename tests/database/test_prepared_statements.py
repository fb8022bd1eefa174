"""Reads that repeat are prepared, and nobody notices: against a real server."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from itertools import count
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import deferLater

from keygenreg.database import prepared_statements
from keygenreg.database.pool import Database
from keygenreg.database.query import Query
from tests.database_fixtures import DatabaseTestCase, on_server

TEST = "a test"
BACKEND = Query("own backend", "SELECT pg_backend_pid() AS pid", unscoped=TEST)
COUNT = "SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE %(like)s"
_numbers = count(1)


def query(sql: str) -> Query:
    """A query of a text that no other test has used."""
    number = next(_numbers)
    return Query("a test's", f"{sql} /* no. {number}. */", unscoped=TEST)


class PreparedTestCase(DatabaseTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.table = f"things_{next(_numbers)}"
        on_server(self.settings, f"CREATE TABLE {self.table} (id uuid, n int, text text)")
        on_server(self.settings, f"INSERT INTO {self.table} VALUES (gen_random_uuid(), 1, 'a')")
        self.database = self.open_database(connections=1)

    async def prepared(self, of: Query | None = None, database: Database | None = None) -> int:
        """How many statements the server keeps for the only connection, or for one query."""
        like = "PREPARE %" if of is None else f"PREPARE %{of.sql.rpartition('/*')[2]}%"
        plain = query(COUNT)
        return (await (database or self.database).one(plain, like=like))["n"]

    async def times(self, number: int, work: Any) -> list[Any]:
        return [await work() for _ in range(number)]


class UseTests(PreparedTestCase):
    async def test_the_second_time_and_once(self):
        """A read is prepared when it is asked again, and then executed again and again."""
        things = query(f"SELECT n FROM {self.table} WHERE text = %(text)s")
        kept = []
        for _ in range(4):
            self.assertEqual(await self.database.rows(things, text="a"), [{"n": 1}])
            kept.append(await self.prepared(things))
        self.assertEqual(kept, [0, 1, 1, 1])
        self.assertEqual(await self.database.rows(things, text="b"), [])

    async def test_one_plan_for_all(self):
        """The server plans it once, whatever its values are."""
        things = query(f"SELECT n FROM {self.table} WHERE text = %(text)s")
        await self.times(6, lambda: self.database.rows(things, text="a"))
        plans = query("SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE %(like)s")
        like = f"PREPARE %{things.sql.rpartition('/*')[2]}%"
        self.assertEqual(await self.database.one(plans, like=like), {"generic_plans": 5, "custom_plans": 0})

    async def test_not_where_it_is_switched_off(self):
        """A setting for poolers that share connections."""
        database = self.open_database(connections=1, prepare=False)
        things = query(f"SELECT n FROM {self.table}")
        await self.times(3, lambda: database.rows(things))
        self.assertEqual(await self.prepared(database=database), 0)

    async def test_writes_are_not_prepared(self):
        """Nor are commands that cannot be, although they are tried as reads."""
        add = query(f"INSERT INTO {self.table} (n) VALUES (%(n)s) RETURNING n")
        await self.times(3, lambda: self.database.rows(add, n=5))
        show = query("SHOW timezone")
        self.assertEqual(await self.times(3, lambda: self.database.one(show)), [{"TimeZone": "UTC"}] * 3)
        self.assertEqual(await self.prepared(), 0)

    async def test_the_server_keeps_a_bounded_number(self):
        """Those that were not used for longest go."""
        with patch.object(prepared_statements, "LIMIT", 3):
            reads = [query("SELECT %(n)s AS n") for _ in range(8)]
            for _ in range(3):
                for n, read in enumerate(reads):
                    self.assertEqual(await self.database.one(read, n=n), {"n": n})
                    self.assertLessEqual(await self.prepared(), 3)
            self.assertEqual([await self.prepared(read) for read in reads[-3:]], [1, 1, 1])

    async def test_what_the_server_cannot_type_is_sent_plain(self):
        """Its refusal is met once and never reaches the caller, in and outside of transactions."""
        untyped = query("SELECT jsonb_build_array(%(a)s) AS a")
        for database in (self.database, self.open_database(connections=1)):
            for _ in range(3):
                self.assertEqual(await database.one(untyped, a="x"), {"a": ["x"]})
        untyped = query("SELECT jsonb_build_array(%(a)s) AS a")
        for _ in range(3):
            found = await self.database.transact(lambda t: t.one(untyped, a="x"))
            self.assertEqual(found, {"a": ["x"]})
        self.assertEqual(await self.prepared(), 0)


class FailureTests(PreparedTestCase):
    async def test_a_failed_statement_can_be_run_again(self):
        """An error of the values is the caller's, and the statement stays prepared."""
        divide = query("SELECT 6 / %(n)s AS n")
        for n in (1, 2, 0, 3):
            if n:
                self.assertEqual(await self.database.one(divide, n=n), {"n": 6 // n})
            else:
                failing = Deferred.fromCoroutine(self.database.one(divide, n=n))
                await self.assertFailure(failing, psycopg2.errors.DivisionByZero)
            self.assertEqual(await self.prepared(divide), int(n != 1))

    async def test_a_table_with_another_column(self):
        """What is selected follows the table at once, outside of transactions and inside."""
        things = query(f"SELECT * FROM {self.table}")
        await self.times(3, lambda: self.database.one(things))
        on_server(self.settings, f"ALTER TABLE {self.table} ADD COLUMN more int DEFAULT 7")
        self.assertEqual((await self.database.one(things))["more"], 7)
        await deferLater(self.reactor, 1.1)
        await self.times(2, lambda: self.database.one(things))
        self.assertEqual(await self.prepared(things), 1)
        on_server(self.settings, f"ALTER TABLE {self.table} DROP COLUMN more")
        tries = []

        async def work(transaction):
            tries.append(1)
            return await transaction.one(things)

        self.assertNotIn("more", await self.database.transact(work))
        self.assertEqual(len(tries), 2)

    async def test_a_column_of_another_type(self):
        """Types that were inferred for the old one are forgotten."""
        things = query(f"SELECT text FROM {self.table} WHERE n = %(n)s OR id = %(id)s")
        await self.times(3, lambda: self.database.one(things, n="1", id=str(uuid.uuid4())))
        on_server(self.settings, f"ALTER TABLE {self.table} ALTER COLUMN id TYPE text")
        for _ in range(3):
            self.assertEqual(await self.database.one(things, n="1", id=str(uuid.uuid4())), {"text": "a"})

    async def test_a_table_that_is_gone(self):
        """The error is the same as in the plain way, also of transactions."""
        things = query(f"SELECT n FROM {self.table}")
        await self.times(3, lambda: self.database.one(things))
        on_server(self.settings, f"DROP TABLE {self.table}")
        for work in (self.database.one(things), self.database.transact(lambda t: t.one(things))):
            await self.assertFailure(Deferred.fromCoroutine(work), psycopg2.errors.UndefinedTable)

    async def test_statements_that_the_server_has_forgotten(self):
        """A pooler may give the connection another server process."""
        things = query(f"SELECT n FROM {self.table}")
        forget = query("DEALLOCATE ALL")
        await self.times(3, lambda: self.database.one(things))
        await self.database.rows(forget)
        self.assertEqual(await self.database.one(things), {"n": 1})
        await deferLater(self.reactor, 1.1)
        await self.times(2, lambda: self.database.one(things))
        await self.database.rows(forget)
        self.assertEqual(await self.database.transact(lambda t: t.one(things)), {"n": 1})

    async def test_statements_that_somebody_else_has_prepared(self):
        """Of equal name they are equal: they are used."""
        things = query(f"SELECT n FROM {self.table} WHERE n = %(n)s")
        text = prepared_statements.prepared_text(things.sql, {"n": 1})
        await self.database.rows(Query("as somebody else", text.preparation, unscoped=TEST))
        for _ in range(3):
            self.assertEqual(await self.database.one(things, n=1), {"n": 1})

    async def test_a_lost_connection(self):
        """The next one prepares for itself."""
        things = query(f"SELECT n FROM {self.table}")
        await self.times(3, lambda: self.database.one(things))
        old = (await self.database.one(BACKEND))["pid"]
        on_server(self.settings, "SELECT pg_terminate_backend(%s)", old)
        self.assertEqual(await self.times(2, lambda: self.database.one(things)), [{"n": 1}] * 2)
        self.assertNotEqual((await self.database.one(BACKEND))["pid"], old)
        self.assertEqual(await self.prepared(things), 1)

    async def test_a_read_that_is_given_up(self):
        """A prepared statement is stopped in the server like others, and can be executed afterwards."""
        sleep = query("SELECT 1 AS n FROM pg_sleep(%(seconds)s)")
        await self.times(2, lambda: self.database.one(sleep, seconds=0))
        reading = Deferred.fromCoroutine(self.database.one(sleep, seconds=60))
        asleep = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'EXECUTE keygenreg%%(60)'"
        while not on_server(self.settings, asleep):
            await deferLater(self.reactor, 0.01)
        reading.cancel()
        await self.assertFailure(reading, CancelledError)
        while on_server(self.settings, asleep):
            await deferLater(self.reactor, 0.01)
        self.assertEqual(await self.database.one(sleep, seconds=0), {"n": 1})
        self.assertEqual(await self.prepared(sleep), 1)


class TransactionTests(PreparedTestCase):
    async def test_reads_of_transactions_are_prepared(self):
        """Also those that are never read outside of one, and when several are awaited together."""
        things = query(f"SELECT n FROM {self.table} WHERE text = %(text)s FOR UPDATE")

        async def work(transaction):
            both = [Deferred.fromCoroutine(transaction.one(things, text="a")) for _ in range(2)]
            return await gatherResults(both)

        self.assertEqual(await self.times(3, lambda: self.database.transact(work)), [[{"n": 1}] * 2] * 3)
        self.assertEqual(await self.prepared(), 0)
        reads = query(f"SELECT n FROM {self.table} WHERE text = %(text)s")
        await self.times(2, lambda: self.database.transact(lambda t: t.one(reads, text="a")))
        self.assertEqual(await self.prepared(reads), 1)

    async def test_what_was_prepared_in_a_transaction_outlives_it(self):
        """Rolled back or not."""
        things = query(f"SELECT n FROM {self.table}")

        async def work(transaction):
            await self.times(2, lambda: transaction.one(things))
            raise LookupError

        await self.assertFailure(Deferred.fromCoroutine(self.database.transact(work)), LookupError)
        self.assertEqual(await self.prepared(things), 1)
        self.assertEqual(await self.database.one(things), {"n": 1})

    async def test_a_refusal_does_not_spoil_the_transaction(self):
        """What was written before the attempt to prepare stays written."""
        add = query(f"INSERT INTO {self.table} (n) VALUES (5)")
        untyped = query("SELECT jsonb_build_array(%(a)s) AS a")

        async def work(transaction):
            await transaction.execute(add)
            return await self.times(3, lambda: transaction.one(untyped, a="x"))

        self.assertEqual(await self.database.transact(work), [{"a": ["x"]}] * 3)
        five = query(f"SELECT count(*) AS n FROM {self.table} WHERE n = 5")
        self.assertEqual(await self.database.one(five), {"n": 1})

    async def test_errors_inside_a_savepoint(self):
        """After going back to it, prepared statements work as before."""
        divide = query("SELECT 6 / %(n)s AS n")
        await self.times(2, lambda: self.database.one(divide, n=1))

        async def work(transaction):
            try:
                async with transaction.savepoint():
                    await transaction.one(divide, n=0)
            except psycopg2.errors.DivisionByZero:
                return await transaction.one(divide, n=2)

        self.assertEqual(await self.database.transact(work), {"n": 3})

    async def test_a_spoilt_transaction_says_so(self):
        """Prepared or not, a read in it gets PostgreSQL's own words."""
        things = query(f"SELECT n FROM {self.table}")
        divide = query("SELECT 1 / 0")

        async def work(transaction):
            failing = Deferred.fromCoroutine(transaction.one(divide))
            await self.assertFailure(failing, psycopg2.errors.DivisionByZero)
            await transaction.one(things)

        for _ in range(3):
            failing = Deferred.fromCoroutine(self.database.transact(work))
            await self.assertFailure(failing, psycopg2.errors.InFailedSqlTransaction)
            await self.database.one(things)


ECHOES = {
    "uuid": st.uuids(),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "bytea": st.binary(),
    "timestamptz": st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)),
    "float8": st.floats(allow_nan=False),
    "uuid[]": st.lists(st.uuids()),
    "text[]": st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))),
    "int[]": st.lists(st.integers(-(2**31), 2**31 - 1)),
    "jsonb": st.dictionaries(st.sampled_from("abc"), st.integers(-(2**50), 2**50) | st.none() | st.booleans()),
}


@pytest.fixture(scope="module")
def values_table(database_settings):
    """A row of a narrow integer, for comparisons with numbers that it cannot hold."""
    on_server(database_settings, "CREATE TABLE narrow (n int, key text)")
    on_server(database_settings, "INSERT INTO narrow VALUES (1, 'a')")


@given(st.data())
@settings(max_examples=100)
def test_values_come_back_as_they_went_in(database, run_in_reactor, data):
    """Any value of any type, and NULL: plain, at the preparation, and prepared."""
    kind = data.draw(st.sampled_from(sorted(ECHOES)))
    value = data.draw(st.none() | ECHOES[kind])
    echo = Query("echo", f"SELECT %(value)s::{kind} AS value", unscoped=TEST)
    for _ in range(3):
        assert run_in_reactor(database.one(echo, value=value))["value"] == value


@pytest.mark.parametrize("value", [1, 2, 2**40, -(2**31), 2**70, None, True, "1", 1.0, 0.5])
def test_comparisons_mean_the_same(database, run_in_reactor, values_table, value):
    """A number that the column cannot hold is not found; it is not an error, as an inferred type would make it."""
    plain = Query("plain", "SELECT key FROM narrow WHERE n = %(value)s", unscoped=TEST)
    answers = []
    for _ in range(4):
        try:
            answers.append(run_in_reactor(database.rows(plain, value=value)))
        except psycopg2.Error as error:
            answers.append(type(error))
    assert answers == answers[:1] * 4
