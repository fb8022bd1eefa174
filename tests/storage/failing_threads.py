"""Disk threads whose disk takes no byte more."""

from __future__ import annotations

from keygenreg.storage.threads import DiskThreads


class FailingThreads:
    """Like ``threads``, but every write of an upload meets ``error``; opening, removing and the rest work."""

    def __init__(self, threads: DiskThreads, error: OSError) -> None:
        self._threads, self._error = threads, error

    def admit(self) -> None:
        self._threads.admit()

    def run(self, work, *args, **options):
        return self._threads.run(self._fail if "_take_pending" in work.__qualname__ else work, *args, **options)

    def _fail(self):
        raise self._error
