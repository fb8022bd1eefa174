"""Names of archive members: which of them no honest build tool writes."""

from __future__ import annotations

import re

from keygenreg.domain.reading import IngestError

_DRIVE = re.compile(r"[A-Za-z]:")


def check(name: str, *, archive: str) -> None:
    """Refuse a member that would unpack outside of its folder on any system.

    :param archive: what the sentence calls the archive, such as ``The wheel``.
    :raises IngestError: empty, absolute, with a parent step, a backslash, a drive or a NUL.
    """
    steps = name.split("/")
    if not name or name.startswith("/") or ".." in steps or "\\" in name or "\x00" in name or _DRIVE.match(name):
        raise IngestError(
            f"{archive} holds a member named {shown(name)}, which could unpack outside of its folder; build it again."
        )


def shown(name: str) -> str:
    """A member's name for a sentence: quoted, printable, of bounded length."""
    text = ascii(name)
    return text if len(text) <= 120 else text[:117] + "...'"
