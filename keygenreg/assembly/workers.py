"""Web processes beside the daemon: started, watched, replaced and stopped by it."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()

#: Where a worker finds the listening socket; its orders come on standard input, which closes when the daemon dies.
SOCKET_DESCRIPTOR = 3
READY = b"ready\n"
_RESTART_SECONDS = 1.0


class _Worker(ProcessProtocol):
    def __init__(self, orders: bytes) -> None:
        self._orders = orders
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[Failure] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(len(self._orders).to_bytes(8, "big") + self._orders)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if not self.ready.called:
            self.ready.callback(None)

    def processEnded(self, reason: Failure) -> None:
        if not self.ready.called:
            self.ready.errback(reason)
        self.ended.callback(reason)


@define
class Workers:
    """
    A number of web processes on one socket.

    :param orders: what each is told, pickled: it crosses a pipe between our own processes only.
    """

    reactor: Any
    number: int
    orders: Any = field(repr=False)
    descriptor: int
    _running: set[_Worker] = field(factory=set, init=False)
    _restarts: set[IDelayedCall] = field(factory=set, init=False)
    _stopping: bool = field(default=False, init=False)

    async def start(self) -> None:
        """Start all; returns when each answers."""
        started = [self._spawn() for _ in range(self.number)]
        for worker in started:
            await worker.ready

    def _spawn(self) -> _Worker:
        worker = _Worker(pickle.dumps(self.orders))
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

    def _ended(self, reason: Failure, worker: _Worker) -> None:
        self._running.discard(worker)
        if self._stopping:
            return
        _log.error("A web process ended ({why}); starting another", why=reason.getErrorMessage())
        call = self.reactor.callLater(_RESTART_SECONDS, self._replace)
        self._restarts.add(call)

    def _replace(self) -> None:
        self._restarts = {call for call in self._restarts if call.active()}
        worker = self._spawn()
        worker.ready.addErrback(lambda reason: reason.trap(Exception) and None)

    async def stop(self) -> None:
        """Ask all to drain and end; returns when they have."""
        self._stopping = True
        for call in self._restarts:
            if call.active():
                call.cancel()
        leaving = list(self._running)
        for worker in leaving:
            if worker.transport is not None and worker.transport.pid:
                worker.transport.signalProcess(signal.SIGTERM)
        for worker in leaving:
            await worker.ended.addErrback(lambda reason: reason.trap(ProcessDone))
