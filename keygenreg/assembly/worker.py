"""The program of one web process: reads its orders from the daemon, serves until it is told to stop or left alone."""

from __future__ import annotations

import os
import pickle
import signal

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO

from keygenreg.assembly.log import begin_logging
from keygenreg.assembly.serving import Serving
from keygenreg.assembly.worker_orders import Orders
from keygenreg.assembly.workers import GENERATIONS_DESCRIPTOR, READY, SOCKET_DESCRIPTOR


def _read(count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = os.read(0, count - len(data))
        if not part:
            raise SystemExit("the daemon is gone")
        data += part
    return data


def _stop() -> None:
    """End, once: the daemon may ask for it and leave before that is done."""
    try:
        reactor.stop()
    except ReactorNotRunning:
        return


class _Lifeline(Protocol):
    """Standard input ends when the daemon does."""

    def connectionMade(self) -> None:
        self.transport.write(READY)

    def connectionLost(self, reason: object = None) -> None:
        _stop()


def main() -> None:
    # The terminal's interrupt goes to the whole group; the daemon decides when its workers stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders: Orders = pickle.loads(_read(int.from_bytes(_read(8), "big")))
    settings = orders.own_settings
    begin_logging(settings.logging.level)
    serving = Serving(settings, orders.login, orders.signing_key, reactor, GENERATIONS_DESCRIPTOR)

    def begin() -> None:
        serving.start(SOCKET_DESCRIPTOR, orders.family)
        StandardIO(_Lifeline(), stdout=SOCKET_DESCRIPTOR + 1)

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(serving.stop()))
    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(_stop))
    reactor.run(installSignalHandlers=False)


if __name__ == "__main__":
    main()
