"""When a web process looks for garbage, so that no look is long: seldom while it answers, and never twice at the same.

Python's collector stops everything while it looks through all that is older than a moment: a microsecond or more for
each object, 40 ms with the documents of three packages in memory, 80 ms with 500 downloads under way, again and again
under load. Nearly all of it needs no collector: entries of caches, connections and requests go when nothing names them
any more. So whatever has survived one look is set aside (:func:`gc.freeze`), and later looks find only what came since.
They come after so few objects that each is short; and once a second while nobody is answered, so that there is less to
look at when somebody is.

A loop of references that is set aside alive and ends later stays. There are few of them: requests and connections end
without any (``tests/web/test_no_loops.py``), those to upstreams do not. Should there be twice as much of everything as
there was, all of it is looked through once more while nobody is answered; in a process that always answers somebody,
when there is four times as much.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.task import LoopingCall

LOOK_EVERY = 1.0
"""Seconds."""
THRESHOLDS = (700, 5, 2)
"""
Of :func:`gc.set_threshold`; 700, 10 and 10 as Python 3.11 has them. So a look at all that is not set aside comes after
some 15,000 objects that live on, which take the collector 5 to 15 ms.
"""
MORE, MUCH_MORE = 2, 4
"""How many times as much there may be, before a look through all of it when nobody, and when somebody waits."""
_OLDEST = 2


class _Channel(Protocol):
    requests: list[Any]


@define(eq=False)
class Garbage:
    """
    :meth:`start` when all is loaded, then :meth:`stop`.

    :param channels: the connections as they are at any time.
    :param count: how much there is in memory, in pieces of whatever size; it is to be quick, as the default is.
    """

    reactor: Any
    channels: Iterable[_Channel]
    count: Callable[[], int] = sys.getallocatedblocks
    _settled: int = field(default=0, init=False)
    _thresholds: tuple[int, int, int] = field(factory=gc.get_threshold, init=False)
    _looking: LoopingCall = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._looking = LoopingCall(self._look)
        self._looking.clock = self.reactor

    def start(self) -> None:
        """Set aside what is loaded, unlooked at: it stays."""
        gc.freeze()
        self._settled = self.count()
        gc.set_threshold(*THRESHOLDS)
        gc.callbacks.append(self._collected)
        self._collect()
        self._looking.start(LOOK_EVERY, now=False)

    def stop(self) -> None:
        if self._looking.running:
            self._looking.stop()
            gc.callbacks.remove(self._collected)
            gc.set_threshold(*self._thresholds)

    def _collected(self, phase: str, about: dict[str, int]) -> None:
        """Called by the collector, whoever had it look."""
        if phase == "stop" and about["generation"] == _OLDEST:
            gc.freeze()

    def _collect(self) -> None:
        gc.collect()
        # The collector puts off its next look until there is a quarter more than the last one has left: nothing.
        gc.collect()

    def _look(self) -> None:
        answering = any(channel.requests for channel in self.channels)
        now = self.count()
        if now > self._settled * (MUCH_MORE if answering else MORE):
            gc.unfreeze()
            self._collect()
            self._settled = self.count()
        elif not answering:
            self._settled = min(self._settled, now)
            if gc.get_count()[_OLDEST]:  # something became old since
                self._collect()
