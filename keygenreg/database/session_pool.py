"""A bounded set of sessions with a bounded queue before it, which mends itself when the server comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, frozen
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger

from keygenreg.database.faults import SessionLost
from keygenreg.database.session import Session
from keygenreg.domain.failures import Unavailable

FIRST_DELAY = 0.05
LAST_DELAY = 2.0

log = Logger()


@frozen
class PoolState:
    """How many sessions work, are free and are being opened; how many callers wait for one."""

    busy: int
    idle: int
    opening: int
    waiting: int


@define(eq=False)
class _Waiter:
    session: Deferred[Session]
    timer: Any = None


class SessionPool:
    """Lends sessions. Each one taken by :meth:`acquire` must be given back by :meth:`release`.

    :param open: connects one session; raises SessionLost.
    :param size: at most this many sessions.
    :param waiters: at most this many callers in the queue; the next one gets Unavailable.
    :param patience: seconds that a caller waits at most. While the server has been away for longer, callers fail at
        once and one loop tries to reconnect.
    """

    def __init__(
        self, reactor: Any, open: Callable[[], Awaitable[Session]], *, size: int, waiters: int, patience: float
    ) -> None:
        self._reactor = reactor
        self._open = open
        self._size = size
        self._limit = waiters
        self._patience = patience
        self._idle: list[Session] = []
        self._busy: set[Session] = set()
        self._opening = 0
        self._waiting: deque[_Waiter] = deque()
        self._away_since: float | None = None
        self._closing = False
        self._pause: Deferred[None] | None = None
        self._emptied: Deferred[None] | None = None

    @property
    def state(self) -> PoolState:
        return PoolState(len(self._busy), len(self._idle), self._opening, len(self._waiting))

    def acquire(self) -> Deferred[Session]:
        """A session for the caller alone, now or later; cancelling gives up the place in the queue."""
        if self._closing:
            return fail(Unavailable("The database connections are being closed.", retry_after=5))
        while self._idle:
            session = self._idle.pop()
            if session.is_alive():
                self._busy.add(session)
                return succeed(session)
            session.close()
        if len(self._waiting) >= self._limit:
            return fail(Unavailable("Too many requests wait for the database.", retry_after=2))
        if self._away_since is not None and self._reactor.seconds() - self._away_since > self._patience:
            return fail(Unavailable("The database does not answer.", retry_after=5))
        waiter = _Waiter(Deferred(lambda _: self._leave(waiter)))
        waiter.timer = self._reactor.callLater(self._patience, self._give_up, waiter)
        self._waiting.append(waiter)
        self._grow()
        return waiter.session

    def release(self, session: Session) -> None:
        """Take a session back; one that is lost, or still inside a transaction, is closed and replaced on demand."""
        self._busy.discard(session)
        if self._closing or not session.is_idle():
            session.close()
            self._grow()
        else:
            self._offer(session)
        self._check_emptied()

    async def close(self, grace: float) -> None:
        """Refuse new callers, let running work end for at most ``grace`` seconds, then close every session."""
        self._closing = True
        for waiter in list(self._waiting):
            self._give_up(waiter)
        while self._idle:
            self._idle.pop().close()
        if self._pause is not None:
            self._pause.cancel()
        if self._busy or self._opening:
            self._emptied = Deferred()
            self._emptied.addTimeout(grace, self._reactor, onTimeoutCancel=lambda *_: None)
            await self._emptied
            self._emptied = None
        for session in list(self._busy):
            session.close()

    def _check_emptied(self) -> None:
        if self._emptied is not None and not self._busy and not self._opening:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def _offer(self, session: Session) -> None:
        if not self._waiting:
            self._idle.append(session)
            return
        waiter = self._waiting.popleft()
        waiter.timer.cancel()
        self._busy.add(session)
        waiter.session.callback(session)

    def _leave(self, waiter: _Waiter) -> None:
        waiter.timer.cancel()
        self._waiting.remove(waiter)

    def _give_up(self, waiter: _Waiter) -> None:
        if waiter.timer.active():
            waiter.timer.cancel()
        self._waiting.remove(waiter)
        waiter.session.errback(Unavailable("The database did not answer in time.", retry_after=2))

    def _grow(self) -> None:
        """Open as many further sessions as the queue asks for; only one loop tries while the server is away."""
        while (
            self._opening < len(self._waiting)
            and len(self._idle) + len(self._busy) + self._opening < self._size
            and not (self._away_since is not None and self._opening)
        ):
            self._opening += 1
            Deferred.fromCoroutine(self._open_one()).addErrback(self._log_defect)

    async def _open_one(self) -> None:
        delay = FIRST_DELAY
        try:
            while True:
                session = await self._try_open()
                if session is not None:
                    break
                if self._closing or self._opening > 1:
                    return
                self._pause = deferLater(self._reactor, delay)
                await self._pause
                delay = min(delay * 2, LAST_DELAY)
        finally:
            self._pause = None
            self._opening -= 1
            self._check_emptied()
        if self._closing:
            session.close()
            return
        session.on_lost = self._forget
        self._offer(session)
        self._grow()

    async def _try_open(self) -> Session | None:
        try:
            session = await self._open()
        except SessionLost as error:
            if self._away_since is None:
                self._away_since = self._reactor.seconds()
                log.warn("The database cannot be reached: {error}", error=str(error))
            return None
        if self._away_since is not None:
            log.info("The database is back after {seconds:.1f} s", seconds=self._reactor.seconds() - self._away_since)
            self._away_since = None
        return session

    def _forget(self, session: Session) -> None:
        if session in self._idle:
            self._idle.remove(session)

    def _log_defect(self, failure: Any) -> None:
        if not failure.check(CancelledError):
            log.failure("Opening a database session failed unexpectedly", failure)
