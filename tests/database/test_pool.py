"""Database: rows, cancelling, bounds, healing; against a real server."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random

import psutil
import psycopg2
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.logger import globalLogPublisher

from keygenreg.database import session
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.pool import Database
from keygenreg.database.query import Query
from keygenreg.database.statements import UnexpectedRows
from keygenreg.database.values import Json
from keygenreg.domain.failures import BadRequest, Unavailable
from tests.database_fixtures import DatabaseTestCase, on_server

TEST = "a test"
ONE = Query("the number one", "SELECT 1 AS n", unscoped=TEST)
BACKEND = Query("own backend", "SELECT pg_backend_pid() AS pid", unscoped=TEST)
LONG_READ = Query("a long read", "SELECT pg_sleep(60)", unscoped=TEST)
SHORT_WAIT = Query("a short wait", "SELECT pg_sleep(0.2)", unscoped=TEST)
ADD = Query("add a mark", "INSERT INTO marks (text) VALUES (%(text)s)", unscoped=TEST)
ADD_SLOWLY = Query(
    "add a mark slowly", "INSERT INTO marks (text) SELECT %(text)s FROM pg_sleep(0.2)", unscoped=TEST
)
ADD_RETURNING = Query(
    "add a mark and tell", "INSERT INTO marks (text) SELECT %(text)s FROM pg_sleep(0.2) RETURNING text", unscoped=TEST
)
MARKS = Query("marks", "SELECT text FROM marks WHERE text = %(text)s", unscoped=TEST)


class Colour(Enum):
    RED = "red"


class PoolTestCase(DatabaseTestCase):
    def setUp(self) -> None:
        on_server(self.settings, "CREATE TABLE IF NOT EXISTS marks (text text CONSTRAINT mark_once PRIMARY KEY)")
        super().setUp()

    def start(self, coroutine) -> Deferred:
        return Deferred.fromCoroutine(coroutine)

    async def until(self, condition) -> None:
        """Wait for a condition, itself a plain function; the test's time limit ends a vain wait."""
        while not condition():
            await deferLater(self.reactor, 0.01)

    def active(self, query: Query) -> bool:
        """Whether the server works on the query right now."""
        return bool(
            on_server(
                self.settings,
                "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query = %s",
                query.sql,
            )
        )

    def marked(self, text: str) -> bool:
        return bool(on_server(self.settings, "SELECT 1 FROM marks WHERE text = %s", text))


class ValueTests(PoolTestCase):
    async def roundtrip(self, kind: str, value: object) -> object:
        query = Query("echo", f"SELECT %(value)s::{kind} AS value", unscoped=TEST)
        return (await self.database.one(query, value=value))["value"]

    async def test_rows_are_plain_dicts_of_python_values(self):
        """UUIDs, aware times, JSON, bytes and arrays come back as they went in."""
        now = datetime.now(UTC)
        for kind, value in (
            ("uuid", uuid.uuid4()),
            ("uuid[]", [uuid.uuid4(), uuid.uuid4()]),
            ("text[]", ["a", 'b"', "{}"]),
            ("text[]", []),
            ("jsonb", {"a": [1, None, "ü"], "b": {}}),
            ("timestamptz", now),
            ("bytea", b"\x00\xff"),
            ("bigint", 2**40),
            ("text", "%s %(x)s '\\ \u2028"),
        ):
            self.assertEqual(await self.roundtrip(kind, value), value, kind)
        self.assertEqual((await self.roundtrip("timestamptz", now)).utcoffset(), timedelta(0))
        self.assertIs(type(await self.database.one(ONE)), dict)

    async def test_other_values_that_are_accepted(self):
        """Tuples and sets become arrays, a wrapped list becomes JSON, a member of an enumeration its value."""
        self.assertEqual(await self.roundtrip("int[]", (1, 2)), [1, 2])
        self.assertEqual(await self.roundtrip("int[]", frozenset({3})), [3])
        self.assertEqual(await self.roundtrip("jsonb", Json([1, {"a": 2}])), [1, {"a": 2}])
        self.assertEqual(await self.roundtrip("text", Colour.RED), "red")

    async def test_text_that_no_column_can_hold_is_the_clients_fault(self):
        """NUL characters and lone surrogates, also inside JSON, are a bad request; the connection stays usable."""
        for kind, value in (("text", "a\0b"), ("text", "\ud800"), ("jsonb", {"a": "\0"})):
            failure = await self.assertFailure(self.start(self.roundtrip(kind, value)), BadRequest)
            self.assertNotIn("\0", failure.detail)
        self.assertEqual(await self.database.one(ONE), {"n": 1})

    async def test_number_of_rows_is_checked(self):
        """One and maybe refuse more rows than they promise, one also none."""
        two = Query("two rows", "SELECT generate_series(1, 2)", unscoped=TEST)
        none = Query("no rows", "SELECT 1 WHERE false", unscoped=TEST)
        self.assertIsNone(await self.database.maybe(none))
        for work in (self.database.maybe(two), self.database.one(two), self.database.one(none)):
            await self.assertFailure(self.start(work), UnexpectedRows)

    async def test_violated_constraint_is_named(self):
        """What the server refuses comes out as psycopg2's error, and the number of changed rows as a number."""
        self.assertEqual(await self.database.execute(ADD, text="twice"), 1)
        error = await self.assertFailure(
            self.start(self.database.execute(ADD, text="twice")), psycopg2.errors.UniqueViolation
        )
        self.assertEqual(error.diag.constraint_name, "mark_once")

    async def test_scoped_query_without_a_scope_shows_nothing(self):
        """Forgetting the scope is an error of the database and no leak."""
        scoped = Query("everything visible", "SELECT * FROM visible_releases")
        await self.assertFailure(self.start(self.database.rows(scoped)), psycopg2.errors.UndefinedTable)


