"""One file being received: written and hashed in threads, in order, with a bound on what waits in memory."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure as Reason

from keygenreg.domain.failures import Unavailable
from keygenreg.storage.hashing import Hashes
from keygenreg.storage.interface import Digests, Pressure
from keygenreg.storage.threads import DiskThreads
from keygenreg.storage.writeback import begin_writeback

_log = Logger()

SLICE = 256 * 1024
"""Bytes are gathered until there are this many, then go to a thread."""

MAX_IN_FLIGHT = 2 * 1024 * 1024
"""With this many bytes not yet written the sender is paused, until half of them are."""

WRITEBACK = 8 * 1024 * 1024
"""After this many bytes the disk is set to work on them."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def disk_failure(error: OSError) -> Unavailable:
    """What the client is told of a disk that will not; what it was is for the log."""
    if error.errno in _NO_ROOM:
        return Unavailable("The registry has no room left for this file.", retry_after=60)
    return Unavailable("The registry cannot use its disk at the moment.", retry_after=10)


class IncomingFile:
    """
    An :class:`~keygenreg.storage.interface.Incoming` on the local file system.

    Everything that touches the file is a job in a thread; the jobs of one file run one after the other, whoever waits
    for them or has stopped waiting, so that a cancelled ``finish`` and a ``discard`` cannot meet.
    """

    def __init__(
        self, path: Path, threads: DiskThreads, hashes: Hashes, on_end: Callable[[], None], mode: int = 0o600
    ) -> None:
        self.path = path
        self._mode = mode
        self.pressure: Pressure | None = None
        self.on_stored: Callable[[], None] | None = None
        self.stored = 0
        self.digests: Digests | None = None
        self.adopted = False
        self._threads = threads
        self._hashes = hashes
        self._on_end: Callable[[], None] | None = on_end
        self._fd: int | None = None
        self._written = self._given_to_disk = 0
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._writing_size = 0
        self._paused = False
        self._jobs: deque[tuple[Callable[[], Any], Deferred[Any]]] = deque()
        self._busy = False
        self._ending = False
        self._removed = False
        self._failure: Unavailable | None = None

    # The reactor's side

    def write(self, data: bytes) -> None:
        if self._ending or self._failure is not None:
            return
        self._pending.append(data)
        self._pending_size += len(data)
        if not self._paused and self._pending_size + self._writing_size > MAX_IN_FLIGHT:
            self._paused = True
            if self.pressure is not None:
                self.pressure.pause()
        self._next()

    async def finish(self) -> Digests:
        self._ending = True
        try:
            return await self._job(self._seal)
        except Unavailable:
            await self.discard()
            raise

    async def discard(self) -> None:
        self._ending = True
        if self.adopted or self._removed:
            return
        self._pending, self._pending_size = [], 0
        try:
            await self._job(self._remove)
        finally:
            self._end()

    async def adopt(self, move: Callable[[Path, Digests], Path]) -> None:
        """Let ``move`` put the finished file to its place, in a thread, and know it under the path that it returns."""
        self.path = await self._job(lambda: self._move(move))
        self._end()

    def _end(self) -> None:
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end()

    def _job(self, work: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self._jobs.append((work, done))
        self._next()
        return done

    def _next(self) -> None:
        if self._busy:
            return
        if self._jobs:
            work, done = self._jobs.popleft()
        elif self._pending_size >= SLICE:
            work, done = self._take_pending(), Deferred()
            done.addErrback(self._broken)
        else:
            return
        self._busy = True
        self._threads.run(work).addBoth(self._job_ended, done)

    def _take_pending(self) -> Callable[[], None]:
        data = b"".join(self._pending)
        self._writing_size = len(data)
        self._pending, self._pending_size = [], 0
        return lambda: self._store(data)

    def _job_ended(self, result: Any, done: Deferred[Any]) -> None:
        self._busy = False
        written, self._writing_size = self._writing_size, 0
        if isinstance(result, Reason) and result.check(OSError):
            _log.failure("An upload cannot be stored", failure=result)
            result = Reason(disk_failure(result.value))
        elif written and not isinstance(result, Reason):
            self.stored += written
            if self.on_stored is not None:
                self.on_stored()
        if not done.called:
            done.callback(result)
        if self._paused and self._pending_size <= MAX_IN_FLIGHT // 2:
            self._paused = False
            if self.pressure is not None:
                self.pressure.resume()
        self._next()

    def _broken(self, reason: Reason) -> None:
        if not reason.check(Unavailable):
            _log.failure("An upload cannot be stored", failure=reason)
            reason = Reason(Unavailable("The registry cannot store uploads at the moment."))
        self._failure = reason.value
        self._pending, self._pending_size = [], 0
        if self.pressure is not None:
            self.pressure.fail(self._failure)

    # The threads' side

    def _store(self, data: bytes) -> None:
        if self._fd is None:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            os.fchmod(self._fd, self._mode)  # whatever the process's mask
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._written += len(data)
        if self._written - self._given_to_disk >= WRITEBACK:
            begin_writeback(self._fd, self._given_to_disk, self._written - self._given_to_disk)
            self._given_to_disk = self._written
        self._hashes.update(data)

    def _seal(self) -> Digests:
        if self._failure is not None:
            raise self._failure
        if self._removed:
            raise ValueError("the upload was discarded")
        if self.digests is None:
            data = b"".join(self._pending)
            self._pending, self._pending_size = [], 0
            self._store(data)
            os.fsync(self._fd)
            self._close()
            self.digests = self._hashes.digests()
        return self.digests

    def _move(self, move: Callable[[Path, Digests], Path]) -> Path:
        if self.digests is None:
            raise ValueError("only a finished upload can be adopted")
        if self.adopted:
            return self.path
        path = move(self.path, self.digests)
        self.adopted = True
        return path

    def _remove(self) -> None:
        if self.adopted:
            return
        self._removed = True
        self._close()
        self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)
