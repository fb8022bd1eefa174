"""NOTIFY between processes: saying that something changed, hearing it, and knowing when hearing is impossible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg2
from psycopg2.extensions import Notify
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from keygenreg.database.cancellation import detached
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.faults import SessionLost
from keygenreg.database.query import Query
from keygenreg.database.session import Session, open_session
from keygenreg.database.transactions import Transaction

FIRST_DELAY = 0.1
LAST_DELAY = 5.0
PING_EVERY = 1.0
PING_PATIENCE = 5.0
# The server refuses longer payloads.
LONGEST_PAYLOAD = 7999

_NOTIFY = Query(
    "notify other processes",
    "SELECT pg_notify(%(channel)s, %(payload)s)",
    unscoped="a message between our own processes",
)

log = Logger()


async def notify(transaction: Transaction, channel: str, payload: str) -> None:
    """Tell every listener, this process included, once the transaction has committed.

    Equal messages of one transaction arrive once.

    :raises ValueError: the payload is longer than 7,999 bytes.
    """
    if len(payload.encode("utf-8")) > LONGEST_PAYLOAD:
        raise ValueError(f"A payload on {channel} is too long; send a key instead of the value.")
    await transaction.rows(_NOTIFY, channel=channel, payload=payload)


class Listener:
    """Hears notifications over a connection of its own and connects again when that is lost.

    Messages sent while it is not connected are lost. So :meth:`watch` tells of both: when ``lost`` is called, caches
    must be bypassed; when ``connected`` is called, also for the first time, everything cached before is suspect.
    Callbacks run in the reactor's thread, in the order of sending; an exception of one is logged and harms no other.
    Whether notifications arrive is tried, at first and every second, by one to ourselves: where it stays away for five
    seconds, as behind a pooler that lends connections for single transactions, hearing counts as lost.
    """

    def __init__(self, reactor: Any, settings: ConnectionSettings) -> None:
        self.connected = False
        self._reactor = reactor
        self._settings = settings
        self._callbacks: dict[str, list[Callable[[str], None]]] = {}
        self._watchers: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self._session: Session | None = None
        self._loop: Deferred[None] | None = None
        self._ended: Deferred[None] | None = None
        self._own_channel = f"keygenreg-echo-{uuid4().hex}"
        self._heard: Deferred[None] | None = None
        self._pinging = LoopingCall(self._ping)
        self._pinging.clock = reactor

    def listen(self, channel: str, callback: Callable[[str], None]) -> None:
        """Call back with the payload of every message on the channel. Before :meth:`start` only.

        :param channel: a name like an SQL identifier.
        """
        if self._loop is not None:
            raise RuntimeError("The listener runs already.")
        self._callbacks.setdefault(channel, []).append(callback)

    def watch(self, *, connected: Callable[[], None], lost: Callable[[], None]) -> None:
        """Be told whenever hearing begins, and whenever it ends."""
        self._watchers.append((connected, lost))

    def start(self) -> None:
        """Begin, in the background; ``connected`` is called when it works."""
        self._loop = Deferred.fromCoroutine(self._run())
        self._loop.addErrback(lambda failure: log.failure("Listening for notifications failed", failure))

    def stop(self) -> None:
        """End for good, without calling ``lost``."""
        self._watchers.clear()
        if self._loop is not None:
            self._loop.cancel()
        self._close()

    async def _run(self) -> None:
        delay = FIRST_DELAY
        while True:
            try:
                # A connection that is still being opened when we are stopped closes itself, see _open.
                await detached(self._open(), what="listening")
                self._ended = ended = Deferred()
                if await self._echo(self._session):
                    delay = FIRST_DELAY
                    self._tell(True)
                    self._pinging.start(PING_EVERY, now=False).addErrback(self._log_defect)
                    await ended
                log.warn("Notifications of the database do not arrive any more")
            except (SessionLost, psycopg2.Error) as error:
                log.debug("Cannot listen for notifications: {error}", error=str(error))
            except CancelledError:
                return
            except Exception:
                log.failure("Listening for notifications failed")
            self._close()
            self._tell(False)
            try:
                await deferLater(self._reactor, delay)
            except CancelledError:
                return
            delay = min(delay * 2, LAST_DELAY)

    async def _open(self) -> None:
        session = await open_session(
            self._reactor, self._settings, statement_timeout=30, notified=self._dispatch
        )
        if self._loop is not None and self._loop.called:
            session.close()
            return
        self._session = session
        session.on_lost = self._end
        for channel in (self._own_channel, *self._callbacks):
            quoted = channel.replace('"', '""')
            await session.run(f'LISTEN "{quoted}"')

    def _end(self, _: Session) -> None:
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended.callback(None)

    def _ping(self) -> Deferred[None] | None:
        session = self._session
        if session is None:
            return None

        async def ping() -> None:
            if not await self._echo(session) and session is self._session:
                session.close()
                self._end(session)

        return Deferred.fromCoroutine(ping())

    async def _echo(self, session: Session) -> bool:
        """Whether a notification to ourselves arrives."""
        self._heard = heard = Deferred()
        heard.addTimeout(PING_PATIENCE, self._reactor)
        sql, values = "SELECT pg_notify(%(channel)s, '')", {"channel": self._own_channel}
        detached(session.run(sql, values), what="trying notifications").addErrback(
            lambda reason: None if heard.called else heard.errback(reason)
        )
        try:
            await heard
        except CancelledError:
            raise
        except Exception as error:
            log.debug("No notification to ourselves: {error}", error=type(error).__name__)
            return False
        return True

    def _log_defect(self, failure: Failure) -> None:
        log.failure("The connection for notifications is not tried any more", failure)
        self._end(self._session)

    def _close(self) -> None:
        if self._pinging.running:
            self._pinging.stop()
        if self._session is not None:
            self._session.close()
            self._session = None

    def _tell(self, connected: bool) -> None:
        if connected == self.connected:
            return
        self.connected = connected
        for on_connected, on_lost in list(self._watchers):
            self._guarded(on_connected if connected else on_lost)

    def _dispatch(self, message: Notify) -> None:
        if message.channel == self._own_channel:
            if self._heard is not None and not self._heard.called:
                self._heard.callback(None)
            return
        for callback in self._callbacks.get(message.channel, ()):
            self._guarded(callback, message.payload)

    def _guarded(self, callback: Callable[..., None], *arguments: str) -> None:
        try:
            callback(*arguments)
        except Exception:
            log.failure("A callback for notifications failed")
