"""Transactions: what is committed, what is undone, what is tried again; against a real server."""

from __future__ import annotations

import psycopg2
from twisted.internet.defer import Deferred, gatherResults

from keygenreg.database.query import Query
from keygenreg.domain.failures import Conflict, Unavailable
from tests.database_fixtures import DatabaseTestCase, on_server

TEST = "a test"
ADD = Query("add a row", "INSERT INTO counters (name, value) VALUES (%(name)s, 0)", unscoped=TEST)
RAISE = Query("add one", "UPDATE counters SET value = value + 1 WHERE name = %(name)s", unscoped=TEST)
VALUE = Query("a value", "SELECT value FROM counters WHERE name = %(name)s", unscoped=TEST)
SERIALIZABLE = Query("be serializable", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", unscoped=TEST)


class TransactionTests(DatabaseTestCase):
    def setUp(self) -> None:
        on_server(
            self.settings, "CREATE TABLE IF NOT EXISTS counters (name text CONSTRAINT once PRIMARY KEY, value int)"
        )
        super().setUp()

    def value(self, name: str) -> int | None:
        rows = on_server(self.settings, "SELECT value FROM counters WHERE name = %s", name)
        return rows[0][0] if rows else None

    async def test_work_is_really_run_and_committed(self):
        """The async function runs, its result comes back, and others see its rows only after its end."""

        async def work(transaction):
            self.assertEqual(await transaction.execute(ADD, name="run"), 1)
            self.assertIsNone(self.value("run"))
            await transaction.execute(RAISE, name="run")
            return await transaction.one(VALUE, name="run")

        self.assertEqual(await self.database.transact(work), {"value": 1})
        self.assertEqual(self.value("run"), 1)

    async def test_any_exception_undoes_everything(self):
        """Failures, psycopg2's errors and defects come out as they are; nothing stays."""
        for error in (Conflict("lost"), ValueError("defect")):

            async def work(transaction, error=error):
                await transaction.execute(ADD, name="undone")
                raise error

            raised = await self.assertFailure(Deferred.fromCoroutine(self.database.transact(work)), type(error))
            self.assertIs(raised, error)
            self.assertIsNone(self.value("undone"))

        async def twice(transaction):
            await transaction.execute(ADD, name="undone")
            await transaction.execute(ADD, name="undone")

        violated = await self.assertFailure(
            Deferred.fromCoroutine(self.database.transact(twice)), psycopg2.errors.UniqueViolation
        )
        self.assertEqual(violated.diag.constraint_name, "once")
        self.assertIsNone(self.value("undone"))
        self.assertEqual(self.database.state.busy, 0)

    async def test_swallowed_error_is_not_taken_for_success(self):
        """Work that goes on after an error would be rolled back in silence; it is told instead."""

        async def work(transaction):
            await transaction.execute(ADD, name="swallowed")
            try:
                await transaction.execute(ADD, name="swallowed")
            except psycopg2.errors.UniqueViolation:
                return "fine"

        await self.assertFailure(Deferred.fromCoroutine(self.database.transact(work)), RuntimeError)
        self.assertIsNone(self.value("swallowed"))

    async def test_savepoint_undoes_only_its_part(self):
        """After a failed part inside a savepoint, also a nested one, the rest is committed."""

        async def work(transaction):
            await transaction.execute(ADD, name="kept")
            try:
                async with transaction.savepoint():
                    await transaction.execute(RAISE, name="kept")
                    async with transaction.savepoint():
                        await transaction.execute(ADD, name="kept")
            except psycopg2.errors.UniqueViolation:
                await transaction.execute(ADD, name="other")

        await self.database.transact(work)
        self.assertEqual((self.value("kept"), self.value("other")), (0, 0))

    async def test_statements_awaited_together_take_turns(self):
        """Several statements of one transaction at once are sent one after the other."""

        async def work(transaction):
            await transaction.execute(ADD, name="together")
            together = [Deferred.fromCoroutine(transaction.execute(RAISE, name="together")) for _ in range(5)]
            return await gatherResults(together)

        self.assertEqual(await self.database.transact(work), [1] * 5)
        self.assertEqual(self.value("together"), 5)

    async def test_transaction_is_of_no_use_after_its_end(self):
        """A statement sent too late cannot slip into somebody else's transaction."""
        kept = []

        async def work(transaction):
            kept.append(transaction)

        await self.database.transact(work)
        await self.assertFailure(Deferred.fromCoroutine(kept[0].execute(ADD, name="late")), RuntimeError)

    async def test_deadlock_is_resolved_by_trying_again(self):
        """Two transactions that lock the same rows in opposite order both succeed."""
        for name in ("left", "right"):
            await self.database.execute(ADD, name=name)
        both_began: Deferred[None] = Deferred()
        began = []

        def work_in_order(*names):
            async def work(transaction):
                began.append(names)
                await transaction.execute(RAISE, name=names[0])
                if len(began) == 2 and not both_began.called:
                    both_began.callback(None)
                waiter = Deferred()
                both_began.addCallback(lambda _: waiter.callback(None))
                await waiter
                await transaction.execute(RAISE, name=names[1])

            return self.database.transact(work)

        works = [work_in_order("left", "right"), work_in_order("right", "left")]
        await gatherResults([Deferred.fromCoroutine(work) for work in works])
        self.assertEqual(len(began), 3)
        self.assertEqual((self.value("left"), self.value("right")), (2, 2))

    async def test_lost_races_end_after_three_attempts(self):
        """A transaction that loses every time is Unavailable, not repeated for ever."""
        await self.database.execute(ADD, name="race")
        attempts = []

        async def work(transaction):
            attempts.append(1)
            await transaction.execute(SERIALIZABLE)
            await transaction.one(VALUE, name="race")
            on_server(self.settings, "UPDATE counters SET value = value + 10 WHERE name = 'race'")
            await transaction.execute(RAISE, name="race")

        await self.assertFailure(Deferred.fromCoroutine(self.database.transact(work)), Unavailable)
        self.assertEqual(len(attempts), 3)
        self.assertEqual(self.value("race"), 30)
