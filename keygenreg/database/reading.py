"""A read whose client may leave: given up in the queue at once, stopped in the server when it takes long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import psycopg2
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.logger import Logger

from keygenreg.database.faults import SessionLost
from keygenreg.database.session import Result, Session
from keygenreg.database.session_pool import SessionPool

# Most reads end sooner than a request to stop them would arrive.
GRACE = 0.05
# A request to stop that arrives between preparing a statement and executing it stops nothing.
AGAIN = 1.0

log = Logger()


class StatementStopper:
    """Stops statements of other sessions, over one connection of its own that is opened when first needed.

    libpq's own cancel request is no choice: psycopg2 makes it while holding the interpreter lock, so a server that
    does not answer would hang the whole process.
    """

    def __init__(self, open: Callable[[], Awaitable[Session]]) -> None:
        self._open = open
        self._session: Session | None = None
        self._turn = DeferredLock()

    async def stop(self, backend: int) -> None:
        """Ask the server to stop what the backend runs; when it cannot be asked, the statement goes on."""
        await self._turn.acquire()
        try:
            if self._session is None or not self._session.is_alive():
                self._session = await self._open()
            await self._session.run("SELECT pg_cancel_backend(%(backend)s)", {"backend": backend})
        except (SessionLost, psycopg2.Error) as error:
            log.info("A statement could not be stopped: {error}", error=type(error).__name__)
        finally:
            self._turn.release()

    def close(self) -> None:
        if self._session is not None:
            self._session.close()


class Reading:
    """Follows one read through queue and server, so that :meth:`leave` knows what to give up."""

    def __init__(self, reactor: Any, stopper: StatementStopper) -> None:
        self.left = False
        self._reactor = reactor
        self._stopper = stopper
        self._place: Deferred[Session] | None = None
        self._session: Session | None = None
        self._timer: Any = None
        self._stopping: Deferred[None] | None = None

    async def take(self, pool: SessionPool) -> Session:
        """A session from the pool, unless the client leaves first."""
        if self.left:
            raise CancelledError()
        self._place = pool.acquire()
        try:
            return await self._place
        finally:
            self._place = None

    async def run(self, session: Session, sql: str, params: Mapping[str, Any], *, repeats: bool) -> Result:
        """Run the read; returns only when nothing can hit the session's next statement any more.

        :param repeats: as in :meth:`Session.run`.
        """
        self._session = session
        try:
            return await session.run(sql, params, repeats=repeats)
        except Exception:
            if self.left:
                raise CancelledError() from None
            raise
        finally:
            self._session = None
            if self._timer is not None and self._timer.active():
                self._timer.cancel()
            if self._stopping is not None:
                await self._stopping

    def leave(self) -> None:
        """The client has left."""
        self.left = True
        if self._place is not None:
            self._place.cancel()
        elif self._session is not None:
            self._timer = self._reactor.callLater(GRACE, self._stop)

    def _stop(self) -> None:
        if self._session is None:
            return
        if self._stopping is None or self._stopping.called:
            self._stopping = Deferred.fromCoroutine(self._stopper.stop(self._session.backend))
        self._timer = self._reactor.callLater(AGAIN, self._stop)
