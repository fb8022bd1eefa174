"""One daemon per data directory: a lock that the kernel gives back however the daemon ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from attrs import frozen

NAME = "daemon.lock"


@frozen
class DirectoryInUse(Exception):
    """Another daemon works on the data directory; ``pid`` is None when it has not written its number yet."""

    directory: Path
    pid: int | None

    def __str__(self) -> str:
        who = "Another daemon" if self.pid is None else f"Another daemon (process {self.pid})"
        return f"{who} already works on {self.directory}. Stop it, or choose another data directory."


class DirectoryLock:
    """Holds ``DIR/daemon.lock`` from :meth:`acquire` until :meth:`release` or the end of this process.

    The open file is not inherited by child processes, so a child that outlives the daemon does not hold the lock.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock now.

        :raises DirectoryInUse: another process, or another object of this one, holds it.
        """
        descriptor = os.open(self._directory / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _number(descriptor)
            os.close(descriptor)
            raise DirectoryInUse(self._directory, pid) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._file = descriptor

    def release(self) -> None:
        """Give the lock back; without effect when it is not held."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


def holder(directory: Path) -> DirectoryInUse | None:
    """Who works on the directory right now; None when nobody does.

    Looking takes a shared lock for a moment, so whoever acquires should try again for a second before giving up.
    """
    try:
        descriptor = os.open(directory / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return DirectoryInUse(directory, _number(descriptor))
    finally:
        os.close(descriptor)


def _number(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
