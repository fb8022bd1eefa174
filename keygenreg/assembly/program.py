"""
Which program this is. Web processes share memory, settings and a schema with their daemon, so all are of one program,
also when another one was installed since the daemon began.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from attrs import frozen

import keygenreg

FINGERPRINT_BYTES = hashlib.sha256().digest_size
OTHER_PROGRAM = 6
"""Exit status of a web process that is not of its daemon's program."""
_DIRECTORY = Path(keygenreg.__file__).parent
_MADE_BY_PYTHON = "__pycache__"


@frozen
class ProgramReplaced(Exception):
    """Nobody answers any more, and the program on the disk is not the daemon's."""

    def __str__(self) -> str:
        return "Another version of the program was installed while the daemon ran: start it anew."


def fingerprint(directory: Path = _DIRECTORY) -> bytes:
    """
    What follows from names, sizes and times of all files of the program, as they are on the disk now: to read them all
    would take tens of milliseconds of each start.
    """
    found = hashlib.sha256()
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if name != _MADE_BY_PYTHON)
        place = os.path.relpath(folder, directory)
        for name in sorted(names):
            try:
                status = os.stat(os.path.join(folder, name))
            except FileNotFoundError:
                continue  # just being replaced
            facts = (place, name, status.st_size, status.st_mtime_ns)
            found.update(repr(facts).encode("utf-8", "surrogateescape"))
    return found.digest()
