"""
A shorter way from the kernel's events to connections, for Twisted's epoll reactor (26.10).

Stock Twisted sets up a log context around each event, which costs as much as answering a small request from memory. For
the two kinds of event that make up a busy server's day, "readable" and "writable" and nothing else, this calls the
connection at once; all others go Twisted's way. Small requests are read and answered before large answers go on, and
these have a share of each turn, so that hundreds of them keep nobody waiting.

Leans on ``_poller``, ``_selectables``, ``_writes``, ``_doReadOrWrite`` and ``_disconnectSelectable``, and on
``doIteration`` being looked up on the reactor at every turn; a reactor of another class is left as it is.
"""

from __future__ import annotations

import select
import sys
from time import monotonic
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.logger import Logger
from twisted.python.log import callWithLogger

_log = Logger()
_WRITING = 0.002
"""Seconds of each turn in which connections that can be written to have theirs, one of them at least."""


def quicken(reactor: Any) -> bool:
    """Let a reactor that is about to run, or runs, handle events the shorter way; whether it does."""
    if type(reactor) is not EPollReactor:
        return False
    poll, selectables, writes = reactor._poller.poll, reactor._selectables, reactor._writes
    readable, writable = select.EPOLLIN, select.EPOLLOUT
    served = 0

    def failed() -> BaseException:
        _log.failure("A connection failed and is closed")
        return sys.exc_info()[1]

    def write(ready: list[tuple[int, Any]]) -> None:
        # Whoever is not served stays writable, and comes in the next turn; each turn goes on where the last one ended.
        nonlocal served
        until = monotonic() + _WRITING
        for _ in ready:
            descriptor, selectable = ready[served % len(ready)]
            served += 1
            if descriptor in writes and selectables.get(descriptor) is selectable:
                try:
                    why = selectable.doWrite()
                except BaseException:
                    why = failed()
                if why:
                    reactor._disconnectSelectable(selectable, why, False)
                if monotonic() > until:
                    return

    def iterate(timeout: float | None) -> None:
        ready = []
        for descriptor, event in poll(-1 if timeout is None else timeout, len(selectables) or 1):
            # One that an earlier event of this turn has ended is not here any more.
            selectable = selectables.get(descriptor)
            if selectable is None:
                continue
            if event == readable:
                try:
                    why = selectable.doRead()
                except BaseException:
                    why = failed()
                if why:
                    reactor._disconnectSelectable(selectable, why, True)
            elif event == writable:
                ready.append((descriptor, selectable))
            else:
                callWithLogger(selectable, reactor._doReadOrWrite, selectable, descriptor, event)
        if ready:
            write(ready)

    reactor.doIteration = iterate
    return True
