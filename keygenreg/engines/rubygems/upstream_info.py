"""What another source says of one gem, in the compact index's form: read line by line, written as it came.

Source: https://guides.rubygems.org/rubygems-org-compact-index-api/ ("info"); ``created_at`` as rubygems.org adds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from attrs import frozen

from keygenreg.mirror.adapter import Unusable
from keygenreg.storage.interface import is_sha256

SEPARATOR = "---"
#: A version, and after a dash the platform: what stands between a gem's name and ``.gem``.
LABEL = re.compile(r"[0-9]+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z_.-]{1,100})?", re.ASCII)
LONGEST_LABEL = 300
# Lines before the separator, and their characters; today there are none.
_MOST_HEAD = 20
_LONGEST_HEAD = 2048


@frozen
class InfoLine:
    """One version. ``sha256`` of its file is in hex, None where upstream does not say; ``text`` is the line."""

    label: str
    text: str
    sha256: str | None
    uploaded: datetime | None


@frozen
class Info:
    """All versions of a gem, in upstream's order; ``head`` ends with the separator's line."""

    head: str
    lines: tuple[InfoLine, ...]

    def body(self, shows: Callable[[InfoLine], bool]) -> bytes:
        """
        The document with the lines that are to be shown.

        With all of them, and where upstream's had no others, it is upstream's to the byte: then its MD5 is the one in
        the list of versions.
        """
        return (self.head + "".join(f"{line.text}\n" for line in self.lines if shows(line))).encode()


def read_info(body: bytes) -> Info:
    """
    Read a gem's document. Lines that make no sense, or state another file for a version that was there, are left out.

    :raises Unusable: it is not one.
    """
    try:
        before, separator, rest = _divided(body.decode())
    except UnicodeDecodeError:
        raise Unusable("it is no UTF-8") from None
    if not separator or len(before) > _LONGEST_HEAD or before.count("\n") > _MOST_HEAD or not _is_text(before):
        raise Unusable("it is no file of the compact index")
    lines: dict[str, InfoLine] = {}
    for text in rest.split("\n"):
        line = _line(text)
        if line is not None:
            lines.setdefault(line.label, line)
    if not lines and rest.strip():
        raise Unusable("it states no version in a way that is understood")
    return Info(f"{before}{SEPARATOR}\n", tuple(lines.values()))


def _divided(text: str) -> tuple[str, str, str]:
    if text.startswith(f"{SEPARATOR}\n") or text == SEPARATOR:
        return "", SEPARATOR, text[len(SEPARATOR) + 1 :]
    before, separator, rest = text.partition(f"\n{SEPARATOR}\n")
    return f"{before}\n", separator, rest


def _is_text(head: str) -> bool:
    return all(line.isprintable() and line.isascii() for line in head.split("\n"))


def _line(text: str) -> InfoLine | None:
    """``label dependencies|checksum:...,ruby:...``; None for what is not so."""
    label, blank, rest = text.partition(" ")
    _, bar, stated = rest.partition("|")
    if not blank or not bar or not text.isprintable():
        return None
    if len(label) > LONGEST_LABEL or LABEL.fullmatch(label) is None:
        return None
    sha256 = uploaded = None
    for requirement in stated.split(","):
        name, _, value = requirement.partition(":")
        if name == "checksum" and value:
            # One that cannot be checked must not be passed on as if it had been.
            if not is_sha256(value) or sha256 not in (None, value):
                return None
            sha256 = value
        elif name == "created_at":
            uploaded = _time(value)
    return InfoLine(label, text, sha256, uploaded)


def _time(stated: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stated)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
