"""One of a kind at a time: whoever asks for what is under way waits for it, and nobody's leaving stops it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure as Reason

from keygenreg.domain.failures import Failure
from keygenreg.upstream.failures import UpstreamFailure

_log = Logger()

T = TypeVar("T")


class Shared:
    """A result that many wait for, each on a Deferred of its own."""

    def __init__(self) -> None:
        self._outcome: Any = None
        self._over = False
        self._waiting: list[Deferred[Any]] = []

    @property
    def over(self) -> bool:
        return self._over

    def wait(self) -> Deferred[Any]:
        """Fires with the result or the failure; cancelling it only gives up this one."""
        waiter: Deferred[Any] = Deferred(lambda gone: self._waiting.remove(gone) if gone in self._waiting else None)
        if self._over:
            waiter.callback(self._outcome)
        else:
            self._waiting.append(waiter)
        return waiter

    def settle(self, outcome: Any) -> None:
        """The result, or a :class:`twisted.python.failure.Failure`; only the first one counts."""
        if self._over:
            return
        self._over, self._outcome = True, outcome
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(outcome)


class Background:
    """Work that goes on whoever waits for it; ended when the process stops."""

    def __init__(self) -> None:
        self._running: set[Deferred[Any]] = set()

    def start(self, work: Awaitable[T], shared: Shared | None = None) -> Shared:
        """Run a coroutine; its outcome goes to ``shared``, and failures that nobody waits for are lost there."""
        shared = Shared() if shared is None else shared
        self.watch(Deferred.fromCoroutine(work), shared)
        return shared

    def watch(self, running: Deferred[Any], shared: Shared | None = None) -> None:
        """As :meth:`start`, for work that somebody else may cancel before."""
        if not running.called:
            self._running.add(running)

        def ended(result: Any) -> None:
            self._running.discard(running)
            if isinstance(result, Reason) and not result.check(UpstreamFailure, Failure, CancelledError):
                _log.failure("Work of the mirror failed", failure=result)
            if shared is not None:
                shared.settle(result)

        running.addBoth(ended)

    async def stop(self) -> None:
        """Cancel everything and wait until it has ended."""
        while self._running:
            running = self._running.pop()
            over: Deferred[None] = Deferred()
            running.addBoth(lambda _result, over=over: over.callback(None))
            running.cancel()
            await over


class SingleFlight:
    """By key, at most one run at a time."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self._flights: dict[Hashable, Shared] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._flights

    def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> Deferred[T]:
        """The result of the run under way, or of a new one of ``work()``."""
        return self.begin(key, work).wait()

    def begin(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> Shared:
        """As :meth:`run`, for those who need not wait."""
        flight = self._flights.get(key)
        if flight is None:

            async def watched() -> T:
                try:
                    return await work()
                finally:
                    self._flights.pop(key, None)

            # The run may end before it returns here.
            flight = self._flights[key] = Shared()
            self._background.start(watched(), flight)
        return flight