class CancellingTests(PoolTestCase):
    """Trial fails these tests if anything at all is logged as an error, or any Deferred fails unseen."""

    async def test_running_read_is_stopped_in_the_server(self):
        """Who leaves is free at once; the server stops, and the connection serves the next read."""
        database = self.open_database(connections=1)
        read = self.start(database.rows(LONG_READ))
        await self.until(lambda: self.active(LONG_READ))
        read.cancel()
        self.failureResultOf(read, CancelledError)
        self.assertEqual(await database.one(ONE), {"n": 1})
        self.assertFalse(self.active(LONG_READ))

    async def test_read_left_shortly_before_its_end(self):
        """Readers that leave at any moment harm neither those before nor those after them."""
        database = self.open_database(connections=2)
        for number in range(60):
            left = self.start(database.rows(ONE))
            kept = self.start(database.rows(ONE))
            if number % 3:
                await deferLater(self.reactor, number * 0.0001)
            left.cancel()
            left.addErrback(lambda failure: failure.trap(CancelledError))
            self.assertEqual(await kept, [{"n": 1}])
        await self.until(lambda: database.state.busy == 0)
        self.assertLessEqual(database.state.idle, 2)

    async def test_waiting_read_gives_up_its_place(self):
        """A read that still waits for a connection is gone at once and never reaches the server."""
        database = self.open_database(connections=1)
        first = self.start(database.rows(SHORT_WAIT))
        waiting = self.start(database.rows(LONG_READ))
        await self.until(lambda: database.state.busy == 1)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(database.state.waiting, 0)
        await first
        self.assertEqual(await database.one(ONE), {"n": 1})

    async def test_write_runs_to_its_end(self):
        """A write whose client left is done all the same, through execute and through rows."""
        for number, work in enumerate(
            (self.database.execute(ADD_SLOWLY, text="left 0"), self.database.one(ADD_RETURNING, text="left 1"))
        ):
            write = self.start(work)
            write.cancel()
            self.failureResultOf(write, CancelledError)
            await self.until(lambda text=f"left {number}": self.marked(text))

    async def test_transaction_runs_to_its_end(self):
        """A transaction whose client left between its statements commits."""

        async def work(transaction):
            await transaction.execute(ADD, text="first half")
            await transaction.rows(SHORT_WAIT)
            await transaction.execute(ADD, text="second half")

        write = self.start(self.database.transact(work))
        await self.until(lambda: self.active(SHORT_WAIT))
        write.cancel()
        self.failureResultOf(write, CancelledError)
        await self.until(lambda: self.marked("first half") and self.marked("second half"))

    async def test_failing_write_whose_client_left_is_logged_without_its_values(self):
        """The log names the statement and the kind of error; no parameter."""
        told = []
        globalLogPublisher.addObserver(told.append)
        self.addCleanup(globalLogPublisher.removeObserver, told.append)
        await self.database.execute(ADD, text="s3cret")
        write = self.start(self.database.execute(ADD, text="s3cret"))
        write.cancel()
        self.failureResultOf(write, CancelledError)
        await self.until(lambda: told)
        self.assertEqual((told[0]["what"], told[0]["error"]), (ADD.name, "UniqueViolation"))
        self.assertNotIn("s3cret", repr(told))


