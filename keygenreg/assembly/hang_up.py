"""SIGHUP: what an operator sends after a change of settings or of a log's name."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any


class HangUp:
    """
    Calls ``action`` in the reactor for each SIGHUP, from :meth:`start` to :meth:`stop`; the handler that was there
    before, twistd's or the system's, has its place back afterwards.
    """

    def __init__(self, reactor: Any, action: Callable[[], object]) -> None:
        self._reactor = reactor
        self._action = action
        self._before: Any = None

    def start(self) -> None:
        # Signals are the main thread's; a daemon that somebody runs in another one has none.
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._action))

    def stop(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None
