"""
A shorter way from the kernel's events to connections, for Twisted's epoll reactor (26.10), which shares its turns.

Stock Twisted sets up a log context around each event, which costs as much as answering a small request from memory. For
the two kinds of event that make up a busy server's day, "readable" and "writable" and nothing else, this calls the
connection at once; all others go Twisted's way. Whoever asks is heard before large answers go on, and both have a share
of each turn only: hundreds of clients that come, ask, take or leave at the same time hold up no timer and no other
client for long. Turns follow each other directly as long as no timed call is due, and none was made by another thread
or by a connection: else the reactor looks for them after every small answer.

Leans on ``_poller``, ``_selectables``, ``_reads``, ``_writes``, ``_doReadOrWrite`` and ``_disconnectSelectable``, on
``threadCallQueue``, ``_newTimedCalls``, ``_pendingTimedCalls`` and ``_justStopped`` being all that there is to do, on
``doIteration`` being looked up on the reactor at every turn, and on ``doRead`` and ``doWrite`` doing no harm where
there is nothing to do; a reactor of another class is left as it is.
"""

from __future__ import annotations

import select
import sys
from collections import OrderedDict
from time import monotonic
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.logger import Logger
from twisted.python.log import callWithLogger

_log = Logger()

_HEARING = 0.01
"""Seconds of each turn for connections that can be read or have ended: one at least, the others keep their places."""

_WRITING, _MOST_WRITING = 0.002, 0.016
"""
Seconds of each turn for connections that can only be written. Twice as many after each turn in which nobody was heard:
the kernel sends a tenth less where Python's caches take turns with its own more often.
"""

_LONGEST_WAIT = 86_400.0
"""Seconds; epoll refuses what is longer than 24 days, as it may be after the clock was set back."""


def quicken(reactor: Any) -> bool:
    """Let a reactor that is about to run, or runs, handle events the shorter way; whether it does."""
    if type(reactor) is not EPollReactor:
        return False
    poll, selectables, reads, writes = reactor._poller.poll, reactor._selectables, reactor._reads, reactor._writes
    readable, writable, seconds = select.EPOLLIN, select.EPOLLOUT, reactor.seconds
    # Who did not have a turn yet, the longest waiting first: by descriptor, which may have become another connection's.
    heard: OrderedDict[int, tuple[Any, int]] = OrderedDict()
    written: OrderedDict[int, tuple[Any, int]] = OrderedDict()
    writing = _WRITING

    def failed() -> BaseException:
        _log.failure("A connection failed and is closed")
        return sys.exc_info()[1]

    def handle(descriptor: int, selectable: Any, event: int) -> None:
        # What happened to others since the event was seen may have ended or paused this one.
        if selectable is None or selectables.get(descriptor) is not selectable:
            return
        try:
            if event == readable:
                why = selectable.doRead() if descriptor in reads else None
            elif event == writable:
                why = selectable.doWrite() if descriptor in writes else None
            else:
                callWithLogger(selectable, reactor._doReadOrWrite, selectable, descriptor, event)
                return
        except BaseException:
            why = failed()
        if why:
            reactor._disconnectSelectable(selectable, why, event == readable)

    def share(waiting: OrderedDict[int, tuple[Any, int]], until: float) -> None:
        while waiting:
            descriptor, (selectable, event) = waiting.popitem(last=False)
            handle(descriptor, selectable, event)
            if monotonic() > until:
                return

    def iterate(timeout: float | None) -> None:
        nonlocal writing
        while True:
            waiting = bool(heard or written)
            found = poll(0 if waiting else -1 if timeout is None else timeout, len(selectables) or 1)
            # Whose they are now: one may end in this turn, and another one begin under its descriptor.
            events = [(descriptor, selectables.get(descriptor), event) for descriptor, event in found]
            until = monotonic() + _HEARING
            late = bool(heard)
            writing = min(2 * writing, _MOST_WRITING)
            for descriptor, selectable, event in events:
                if event == writable:
                    written[descriptor] = selectable, event
                    continue
                writing = _WRITING
                if late:
                    heard[descriptor] = selectable, event
                elif event == readable and selectable is not None and selectables.get(descriptor) is selectable:
                    # As below, without a call: these are nearly all.
                    try:
                        why = selectable.doRead()
                    except BaseException:
                        why = failed()
                    if why:
                        reactor._disconnectSelectable(selectable, why, True)
                    late = monotonic() > until
                else:
                    handle(descriptor, selectable, event)
                    late = monotonic() > until
            if heard:
                share(heard, until)
            if written:
                share(written, monotonic() + writing)
            if reactor.threadCallQueue or reactor._newTimedCalls or reactor._justStopped or not reactor.running:
                return
            timeout = None
            if reactor._pendingTimedCalls:
                timeout = min(reactor._pendingTimedCalls[0].time - seconds(), _LONGEST_WAIT)
                if timeout <= 0:
                    return

    reactor.doIteration = iterate
    return True
