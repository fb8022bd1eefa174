"""Long work of the reactor's own thread in slices, between which others have their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic

from twisted.internet.task import CooperativeTask, TaskFinished, cooperate

Cooperate = Callable[[Iterator[object]], CooperativeTask]

#: Seconds until others are let in. Twisted's cooperator takes slices of about the same length.
SLICE = 0.008


async def in_turns(
    work: Iterator[object], *, seconds: Callable[[], float] = monotonic, cooperate: Cooperate = cooperate
) -> None:
    """
    Run a generator to its end; it yields, whatever, where it may be interrupted: often, but not after every trifle.

    What is done within :data:`SLICE` is done at once. Cancelling ends the work where it stands; what it raises comes
    out here.

    :param seconds: the clock. :param cooperate: that of a cooperator of Twisted's.
    """
    ends = seconds() + SLICE
    for _ in work:
        if seconds() >= ends:
            break
    else:
        return
    task = cooperate(work)
    try:
        await task.whenDone()
    finally:
        with suppress(TaskFinished):
            task.stop()
