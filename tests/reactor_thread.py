"""A reactor of its own in a thread, for tests that need sockets or threads but are themselves plain functions."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor

T = TypeVar("T")
PATIENCE = 30.0


class ReactorThread:
    """Runs a private reactor; the global one stays untouched. ``call`` and ``wait`` are for the test's thread."""

    def __init__(self) -> None:
        self.reactor = EPollReactor()
        self._thread = Thread(target=self.reactor.run, kwargs={"installSignalHandlers": False}, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.reactor.callFromThread(self.reactor.stop)
        self._thread.join(PATIENCE)

    def call(self, work: Callable[..., T], *args: Any) -> T:
        """The result of a plain function that ran in the reactor thread."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work(*args))
            except BaseException as error:
                future.set_exception(error)

        self.reactor.callFromThread(run)
        return future.result(PATIENCE)

    def wait(self, coroutine: Coroutine[Deferred[Any], Any, T]) -> T:
        """The result of a coroutine that ran in the reactor thread."""
        future: Future[T] = Future()

        def run() -> None:
            Deferred.fromCoroutine(coroutine).addCallbacks(
                future.set_result, lambda reason: future.set_exception(reason.value)
            )

        self.reactor.callFromThread(run)
        return future.result(PATIENCE)
