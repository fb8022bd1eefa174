"""Begins to bring what was written to a file onto its disk, so that the fsync at its end has little left to wait for.

The kernel waits until a tenth of the memory is to be written; a large upload would fill that first, with the disk idle,
and then wait for all of it. Leans on sync_file_range(2), which Python has no function for; without it (other systems,
file systems that refuse) nothing is begun early and everything else is the same.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

_WRITE = 2  # SYNC_FILE_RANGE_WRITE: begin, and do not wait


def _system_call() -> Callable[[int, int, int, int], int] | None:
    try:
        found = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    found.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    found.restype = ctypes.c_int
    return found


_sync_file_range = _system_call()


def begin_writeback(fd: int, start: int, length: int) -> None:
    """Begin to write ``length`` bytes from ``start`` on to the disk; blocks while its queue is full. Never fails."""
    if _sync_file_range is not None:
        # What it says does not matter: the fsync is what counts, and tells of every error.
        _sync_file_range(fd, start, length, _WRITE)
