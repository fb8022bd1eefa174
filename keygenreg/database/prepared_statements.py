"""The statements that one session's server side keeps planned, so that a repeated read is not planned again.

psycopg2 writes values into the text and so has the server parse and plan every statement. Here a read is sent so the
first time and, from the second time on, by PREPARE (once for each session) and EXECUTE, in SQL.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import psycopg2
from psycopg2.errors import DuplicatePreparedStatement, FeatureNotSupported, InvalidSqlStatementName

from keygenreg.database.faults import StatementOutdated
from keygenreg.database.prepared_text import PreparedText, prepared_text

T = TypeVar("T")

# Each takes about 300 KB of the memory of the server's process.
LIMIT = 50
# Syntax error or access rule violation: undefined or ambiguous names, types, functions.
_WORDS_CLASS = "42"


class PreparedStatements:
    """
    Belongs to one session, whose turn is held during all calls.

    :param send: runs one statement on the session.
    :param inside: whether the session is in a transaction.
    :param seconds: the clock.
    """

    def __init__(
        self,
        send: Callable[[str, Mapping[str, Any] | None], Awaitable[T]],
        inside: Callable[[], bool],
        seconds: Callable[[], float],
    ) -> None:
        self._send = send
        self._inside = inside
        self._seconds = seconds
        self._editions: OrderedDict[str, int] = OrderedDict()

    async def run(self, sql: str, params: Mapping[str, Any]) -> Any:
        """Run one read, prepared if that is worth it and possible.

        :raises StatementOutdated: the transaction is spoilt because a table has changed; run it again from its start.
        :raises psycopg2.Error: as without preparing.
        """
        text = prepared_text(sql, params)
        if text is None:
            return await self._send(sql, params)
        plain = not text.is_wanted(self._seconds()) or not await self._is_prepared(text)
        started = self._seconds()
        result = await (self._send(sql, params) if plain else self._execute(text, sql, params))
        ended = self._seconds()
        text.took(ended - started, ended, plain=plain)
        return result

    async def _execute(self, text: PreparedText, sql: str, params: Mapping[str, Any]) -> Any:
        inside = self._inside()
        try:
            return await self._send(text.execution, params)
        except psycopg2.Error as error:
            if not _is_outdated(error):
                raise
            if isinstance(error, InvalidSqlStatementName):
                self._editions.clear()
            text.outdate(self._seconds())
            if inside:
                raise StatementOutdated() from error
            return await self._send(sql, params)

    async def _is_prepared(self, text: PreparedText) -> bool:
        if self._editions.get(text.name) == text.edition:
            self._editions.move_to_end(text.name)
            return True
        inside = self._inside()
        if not await self._make_room(text.name, inside):
            return False
        # A refusal would spoil the transaction.
        careful = inside and not text.proven
        if careful:
            await self._send("SAVEPOINT before_preparing", None)
        try:
            await self._prepare(text, inside)
        except psycopg2.Error as error:
            if not (error.pgcode or "").startswith(_WORDS_CLASS):
                raise
            if inside and not careful:
                text.outdate(self._seconds())
                raise StatementOutdated() from error
            text.refused = True
        if careful:
            if text.refused:
                await self._send("ROLLBACK TO SAVEPOINT before_preparing", None)
            await self._send("RELEASE SAVEPOINT before_preparing", None)
        return not text.refused

    async def _make_room(self, name: str, inside: bool) -> bool:
        """Remove the oldest, and what is to be made anew; in a transaction only room that is there is used."""
        if name in self._editions or len(self._editions) >= LIMIT:
            if inside:
                return False
            oldest = name if name in self._editions else next(iter(self._editions))
            del self._editions[oldest]
            try:
                await self._send(f"DEALLOCATE {oldest}", None)
            except InvalidSqlStatementName:
                self._editions.clear()
        return True

    async def _prepare(self, text: PreparedText, inside: bool) -> None:
        try:
            await self._send(text.preparation, None)
        except DuplicatePreparedStatement:
            # Between us and the server is something that shares connections. Equal names mean equal statements.
            self._editions[text.name] = text.edition
            if inside:
                raise StatementOutdated() from None
        text.proven = True
        self._editions[text.name] = text.edition


def _is_outdated(error: psycopg2.Error) -> bool:
    """Whether the fault may be the prepared statement's: its table has changed, or it is not there any more."""
    return isinstance(error, (FeatureNotSupported, InvalidSqlStatementName)) or (
        error.pgcode or ""
    ).startswith(_WORDS_CLASS)
