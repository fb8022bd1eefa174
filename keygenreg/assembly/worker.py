"""The program of one web process: reads its orders from the daemon, serves until it is told to stop or left alone."""

from __future__ import annotations

import os
import pickle
import signal
import sys

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from keygenreg.assembly.serving import Serving
from keygenreg.assembly.worker_orders import Orders
from keygenreg.assembly.workers import READY, SOCKET_DESCRIPTOR


def _read(count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = os.read(0, count - len(data))
        if not part:
            raise SystemExit("the daemon is gone")
        data += part
    return data


class _Lifeline(Protocol):
    """Standard input ends when the daemon does."""

    def connectionLost(self, reason: object = None) -> None:
        if reactor.running:
            reactor.stop()


def main() -> None:
    # The terminal's interrupt goes to the whole group; the daemon decides when its workers stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders: Orders = pickle.loads(_read(int.from_bytes(_read(8), "big")))
    predicate = LogLevelFilterPredicate(LogLevel.levelWithName(orders.settings.logging.level))
    globalLogBeginner.beginLoggingTo([FilteringLogObserver(textFileLogObserver(sys.stderr), [predicate])],
                                     redirectStandardIO=False)
    serving = Serving(orders.settings, orders.login, orders.signing_key, reactor)

    def begin() -> None:
        serving.start(SOCKET_DESCRIPTOR, orders.family)
        os.write(SOCKET_DESCRIPTOR + 1, READY)
        StandardIO(_Lifeline(), stdout=SOCKET_DESCRIPTOR + 1)

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(serving.stop()))
    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(reactor.stop))
    reactor.run(installSignalHandlers=False)


if __name__ == "__main__":
    main()