class BoundTests(PoolTestCase):
    async def test_too_many_waiters_are_turned_away(self):
        """Beyond connections and waiters the answer is Unavailable with a time to come back; the others are served."""
        database = self.open_database(connections=2, waiters=3)
        await gatherResults([self.start(database.rows(SHORT_WAIT)) for _ in range(2)])
        served = [self.start(database.rows(SHORT_WAIT)) for _ in range(5)]
        refused = await self.assertFailure(self.start(database.rows(ONE)), Unavailable)
        self.assertGreater(refused.retry_after, 0)
        await gatherResults(served)
        self.assertEqual(database.state.idle, 2)

    async def test_waiters_are_patient_only_so_long(self):
        """Who does not get a connection in time is told so."""
        database = self.open_database(connections=1, patience=0.05)
        busy = self.start(database.rows(SHORT_WAIT))
        await self.until(lambda: database.state.busy == 1)
        await self.assertFailure(self.start(database.rows(ONE)), Unavailable)
        await busy

    async def test_connections_are_opened_when_needed_and_no_more_than_allowed(self):
        """Nothing is open before the first query; many at once share the allowed number."""
        database = self.open_database(connections=3)
        self.assertEqual(database.state.idle, 0)
        rows = await gatherResults([self.start(database.one(BACKEND)) for _ in range(30)])
        self.assertLessEqual(len({row["pid"] for row in rows}), 3)
        self.assertEqual(database.state.waiting, 0)

    async def test_statement_that_takes_too_long(self):
        """The server stops it and the client is asked to come back later."""
        database = self.open_database(connections=1, statement_timeout=0.1)
        await self.assertFailure(self.start(database.rows(LONG_READ)), Unavailable)
        self.assertEqual(await database.one(ONE), {"n": 1})

    async def test_closed_database_refuses_after_what_was_running(self):
        """Close lets running work end and turns new work away."""
        database = self.open_database()
        running = self.start(database.execute(ADD_SLOWLY, text="before the end"))
        await self.until(lambda: self.active(ADD_SLOWLY) or running.called or database.state.busy)
        closing = self.start(database.close())
        await self.assertFailure(self.start(database.rows(ONE)), Unavailable)
        self.assertEqual(await running, 1)
        await closing


class ResourceTests(PoolTestCase):
    async def test_a_server_that_lacks_something_asks_to_come_back(self):
        """Disk space, memory, the disk itself, the time of a transaction: Unavailable, and the next statement runs."""
        for code in ("53100", "53200", "53400", "58030", "25P03", "25P04"):
            failing = Query(
                "fail", f"DO $$ BEGIN RAISE EXCEPTION 'lacking' USING ERRCODE = '{code}'; END $$", unscoped=TEST
            )
            await self.assertFailure(self.start(self.database.rows(failing)), Unavailable)
            await self.assertFailure(self.start(self.database.execute(failing)), Unavailable)
            inside = self.database.transact(lambda transaction, query=failing: transaction.rows(query))
            await self.assertFailure(self.start(inside), Unavailable)
            self.assertEqual(await self.database.one(ONE), {"n": 1})


