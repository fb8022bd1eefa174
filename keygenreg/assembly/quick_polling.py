"""
A shorter way from the kernel's events to connections, for Twisted's epoll reactor (26.10).

Stock Twisted sets up a log context around each event, which costs as much as answering a small request from memory. For
the two kinds of event that make up a busy server's day, "readable" and "writable" and nothing else, this calls the
connection at once; all others go Twisted's way. Leans on ``_poller``, ``_selectables``, ``_doReadOrWrite`` and
``_disconnectSelectable``, and on ``doIteration`` being looked up on the reactor at every turn; a reactor of another
class is left as it is.
"""

from __future__ import annotations

import select
import sys
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.logger import Logger
from twisted.python.log import callWithLogger

_log = Logger()


def quicken(reactor: Any) -> bool:
    """Let a reactor that is about to run, or runs, handle events the shorter way; whether it does."""
    if type(reactor) is not EPollReactor:
        return False
    poll, selectables = reactor._poller.poll, reactor._selectables
    readable, writable = select.EPOLLIN, select.EPOLLOUT

    def iterate(timeout: float | None) -> None:
        for descriptor, event in poll(-1 if timeout is None else timeout, len(selectables) or 1):
            # One that an earlier event of this turn has ended is not here any more.
            selectable = selectables.get(descriptor)
            if selectable is None:
                continue
            try:
                if event == readable:
                    why = selectable.doRead()
                elif event == writable:
                    why = selectable.doWrite()
                else:
                    callWithLogger(selectable, reactor._doReadOrWrite, selectable, descriptor, event)
                    continue
            except BaseException:
                why = sys.exc_info()[1]
                _log.failure("A connection failed and is closed")
            if why:
                reactor._disconnectSelectable(selectable, why, event == readable)

    reactor.doIteration = iterate
    return True
