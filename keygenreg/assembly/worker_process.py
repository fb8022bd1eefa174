"""One web process as the daemon sees it: what it is told, what it says, and its end."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from keygenreg.assembly.program import OTHER_PROGRAM
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
    framed,
)


class WorkerProcess(ProcessProtocol):
    """
    :ivar ready: fires when it answers, or fails if it ends before; nobody has to listen.
    :ivar ended: fires with the reason.
    :ivar leaving: it was told to make room, so its end is no surprise.
    :ivar other_program: it has ended because the program on the disk is not the daemon's.
    :ivar unanswered: for who watches it, to count questions; 0 again with each answer.
    """

    def __init__(self, number: int, on_figures: Callable[[WorkerProcess, bytes], object]) -> None:
        self.number = number
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[str] = Deferred()
        self.is_ready = False
        self.leaving = False
        self.other_program = False
        self.unanswered = 0
        self._on_figures = on_figures
        self._words = Words(self._hear)
        self._waiting: list[Deferred[None]] = []

    def start(self, reactor: Any, listener: int, generations: int) -> None:
        """
        Start the program, which loads and then waits for its orders.

        :param listener: descriptor of the listening socket; ``generations``: of the memory that all share.
        """
        reactor.spawnProcess(
            self,
            sys.executable,
            [sys.executable, "-m", "keygenreg.assembly.worker"],
            env=dict(os.environ),
            childFDs={
                0: "w",
                1: 1,
                2: 2,
                SOCKET_DESCRIPTOR: listener,
                ANSWER_DESCRIPTOR: "r",
                GENERATIONS_DESCRIPTOR: generations,
            },
        )

    def give(self, orders: Orders, program: bytes) -> None:
        """
        Tell it what to serve. Pickled: it crosses a pipe between our own processes only.

        :param program: fingerprint of the daemon's.
        """
        data = program + pickle.dumps(evolve(orders, number=self.number))
        self.transport.write(len(data).to_bytes(8, "big") + data)

    def leave(self) -> None:
        """Ask it to take no more connections, and to end when those it has have come to their end."""
        self.leaving = True
        self.transport.write(framed(LEAVE))

    def ask_figures(self) -> Deferred[None]:
        """Fires when it has told its figures, or ended."""
        told: Deferred[None] = Deferred()
        self._waiting.append(told)
        self.transport.write(framed(TELL_FIGURES))
        return told

    def signal(self, number: signal.Signals) -> None:
        try:
            self.transport.signalProcess(number)
        except ProcessExitedAlready:
            return

    # What it does

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self._words.dataReceived(data)

    def _hear(self, word: bytes) -> None:
        if word == READY:
            self.is_ready = True
            if not self.ready.called:
                self.ready.callback(None)
        elif word.startswith(FIGURES):
            self.unanswered = 0
            self._on_figures(self, word.removeprefix(FIGURES))
            self._answered()

    def childConnectionLost(self, childFD: int) -> None:
        if childFD == ANSWER_DESCRIPTOR:
            self._fall_silent()

    def processEnded(self, reason: Failure) -> None:
        self._fall_silent()
        self.other_program = reason.value.exitCode == OTHER_PROGRAM
        if not self.ready.called:
            self.ready.errback(reason)
        self.ended.callback(reason.getErrorMessage())

    def _fall_silent(self) -> None:
        self.is_ready = False
        self._answered()

    def _answered(self) -> None:
        waiting, self._waiting = self._waiting, []
        for told in waiting:
            if not told.called:
                told.callback(None)
