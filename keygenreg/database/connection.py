"""A connection of txpostgres whose loss and whose notifications are told of as they happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2.extensions import Notify
from twisted.python.failure import Failure
from txpostgres import txpostgres

_OK = 0


class _Cursor(txpostgres.Cursor):
    """txpostgres calls a statement that the server stopped for its length 'cancelled'; here it stays its own error."""

    def _handleCancellation(self, f: Failure) -> Failure:
        return f


class Connection(txpostgres.Connection):
    """Tells of its loss and of notifications by calls, where txpostgres logs a traceback or loses the order."""

    cursorFactory = _Cursor

    def __init__(self, reactor: Any, lost: Callable[[], None], notified: Callable[[Notify], None] | None) -> None:
        super().__init__(reactor)
        self._lost = lost
        self._notified = notified

    def usable(self) -> bool:
        raw = self._connection
        return raw is not None and not raw.closed and raw.info.status == _OK

    def doRead(self) -> None:
        self.reactor.removeReader(self)
        if self._connection.closed:
            return
        opening = self._pollingD is not None
        try:
            self.continuePolling()
        except psycopg2.Error:
            self._lost()
            return
        if opening:
            # The polling has asked the reactor for what it waits for, or has reported its end.
            return
        if self.usable():
            self.watch()
        else:
            self._lost()

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)
        self._lost()

    def cursorFinished(self, cursor: txpostgres.Cursor) -> None:
        self._cursors.discard(cursor)
        self.watch()

    def watch(self) -> None:
        """Let the reactor look for the end of the connection and for notifications while no statement runs."""
        if self.usable():
            self.reactor.addReader(self)
            self.checkForNotifies()

    def checkForNotifies(self) -> None:
        arrived = self._connection.notifies[:]
        del self._connection.notifies[:]
        for notify in arrived:
            if self._notified is not None:
                self._notified(notify)

    def close(self) -> None:
        # The reactor remembers readers by descriptor number. One left behind by the close would keep the next
        # connection with the same number from ever being watched.
        for cursor in self._cursors:
            self.reactor.removeReader(cursor)
            self.reactor.removeWriter(cursor)
        super().close()
