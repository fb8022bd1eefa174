"""The threads in which a store touches the disk, so that a slow one never holds up the reactor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.threadpool import ThreadPool

from keygenreg.domain.failures import Unavailable

T = TypeVar("T")


@define(eq=False)
class DiskThreads:
    """
    Runs blocking calls in a thread pool that somebody else starts and stops.

    :param max_waiting: calls under way or waiting, beyond which :meth:`admit` refuses new work.
    """

    _reactor: IReactorFromThreads
    _pool: ThreadPool
    max_waiting: int = 256
    _waiting: int = field(default=0, init=False)

    def admit(self) -> None:
        """Raise :class:`Unavailable` when the disk is so far behind that new work should not be started."""
        if self._waiting >= self.max_waiting:
            raise Unavailable("The registry's disk is busy.")

    def run(
        self, work: Callable[..., T], /, *args: Any, unwanted: Callable[[T], object] | None = None
    ) -> Deferred[T]:
        """
        Call ``work(*args)`` in a thread. Cancelling the Deferred does not stop the work; when it has ended, its result
        goes to ``unwanted`` (in the reactor thread), which closes what it opened.
        """
        result: Deferred[T] = Deferred()
        self._waiting += 1

        def deliver(success: bool, value: Any) -> None:
            self._waiting -= 1
            if not result.called:
                (result.callback if success else result.errback)(value)
            elif success and unwanted is not None:
                unwanted(value)

        def hand_over(success: bool, value: Any) -> None:
            self._reactor.callFromThread(deliver, success, value)

        self._pool.callInThreadWithCallback(hand_over, work, *args)
        return result
