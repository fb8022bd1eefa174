"""Another source's list of all gems with their versions, which is tens of megabytes: kept in a file, read in pieces.

Source: https://guides.rubygems.org/rubygems-org-compact-index-api/ ("versions").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from attrs import frozen

from keygenreg.engines.rubygems.nameless_file import PIECE, NamelessFile
from keygenreg.mirror.adapter import Unusable

_SEPARATOR = b"---\n"
_LONGEST_HEAD = 2048
# So many lines must not all be senseless.
_LOOKED_AT = 20
_LINE = re.compile(rb"([0-9A-Za-z._-]{1,255}) ([0-9A-Za-z._,-]+) [0-9a-f]{32}")
_HEAD = re.compile(rb"(?:[ -~]*\n)*")


@frozen(eq=False)
class UpstreamVersions:
    """``head`` are the lines before the separator; ``lines`` those after it, each with its end."""

    head: bytes
    lines: NamelessFile


def read_versions(body: bytes, folder: Path) -> UpstreamVersions:
    """
    Read a list of versions; single lines are judged when it is used.

    :param folder: where the file lies.
    :raises Unusable: it is not one.
    """
    start = 0 if body.startswith(_SEPARATOR) else body.find(b"\n" + _SEPARATOR, 0, _LONGEST_HEAD) + 1
    head = body[:start]
    if not body.startswith(_SEPARATOR, start) or _HEAD.fullmatch(head) is None:
        raise Unusable("it is no list of versions")
    start += len(_SEPARATOR)
    first = body[start : start + PIECE].split(b"\n", _LOOKED_AT)[:_LOOKED_AT]
    if any(first) and not any(map(_LINE.fullmatch, first)):
        raise Unusable("its lines are no versions of gems")
    rest = memoryview(body)[start:]
    ending = b"" if body.endswith(b"\n") else b"\n"
    return UpstreamVersions(head, NamelessFile.written(folder, (rest, ending)))


@frozen
class Excluded:
    """
    Gems that are not passed through.

    :ivar claimed: names in lower case that belong to this registry.
    :ivar allowed: says whether the operator lets a name through; None when he lets all.
    """

    claimed: Collection[bytes]
    allowed: Callable[[str], bool] | None = None

    def __contains__(self, name: bytes) -> bool:
        return name.lower() in self.claimed or (self.allowed is not None and not self.allowed(name.decode()))


def passed_on(pieces: Iterable[bytes], excluded: Excluded) -> Iterator[bytes]:
    """The lines of gems that are not excluded, piece by piece. Lines that make no sense are left out."""
    for piece in pieces:
        kept = [
            line
            for line in piece.split(b"\n")
            if (found := _LINE.fullmatch(line)) is not None and found[1] not in excluded
        ]
        if kept:
            kept.append(b"")
            yield b"\n".join(kept)


def names_of(pieces: Iterable[bytes]) -> set[str]:
    """The gems that have a version after all lines, of which later ones may take versions away."""
    counts: dict[bytes, int] = {}
    for piece in pieces:
        for line in piece.split(b"\n"):
            found = _LINE.fullmatch(line)
            if found is not None:
                steps = b"," + found[2]
                gone = steps.count(b",-")
                counts[found[1]] = counts.get(found[1], 0) + steps.count(b",") - 2 * gone
    return {name.decode() for name, count in counts.items() if count > 0}
