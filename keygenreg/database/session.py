"""One connection to PostgreSQL that knows when it is lost, over txpostgres."""

from __future__ import annotations

import ipaddress
import select
import socket
from collections.abc import Callable, Mapping
from typing import Any

import psycopg2
from attrs import frozen
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INERROR, Notify
from twisted.internet.defer import DeferredLock
from twisted.internet.error import ConnectionClosed
from twisted.internet.threads import deferToThreadPool

from keygenreg.database import values
from keygenreg.database.connection import Connection
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.faults import NeverSent, SessionLost, ends_session
from keygenreg.database.prepared_statements import PreparedStatements

CONNECT_TIMEOUT = 10.0
# How much longer than the server's own limit a statement may take before the server is taken for hung.
HUNG_AFTER = 5.0
CHANGES = "registry_changed "
"""What notices of triggers about changes begin with, after the word NOTICE."""


def told_change(notice: str) -> str | None:
    """The change that a notice of the server tells of; ``None`` when it is about something else."""
    _, found, message = notice.partition(CHANGES)
    return message.strip() if found else None


@frozen
class Result:
    """What a statement gave: its rows, if any, and how many rows it returned or changed."""

    rows: list[dict[str, Any]]
    count: int


class Session:
    """An open connection. One statement runs at a time, further ones wait for their turn.

    Its coroutines must not be cancelled: see ``cancellation``.

    :param prepare: whether repeated reads may be prepared.
    :param longest: seconds after which a statement without an answer closes the connection; ``None`` for never.
    """

    def __init__(
        self,
        reactor: Any,
        notified: Callable[[Notify], None] | None = None,
        *,
        prepare: bool = True,
        longest: float | None = None,
    ) -> None:
        self.closed = False
        self.on_lost: Callable[[Session], None] | None = None
        self._reactor = reactor
        self._connection = Connection(reactor, self._lost, notified)
        self._turn = DeferredLock()
        self._changes: list[str] = []
        self._longest = longest
        self._sent: float | None = None
        self._watch: Any = None
        self._prepared = PreparedStatements(self._send, self._is_inside, reactor.seconds) if prepare else None

    async def connect(self, keywords: Mapping[str, Any]) -> None:
        """Open the connection; done once, by :func:`open_session`.

        :raises SessionLost: it cannot be opened; the text says why.
        """
        timer = self._reactor.callLater(CONNECT_TIMEOUT, self.close)
        try:
            await self._connection.connect(**keywords)
        except (psycopg2.Error, ConnectionClosed, OSError, ValueError) as error:
            # ValueError: the descriptor was gone before the reactor could watch it.
            self.close()
            raise SessionLost(str(error).strip()) from None
        finally:
            if timer.active():
                timer.cancel()
        if not self._connection.usable():
            self.close()
            raise SessionLost("the connection broke while it was opened")
        values.register(self._connection.pollable())

    async def run(self, sql: str, params: Mapping[str, Any] | None = None, *, repeats: bool = False) -> Result:
        """Run one statement.

        :param repeats: it is a read that is likely to be run again, so that it may be prepared.
        :raises NeverSent: the connection was down already.
        :raises SessionLost: it went down; what the statement did is unknown.
        :raises psycopg2.Error: the server refuses; the session stays usable.
        """
        await self._turn.acquire()
        try:
            if repeats and self._prepared is not None:
                return await self._prepared.run(sql, params or {})
            return await self._send(sql, params)
        finally:
            self._turn.release()

    async def _send(self, sql: str, params: Mapping[str, Any] | None) -> Result:
        if self.closed or not self._connection.usable():
            raise NeverSent("the connection is closed")
        # Before libpq may close the descriptor: the reactor cannot forget it any more afterwards.
        self._reactor.removeReader(self._connection)
        cursor = self._connection.cursor()
        self._sent = self._reactor.seconds()
        if self._watch is None and self._longest is not None:
            self._watch = self._reactor.callLater(self._longest, self._look)
        try:
            await cursor.execute(sql, params)
            self._gather_notices()
            # At once, as a cursor dies with its connection, which may be closed as soon as somebody else runs.
            return Result(values.rows_of(cursor), cursor.rowcount)
        except Exception as error:
            self._check(error)
            raise
        finally:
            self._sent = None

    def _look(self) -> None:
        """One timer for many statements: they are far shorter."""
        self._watch = None
        if self._sent is None or self._longest is None:
            return
        left = self._sent + self._longest - self._reactor.seconds()
        if left > 0:
            self._watch = self._reactor.callLater(left, self._look)
        else:
            self.close()

    def take_changes(self) -> list[str]:
        """What triggers said, since the last call, that statements have changed; see ``schema/0003_changes.sql``."""
        changes, self._changes = self._changes, []
        return changes

    def _gather_notices(self) -> None:
        notices = self._connection.pollable().notices
        if notices:
            self._changes += [change for notice in notices if (change := told_change(notice))]
            notices.clear()

    @property
    def backend(self) -> int:
        """Process number of the server's side, as ``pg_cancel_backend`` takes it."""
        return self._connection.pollable().get_backend_pid()

    def is_idle(self) -> bool:
        """Whether the session is sound, outside a transaction, and runs nothing."""
        if self.closed or not self._connection.usable():
            return False
        return self._connection.pollable().info.transaction_status == TRANSACTION_STATUS_IDLE

    def is_alive(self) -> bool:
        """Like :meth:`is_idle`, but also reads what the server may have sent meanwhile, such as its farewell."""
        if not self.is_idle():
            return False
        arrived = select.poll()
        arrived.register(self._connection.fileno(), select.POLLIN)
        # The words and the end behind them take one reading each; a flood of notices need not be read to its end.
        for _ in range(3):
            if self.closed or not arrived.poll(0):
                break
            self._connection.doRead()
        return self.is_idle()

    def _is_inside(self) -> bool:
        return self._connection.usable() and (
            self._connection.pollable().info.transaction_status != TRANSACTION_STATUS_IDLE
        )

    def has_failed_transaction(self) -> bool:
        """Whether an error has spoilt the open transaction; COMMIT would quietly roll back."""
        return self._connection.pollable().info.transaction_status == TRANSACTION_STATUS_INERROR

    def close(self) -> None:
        """Close at once; a running statement fails with :class:`SessionLost`. Safe to repeat."""
        if self.closed:
            return
        self.closed = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._connection.pollable() is not None:
            self._connection.close()

    def _check(self, error: Exception) -> None:
        """Tell a lost connection from a refused statement; raises in the first case."""
        ended = isinstance(error, psycopg2.Error) and ends_session(error)
        if ended or not self._connection.usable():
            self._lost()
            raise SessionLost(type(error).__name__) from None
        # Also after errors of psycopg2 itself, such as a missing parameter, when nothing was sent.
        self._connection.watch()

    def _lost(self) -> None:
        if self.closed:
            return
        self.close()
        if self.on_lost is not None:
            self.on_lost(self)