class HealingTests(PoolTestCase):
    async def backends(self, database: Database, count: int) -> list[int]:
        await gatherResults([self.start(database.rows(SHORT_WAIT)) for _ in range(count)])
        name = self.settings.dbname
        sql = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        return [pid for (pid,) in on_server(self.settings, sql, name)]

    async def test_killed_idle_backends_cost_nobody_anything(self):
        """After an administrator ended every connection, the very next reads and writes work."""
        database = self.open_database(connections=4)
        for pid in await self.backends(database, 4):
            on_server(self.settings, "SELECT pg_terminate_backend(%s, 5000)", pid)
        self.assertEqual(await database.execute(ADD, text="after the end"), 1)
        rows = await gatherResults([self.start(database.rows(ONE)) for _ in range(50)])
        self.assertEqual(rows, [[{"n": 1}]] * 50)

    async def test_read_over_a_dying_connection_is_sent_again(self):
        """A read whose backend is killed is answered over another connection."""
        database = self.open_database(connections=1)
        [pid] = await self.backends(database, 1)
        slow = Query("slow backend", "SELECT pg_backend_pid() AS pid FROM pg_sleep(0.3)", unscoped=TEST)
        read = self.start(database.one(slow))
        await self.until(lambda: self.active(slow))
        on_server(self.settings, "SELECT pg_terminate_backend(%s)", pid)
        self.assertNotEqual((await read)["pid"], pid)

    async def test_storm(self):
        """Under random ends of backends and leaving clients every answer belongs to its question; nothing is logged."""
        database = self.open_database(connections=4)
        echo = Query("echo after a moment", "SELECT %(n)s::int AS n FROM pg_sleep(random() * 0.01)", unscoped=TEST)
        ending = Query(
            "end some backends",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2",
            unscoped=TEST,
        )
        chance = Random(7)

        async def client(number: int) -> None:
            for _ in range(15):
                read = self.start(database.one(echo, n=number))
                if chance.random() < 0.3:
                    self.reactor.callLater(chance.random() * 0.01, read.cancel)
                try:
                    self.assertEqual(await read, {"n": number})
                except (CancelledError, Unavailable):
                    continue

        clients = gatherResults([self.start(client(number)) for number in range(20)])
        killer = self.open_database(connections=1)
        while not clients.called:
            await killer.rows(ending)
            await deferLater(self.reactor, 0.02)
        await clients
        await self.until(lambda: database.state.busy == 0)
        self.assertEqual(await database.one(ONE), {"n": 1})

    async def test_write_over_a_dying_connection_fails_once(self):
        """A write whose backend is killed is Unavailable, since nobody knows what it did; later ones work."""
        database = self.open_database(connections=1)
        [pid] = await self.backends(database, 1)
        write = self.start(database.execute(ADD_SLOWLY, text="dying"))
        await self.until(lambda: self.active(Query("", ADD_SLOWLY.sql.replace("%(text)s", "'dying'"))))
        on_server(self.settings, "SELECT pg_terminate_backend(%s)", pid)
        await self.assertFailure(write, Unavailable)
        self.assertEqual(await database.execute(ADD, text="living"), 1)

    async def test_transaction_over_a_dying_connection_leaves_nothing(self):
        """Its work so far is undone and the client told to come back."""

        async def work(transaction):
            await transaction.execute(ADD, text="half done")
            pid = (await transaction.one(BACKEND))["pid"]
            on_server(self.settings, "SELECT pg_terminate_backend(%s, 5000)", pid)
            await transaction.execute(ADD, text="never")

        await self.assertFailure(self.start(self.database.transact(work)), Unavailable)
        self.assertEqual(await self.database.rows(MARKS, text="half done"), [])

    async def test_commit_over_a_dying_connection(self):
        """Nobody knows whether it happened: the client is told to come back, and everything counts as changed."""
        on_server(
            self.settings,
            """CREATE TABLE late_marks (text text);
            CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(20); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late_marks DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION wait()""",
        )
        told: list[str] = []
        database = self.open_database(changed=told.append)
        add = Query("add a late mark", "INSERT INTO late_marks VALUES ('x')", unscoped=TEST)
        commit = self.start(database.transact(lambda transaction: transaction.execute(add)))
        sql = "SELECT pid FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'"
        await self.until(lambda: on_server(self.settings, sql))
        on_server(self.settings, f"SELECT pg_terminate_backend(pid) FROM ({sql}) AS found")
        await self.assertFailure(commit, Unavailable)
        self.assertEqual(told, ["everything"])

    async def test_server_that_hangs(self):
        """It keeps connections open and answers nothing, not even its own time limit: that ends, for all who wait."""
        self.patch(session, "HUNG_AFTER", 0.2)
        database = self.open_database(connections=2, statement_timeout=0.4)
        pids = await self.backends(database, 2)
        processes = [psutil.Process(pid) for pid in pids]
        for process in processes:
            process.suspend()
        try:
            read, write = self.start(database.one(ONE)), self.start(database.execute(ADD, text="hanging"))
            self.assertEqual(await read, {"n": 1})  # over another connection
            await self.assertFailure(write, Unavailable)
        finally:
            for process in processes:
                process.resume()
        self.assertEqual(await database.one(ONE), {"n": 1})

    async def test_server_that_is_away(self):
        """Callers are told so within their patience, the log says it once, and neither names the password."""
        told = []
        globalLogPublisher.addObserver(told.append)
        self.addCleanup(globalLogPublisher.removeObserver, told.append)
        settings = ConnectionSettings("/nonexistent", 1, "nobody", "pass-word", "nothing")
        database = Database(self.reactor, settings, patience=0.1)
        self.addCleanup(database.close)
        for _ in range(3):
            failure = await self.assertFailure(self.start(database.rows(ONE)), Unavailable)
            self.assertNotIn("pass-word", repr(failure))
        warnings = [event for event in told if event.get("log_namespace") == "keygenreg.database.session_pool"]
        self.assertEqual(len(warnings), 1)
        self.assertNotIn("pass-word", repr(told))

    async def test_host_that_has_no_address(self):
        """A name that cannot be resolved is a server that is away."""
        settings = ConnectionSettings("no-such-host.invalid", 1, "nobody", "", "nothing")
        database = Database(self.reactor, settings, patience=2)
        self.addCleanup(database.close)
        await self.assertFailure(self.start(database.rows(ONE)), Unavailable)
