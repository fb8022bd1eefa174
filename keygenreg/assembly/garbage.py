"""When a web process looks for garbage among what it has had for long: while it answers nobody, and never twice.

Python's collector stops everything while it looks through all that is older than a moment: a microsecond or more for
each object, 40 ms with the documents of three packages in memory, again and again under load. Nearly all of it are
entries of caches, which need no collector: they go when nothing names them any more. So whatever has survived one look
is set aside (:func:`gc.freeze`), and later looks find only what came since.

A loop of references that is set aside alive and ends later would stay for ever. Requests are such loops, as Klein makes
them; hence nothing is set aside while one is being answered. Should what is set aside double all the same, all of it is
looked through once more. The collector's own schedule goes on beside, for processes that are never without a request.

To count what is set aside takes as long as to look through it. So it is estimated from what was added, and counted only
when that is much: what has ended meanwhile is still in the estimate.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.task import LoopingCall

LOOK_EVERY = 1.0
"""Seconds."""
_OLDEST = 2


class _Channel(Protocol):
    requests: list[Any]


@define(eq=False)
class Garbage:
    """:meth:`start` when all is loaded, then :meth:`stop`. ``channels``: the connections as they are at any time."""

    reactor: Any
    channels: Iterable[_Channel]
    _settled: int = field(default=0, init=False)
    _set_aside: int = field(default=0, init=False)
    _looking: LoopingCall = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._looking = LoopingCall(self._look)
        self._looking.clock = self.reactor

    def start(self) -> None:
        """Set aside what is loaded, unlooked at: it stays."""
        gc.freeze()
        self._settled = self._set_aside = gc.get_freeze_count()
        self._looking.start(LOOK_EVERY, now=False)

    def stop(self) -> None:
        if self._looking.running:
            self._looking.stop()

    def _look(self) -> None:
        if any(channel.requests for channel in self.channels):
            return
        if not gc.get_count()[_OLDEST]:
            return  # nothing became old since
        if self._set_aside > 2 * self._settled:
            self._set_aside = gc.get_freeze_count()
        doubled = self._set_aside > 2 * self._settled
        if doubled:
            gc.unfreeze()
        gc.collect()
        self._set_aside += len(gc.get_objects(generation=_OLDEST))
        gc.freeze()
        if doubled:
            self._settled = self._set_aside = gc.get_freeze_count()
