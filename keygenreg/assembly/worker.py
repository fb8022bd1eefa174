"""The program of one web process: reads its orders from the daemon, serves until it is told to stop or left alone."""

from __future__ import annotations

import os
import pickle
import signal
import sys

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.stdio import StandardIO
from twisted.logger import Logger

from keygenreg.assembly.hang_up import HangUp
from keygenreg.assembly.log import begin_logging
from keygenreg.assembly.program import FINGERPRINT_BYTES, OTHER_PROGRAM, fingerprint
from keygenreg.assembly.serving import Serving
from keygenreg.assembly.worker_orders import Orders
from keygenreg.assembly.worker_words import (
    ANSWER_DESCRIPTOR,
    FIGURES,
    GENERATIONS_DESCRIPTOR,
    LEAVE,
    READY,
    SOCKET_DESCRIPTOR,
    TELL_FIGURES,
    Words,
)

_log = Logger()
#: How long the last figures may take on their way to the daemon, in seconds.
_LAST_WORD = 2.0


def _read(count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = os.read(0, count - len(data))
        if not part:
            sys.exit(1)  # the daemon is gone, or could not start
        data += part
    return data


def _stop() -> None:
    """End, once: the daemon may ask for it and leave before that is done."""
    try:
        reactor.stop()
    except ReactorNotRunning:
        return


class _Lifeline(Words):
    """The daemon's voice, on standard input; that ends when the daemon does."""

    def __init__(self, serving: Serving) -> None:
        super().__init__(self._obey)
        self.closed: Deferred[None] = Deferred()
        self._serving = serving

    def connectionMade(self) -> None:
        self.sendString(READY)

    def connectionLost(self, reason: object = None) -> None:
        if not self.closed.called:
            self.closed.callback(None)
        _stop()

    def _obey(self, word: bytes) -> None:
        if word == TELL_FIGURES:
            self.tell_figures()
        elif word == LEAVE:
            leaving = Deferred.fromCoroutine(self._serving.leave())
            leaving.addErrback(lambda reason: _log.failure("Leaving failed", failure=reason))
            leaving.addCallback(lambda _: _stop())

    def tell_figures(self) -> None:
        self.sendString(FIGURES + self._serving.figures())

    async def last_word(self) -> None:
        """Let what was counted until now reach the daemon's sums."""
        if self.closed.called:
            return
        self.tell_figures()
        self.transport.loseConnection()
        await self.closed.addTimeout(_LAST_WORD, reactor, onTimeoutCancel=lambda result, _seconds: None)


def main() -> None:
    # The terminal's interrupt goes to the whole group; the daemon decides when its workers stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program = fingerprint()
    data = _read(int.from_bytes(_read(8), "big"))
    if data[:FINGERPRINT_BYTES] != program:
        sys.exit(OTHER_PROGRAM)
    orders: Orders = pickle.loads(data[FINGERPRINT_BYTES:])
    settings = orders.own_settings
    begin_logging(settings.logging.level)
    serving = Serving(
        settings, orders.login, orders.signing_key, reactor, GENERATIONS_DESCRIPTOR, orders.tickets
    )
    lifeline = _Lifeline(serving)

    failed: list[bool] = []

    def begin() -> None:
        HangUp(reactor, serving.reopen_log).start()
        try:
            serving.start(SOCKET_DESCRIPTOR, orders.family)
        except Exception:
            _log.failure("A web process cannot start")
            failed.append(True)
            _stop()
            return
        StandardIO(lifeline, stdout=ANSWER_DESCRIPTOR)

    async def end() -> None:
        await serving.stop()
        if failed:
            return
        await lifeline.last_word()

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(end()))
    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(_stop))
    reactor.run(installSignalHandlers=False)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
