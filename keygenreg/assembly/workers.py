"""Web processes beside the daemon: started, watched, replaced and stopped by it."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from keygenreg.assembly.worker_orders import Orders

_log = Logger()

#: Where a worker finds the listening socket; its orders come on standard input, which closes when the daemon dies.
SOCKET_DESCRIPTOR = 3
READY = b"ready\n"
_RESTART_SECONDS = 1.0
#: What a worker gets beyond its drain time to end by itself, in seconds.
_PATIENCE = 20.0


class _Worker(ProcessProtocol):
    """``ready`` fires, or fails if it ends before; ``ended`` fires with the reason."""

    def __init__(self, orders: Orders) -> None:
        self.number = orders.number
        self._orders = pickle.dumps(orders)
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[str] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(len(self._orders).to_bytes(8, "big") + self._orders)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if not self.ready.called:
            self.ready.callback(None)

    def processEnded(self, reason: Failure) -> None:
        if not self.ready.called:
            self.ready.errback(reason)
        self.ended.callback(reason.getErrorMessage())

    def signal(self, number: signal.Signals) -> None:
        try:
            self.transport.signalProcess(number)
        except ProcessExitedAlready:
            return


@define
class Workers:
    """
    A number of web processes on one socket.

    :param orders: what each is told, pickled: it crosses a pipe between our own processes only.
    """

    reactor: Any
    number: int
    orders: Orders = field(repr=False)
    descriptor: int
    _running: set[_Worker] = field(factory=set, init=False)
    _restarts: set[IDelayedCall] = field(factory=set, init=False)
    _stopping: bool = field(default=False, init=False)

    async def start(self) -> None:
        """Start all; returns when each answers. Raises ProcessTerminated when one of them ends instead."""
        try:
            await gatherResults([self._spawn(number).ready for number in range(self.number)], consumeErrors=True)
        except FirstError as error:
            raise error.subFailure.value from None

    def _spawn(self, number: int) -> _Worker:
        worker = _Worker(evolve(self.orders, number=number))
        self._running.add(worker)
        worker.ended.addCallback(self._ended, worker)
        self.reactor.spawnProcess(
            worker,
            sys.executable,
            [sys.executable, "-m", "keygenreg.assembly.worker"],
            env=dict(os.environ),
            childFDs={0: "w", 1: 1, 2: 2, SOCKET_DESCRIPTOR: self.descriptor, SOCKET_DESCRIPTOR + 1: "r"},
        )
        return worker

    def _ended(self, why: str, worker: _Worker) -> None:
        self._running.discard(worker)
        if self._stopping:
            return
        _log.error("Web process {number} ended ({why}); starting another", number=worker.number, why=why)
        self._restarts.add(self.reactor.callLater(_RESTART_SECONDS, self._replace, worker.number))

    def _replace(self, number: int) -> None:
        self._restarts = {call for call in self._restarts if call.active()}
        # Should it end before it is ready, it is replaced like any other.
        self._spawn(number).ready.addErrback(lambda _: None)

    async def stop(self) -> None:
        """Ask all to drain and end; returns when they have, in the end by force."""
        self._stopping = True
        for call in self._restarts:
            if call.active():
                call.cancel()
        leaving = list(self._running)
        for worker in leaving:
            worker.signal(signal.SIGTERM)
        force = self.reactor.callLater(self.orders.settings.server.drain_seconds + _PATIENCE, self._kill)
        for worker in leaving:
            await worker.ended
        if force.active():
            force.cancel()

    def _kill(self) -> None:
        for worker in self._running:
            _log.error("Web process {number} does not end; it is killed", number=worker.number)
            worker.signal(signal.SIGKILL)