async def open_session(
    reactor: Any,
    settings: ConnectionSettings,
    *,
    statement_timeout: float,
    notified: Callable[[Notify], None] | None = None,
    prepare: bool = True,
) -> Session:
    """Connect and log in.

    :param statement_timeout: seconds after which the server stops a statement; 0 for never. A server that does not is
        hung: the statement fails a little later.
    :param prepare: whether repeated reads may be prepared.
    :raises SessionLost: it did not work within ten seconds; the text says why and holds no secret.
    """
    keywords = settings.keywords(statement_timeout=statement_timeout, one_plan=prepare)
    keywords |= await _addresses(reactor, settings)
    longest = statement_timeout + HUNG_AFTER if statement_timeout else None
    session = Session(reactor, notified, prepare=prepare, longest=longest)
    await session.connect(keywords)
    return session


async def _addresses(reactor: Any, settings: ConnectionSettings) -> dict[str, str]:
    """Look the host up in a thread: libpq would do it in ours, and wait."""
    host = settings.host
    if host.startswith(("/", "@")) or "," in host or any(name == "hostaddr" for name, _ in settings.extra):
        return {}
    try:
        ipaddress.ip_address(host)
        return {}
    except ValueError:
        pass
    try:
        found = await deferToThreadPool(
            reactor, reactor.getThreadPool(), socket.getaddrinfo, host, settings.port, type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise SessionLost(f"cannot find the address of {host}: {error.strerror}") from None
    addresses = list(dict.fromkeys(address[0] for *_, address in found))
    return {"host": ",".join([host] * len(addresses)), "hostaddr": ",".join(addresses)}
