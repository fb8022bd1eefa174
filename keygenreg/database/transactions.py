"""Statements of one transaction, and the running of it from BEGIN to COMMIT."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from keygenreg.database.cancellation import detached
from keygenreg.database.faults import NeverSent, SessionLost
from keygenreg.database.query import Query
from keygenreg.database.session import Result, Session
from keygenreg.database.statements import at_most_one, changes_data, compiled, exactly_one
from keygenreg.domain.scope import Scope

T = TypeVar("T")


class Transaction:
    """What the work given to :meth:`Database.transact` sees; of no use after that work has ended.

    Statements run one after the other even when awaited together. After one has failed in the database, the
    transaction can only be left.
    """

    def __init__(self, session: Session) -> None:
        self._session: Session | None = session

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

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo only what is inside when that raises, and let the exception out; the transaction stays usable."""
        await self._command("SAVEPOINT inner_part")
        try:
            yield
        except Exception:
            await self._command("ROLLBACK TO SAVEPOINT inner_part")
            raise
        finally:
            await self._command("RELEASE SAVEPOINT inner_part")

    async def execute(self, query: Query, /, scope: Scope | None = None, **params: Any) -> int:
        """Run a statement for its effect and return the number of rows it changed."""
        return (await self._run(query, scope, params)).count

    def end(self) -> None:
        """Make further use an error: the session belongs to somebody else from now on."""
        self._session = None

    async def _run(self, query: Query, scope: Scope | None, params: dict[str, Any]) -> Result:
        sql, values = compiled(query, scope, params)
        work = self._open_session().run(sql, values, repeats=not changes_data(query))
        return await detached(work, what=query.name)

    async def _command(self, sql: str) -> None:
        await detached(self._open_session().run(sql), what=sql)

    def _open_session(self) -> Session:
        if self._session is None:
            raise RuntimeError("The transaction has ended.")
        return self._session


async def run_transaction(session: Session, work: Callable[[Transaction], Awaitable[T]]) -> T:
    """Commit when the work returns, roll back when it raises, whatever it raises.

    :raises NeverSent: the connection was lost before the work began.
    :raises SessionLost: the connection broke; after the work had returned it is unknown whether it was committed.
    """
    try:
        await session.run("BEGIN")
    except SessionLost as error:
        raise NeverSent(*error.args) from None
    transaction = Transaction(session)
    session.take_changes()
    try:
        result = await work(transaction)
        transaction.end()
        if session.has_failed_transaction():
            raise RuntimeError("The work went on after an error that had spoilt its transaction: use a savepoint.")
        await session.run("COMMIT")
        return result
    except Exception:
        transaction.end()
        with suppress(SessionLost):
            await session.run("ROLLBACK")
        raise
