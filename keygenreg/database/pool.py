"""The database as the rest of the program sees it: run a query, run a transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.logger import Logger

from keygenreg.database.cancellation import detached
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.faults import NeverSent, SessionLost, as_failure, is_repeatable
from keygenreg.database.query import Query
from keygenreg.database.reading import Reading, StatementStopper
from keygenreg.database.session import Result, Session, open_session
from keygenreg.database.session_pool import PoolState, SessionPool
from keygenreg.database.statements import at_most_one, changes_data, compiled, exactly_one
from keygenreg.database.transactions import Transaction, run_transaction
from keygenreg.domain.scope import Scope

T = TypeVar("T")

ATTEMPTS = 3
SLOW = 1.0

log = Logger()


class Database:
    """One PostgreSQL database over a bounded number of connections, opened when first needed.

    Every Deferred behind these coroutines is safe to cancel. Reads are given up then: at once while they wait for a
    connection, and in the server soon after. Writes and transactions run to their end, seen or unseen.

    All methods raise :class:`~keygenreg.domain.failures.Unavailable` when the database is away, too slow, or too many
    callers wait for it; psycopg2's errors for what the server refuses (``psycopg2.errors.UniqueViolation`` has
    ``.diag.constraint_name``); :class:`~keygenreg.domain.failures.BadRequest` for text that no column can hold.

    Rows are dicts of ``uuid.UUID``, aware datetimes (UTC), decoded JSON, ``bytes``. Parameters may be those too; a list
    or tuple becomes an array, a dict becomes jsonb, a list meant as JSON is wrapped in ``values.Json``.

    :param connections: at most this many connections (one more is used to stop reads).
    :param waiters: at most this many callers wait for one of them.
    :param patience: seconds that they wait at most.
    :param statement_timeout: seconds after which the server stops a statement.
    :param observe: told the name and the duration, in seconds, of every statement outside transactions and of every
        transaction (named ``"transaction"``).
    :param changed: told, as soon as it is committed, what a write has changed, as ``schema/0003_changes.sql`` words it;
        ``"everything"`` after a write of which nobody knows whether it happened.
    :param prepare: whether reads that repeat are prepared; not with a pooler that shares connections.
    """

    def __init__(
        self,
        reactor: Any,
        settings: ConnectionSettings,
        *,
        connections: int = 8,
        waiters: int = 256,
        patience: float = 5.0,
        statement_timeout: float = 30.0,
        observe: Callable[[str, float], None] | None = None,
        changed: Callable[[str], None] | None = None,
        prepare: bool = True,
    ) -> None:
        async def open_one() -> Session:
            return await open_session(reactor, settings, statement_timeout=statement_timeout, prepare=prepare)

        self._reactor = reactor
        self._observe = observe
        self._changed = changed
        self._sessions = SessionPool(reactor, open_one, size=connections, waiters=waiters, patience=patience)
        self._stopper = StatementStopper(open_one)

    @property
    def state(self) -> PoolState:
        """Connections and waiters right now, for metrics."""
        return self._sessions.state

    async def rows(self, query: Query, /, scope: Scope | None = None, **params: Any) -> list[dict[str, Any]]:
        """All rows of the query."""
        return (await self._run(query, scope, params)).rows

    async def maybe(self, query: Query, /, scope: Scope | None = None, **params: Any) -> dict[str, Any] | None:
        """The row of a query that has at most one.

        :raises UnexpectedRows: it has more.
        """
        return at_most_one(query, await self.rows(query, scope, **params))

    async def one(self, query: Query, /, scope: Scope | None = None, **params: Any) -> dict[str, Any]:
        """The row of a query that has exactly one.

        :raises UnexpectedRows: it has none or more.
        """
        return exactly_one(query, await self.rows(query, scope, **params))

    async def execute(self, query: Query, /, scope: Scope | None = None, **params: Any) -> int:
        """Run a statement for its effect, to its end even if cancelled; returns the number of rows it changed."""
        sql, values = compiled(query, scope, params)
        reading = Reading(self._reactor, self._stopper)
        result = await detached(self._statement(query, sql, values, reading, write=True), what=query.name)
        return result.count

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run ``await work(transaction)`` between BEGIN and COMMIT, to its end even if cancelled.

        Whatever the work raises rolls back and comes out here. After a deadlock or a serialization failure the work
        is run again from its start, three times in all, so it must not change anything outside of the transaction.
        The work must use the transaction and not this object: that would take a second connection.
        """
        return await detached(self._transact(work), what="a transaction")

    async def close(self, grace: float = 10.0) -> None:
        """Refuse new work, wait at most ``grace`` seconds for what is running, close all connections."""
        await self._sessions.close(grace)
        self._stopper.close()

    async def _run(self, query: Query, scope: Scope | None, params: dict[str, Any]) -> Result:
        sql, values = compiled(query, scope, params)
        reading = Reading(self._reactor, self._stopper)
        write = changes_data(query)
        work = self._statement(query, sql, values, reading, write=write)
        return await detached(work, what=query.name, left=None if write else reading.leave)

    async def _statement(
        self, query: Query, sql: str, values: dict[str, Any], reading: Reading, *, write: bool
    ) -> Result:
        attempt = 1
        while True:
            session = await reading.take(self._sessions)
            started = self._reactor.seconds()
            try:
                result = await reading.run(session, sql, values, repeats=not write)
                self._tell(session.take_changes())
                return result
            except Exception as error:
                if write and isinstance(error, SessionLost) and not isinstance(error, NeverSent):
                    self._tell(["everything"])
                # A read may be sent again over another connection; a write may have happened already.
                again = is_repeatable(error) or isinstance(error, NeverSent if write else SessionLost)
                if attempt == ATTEMPTS or not again:
                    raise as_failure(error) from None
            finally:
                self._sessions.release(session)
                self._note(query.name, self._reactor.seconds() - started)
            attempt += 1

    async def _transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        attempt = 1
        while True:
            session = await self._sessions.acquire()
            started = self._reactor.seconds()
            try:
                result = await run_transaction(session, work)
                self._tell(session.take_changes())
                return result
            except Exception as error:
                if isinstance(error, SessionLost) and not isinstance(error, NeverSent):
                    self._tell(["everything"])
                if attempt == ATTEMPTS or not (is_repeatable(error) or isinstance(error, NeverSent)):
                    raise as_failure(error) from error.__cause__
            finally:
                self._sessions.release(session)
                self._note("transaction", self._reactor.seconds() - started)
            attempt += 1

    def _tell(self, changes: list[str]) -> None:
        if self._changed is not None:
            for change in changes:
                self._changed(change)

    def _note(self, name: str, seconds: float) -> None:
        if seconds > SLOW:
            log.warn("{name} took {seconds:.1f} s", name=name, seconds=seconds)
        if self._observe is not None:
            self._observe(name, seconds)
