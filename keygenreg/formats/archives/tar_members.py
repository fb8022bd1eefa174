"""The members of a tar archive, header by header, from a stream that only goes forward.

:mod:`tarfile` keeps every header, reads extended headers of any length into memory, recurses over chains of them and
(before 3.11.10) searches them in quadratic time; none of that is fit for a stranger's upload.
Sources: POSIX.1-2017 ``pax`` (ustar and extended headers), the GNU tar manual (long names, base-256 numbers).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from attrs import evolve, frozen

from keygenreg.domain.reading import IngestError

#: The most headers that are looked at, extended ones included.
MOST_MEMBERS = 100_000

_BLOCK = 512
_LONGEST_EXTENSION = 64 * 1024
_REGULAR = frozenset({b"0", b"\x00", b"7"})
_WITHOUT_DATA = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
_LINKS = frozenset({b"1", b"2"})
_DEVICES = frozenset({b"3", b"4", b"6"})
_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK, _SPARSE = b"x", b"g", b"L", b"K", b"S"
_SPARSE_MAP = "GNU.sparse"


class Stream(Protocol):
    """
    Where the archive comes from, such as :class:`~keygenreg.formats.archives.gunzip.GzipStream`.

    ``position`` is the number of bytes read or skipped so far.
    """

    position: int

    def read(self, count: int) -> bytes: ...

    def skip(self, count: int) -> None: ...


@frozen
class Member:
    """
    One member; its ``size`` bytes of data come next in the stream.

    ``target`` is where a symbolic or hard link leads, None for all others; ``is_device`` covers pipes too.
    """

    name: str
    size: int
    is_file: bool
    target: str | None = None
    is_device: bool = False


def members(stream: Stream) -> Iterator[Member]:
    """Every member in order. As much of its data as you like may be read before iterating further; the rest is skipped.

    :raises IngestError: no tar archive, damaged, cut short, more than :data:`MOST_MEMBERS` headers.
    """
    overrides: dict[str, str] = {}
    for _ in range(MOST_MEMBERS):
        block = stream.read(_BLOCK)
        if not block or not block.strip(b"\x00"):
            return
        member, kind = _header(block)
        if kind in (_PAX, _LONG_NAME, _LONG_LINK):
            extension = _extension(stream, member.size)
            key = "path" if kind == _LONG_NAME else "linkpath"
            overrides |= _records(extension) if kind == _PAX else {key: _text(extension)}
            continue
        if kind == _PAX_GLOBAL:
            stream.skip(_padded(member.size))
            continue
        member = _overridden(member, overrides)
        overrides = {}
        start = stream.position
        yield member
        if kind not in _WITHOUT_DATA:
            stream.skip(_padded(member.size) - (stream.position - start))
    raise IngestError(f"The archive has more than {MOST_MEMBERS} members, which is the limit.")


def _header(block: bytes) -> tuple[Member, bytes]:
    if len(block) < _BLOCK:
        raise IngestError("The archive ends in the middle of a header; upload it again.")
    if _number(block[148:156]) not in _checksums(block):
        raise IngestError("The archive is no tar archive, or is damaged: a header's checksum is wrong.")
    kind = block[156:157]
    if kind == _SPARSE:
        raise IngestError("The archive holds sparse files, which installers do not read; build it again without them.")
    name = _text(block[:100])
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\x00" else ""
    if prefix:
        name = f"{prefix}/{name}"
    member = Member(
        name=name,
        size=_number(block[124:136]),
        is_file=kind in _REGULAR and not name.endswith("/"),
        target=_text(block[157:257]) if kind in _LINKS else None,
        is_device=kind in _DEVICES,
    )
    return member, kind


def _checksums(block: bytes) -> tuple[int, int]:
    """The sum of the header's bytes with its own field as blanks; old writers took bytes as signed."""
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    return unsigned, unsigned if rest.isascii() else unsigned - 256 * sum(byte >= 0x80 for byte in rest)


def _overridden(member: Member, overrides: dict[str, str]) -> Member:
    if _SPARSE_MAP in overrides:
        raise IngestError("The archive holds sparse files, which installers do not read; build it again without them.")
    if "path" in overrides:
        member = evolve(member, name=overrides["path"])
    if "linkpath" in overrides and member.target is not None:
        member = evolve(member, target=overrides["linkpath"])
    if "size" in overrides:
        if not (overrides["size"].isascii() and overrides["size"].isdigit() and len(overrides["size"]) < 20):
            raise IngestError("The archive states a size that is no number; build it again.")
        member = evolve(member, size=int(overrides["size"]))
    return member


def _extension(stream: Stream, size: int) -> bytes:
    if size > _LONGEST_EXTENSION:
        raise IngestError("The archive holds an extended header that is too long; build it again.")
    data = stream.read(_padded(size))
    if len(data) < size:
        raise IngestError("The archive ends in the middle of a header; upload it again.")
    return data[:size]


def _records(extension: bytes) -> dict[str, str]:
    """Those ``length key=value`` records of a pax header that say where a member lies; others may be large."""
    records = {}
    position = 0
    while position < len(extension):
        digits, blank, _ = extension[position : position + 8].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = extension[position + len(digits) + 1 : position + length]
        key, equals, value = record.partition(b"=")
        if not blank or not equals or not record.endswith(b"\n") or position + length > len(extension):
            raise IngestError("The archive holds a damaged extended header; build it again.")
        if key in (b"path", b"size", b"linkpath"):
            records[key.decode("ascii")] = value[:-1].decode("utf-8", "replace")
        elif key.startswith(b"GNU.sparse."):
            records[_SPARSE_MAP] = ""
        position += length
    return records


def _number(field: bytes) -> int:
    """A numeric field: octal text, or base 256 with the top bit set."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.split(b"\x00", 1)[0].strip()
    if not text:
        return 0
    if text.strip(b"01234567"):
        raise IngestError("The archive is no tar archive, or is damaged: a header holds a wrong number.")
    return int(text, 8)


def _text(field: bytes) -> str:
    return field.split(b"\x00", 1)[0].decode("utf-8", "replace")


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
