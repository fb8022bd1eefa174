"""The central directory of a zip file, entry by entry, and the content of one small entry.

Stricter than :mod:`zipfile`, which loads a directory of any size and guesses where archives are ambiguous: a file that
two programs could read differently is refused. Nothing may precede, follow or hide between the parts, and what the
local header says must be what the directory says. Source: APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 to 4.3.16, 4.5.3.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from attrs import frozen

from keygenreg.domain.reading import IngestError
from keygenreg.formats.archives.member_names import shown

#: The most entries an archive may have.
MOST_ENTRIES = 100_000
#: The largest central directory, in bytes.
LARGEST_DIRECTORY = 32 * 1024 * 1024

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _UTF8 = 0x0041, 0x0800
_STORED, _DEFLATED = 0, 8
_FULL32 = 0xFFFFFFFF
_COMMENT = 0xFFFF


@frozen
class ZipEntry:
    """One entry of the directory; sizes and ``offset`` (of its local header) in bytes, ``raw`` the name as stored."""

    name: str
    raw: bytes
    method: int
    crc: int
    compressed: int
    size: int
    offset: int


@frozen
class _Directory:
    entries: int
    size: int
    offset: int


def entries(file: BinaryIO) -> Iterator[ZipEntry]:
    """Every entry in the directory's order; each name comes once.

    Read contents only after the iteration: it relies on the file's position.

    :raises IngestError: no zip file, damaged, ambiguous, encrypted, or beyond the limits above.
    """
    directory = _find(file)
    file.seek(directory.offset)
    left = directory.size
    names: set[bytes] = set()
    for _ in range(directory.entries):
        entry, length = _entry(file, left)
        if entry.offset + entry.compressed > directory.offset:
            raise _damaged(f"{shown(entry.name)} is said to lie after the members")
        left -= length
        if entry.raw in names:
            raise IngestError(f"The archive holds {shown(entry.name)} twice; build it again.")
        names.add(entry.raw)
        yield entry
    if left:
        raise _damaged("its directory is longer than its entries")


def content(file: BinaryIO, entry: ZipEntry, *, limit: int) -> bytes:
    """The decompressed content of an entry of at most ``limit`` bytes.

    :raises IngestError: larger, damaged, or compressed in a way that installers do not read.
    """
    if entry.size > limit:
        raise IngestError(f"{shown(entry.name)} is larger than {limit >> 10} KiB, which is the limit.")
    if entry.method not in (_STORED, _DEFLATED):
        raise IngestError(f"{shown(entry.name)} is not compressed with deflate; build the archive again.")
    file.seek(entry.offset)
    signature, _version, flags, method, *_times, name_length, extra_length = _LOCAL.unpack(_exactly(file, _LOCAL.size))
    if signature != b"PK\x03\x04" or flags & _ENCRYPTED or method != entry.method:
        raise _damaged(f"the local header of {shown(entry.name)} contradicts the directory")
    if _exactly(file, name_length) != entry.raw:
        raise _damaged(f"the local header of {shown(entry.name)} contradicts the directory")
    file.seek(extra_length, os.SEEK_CUR)
    data = _decompressed(file, entry, limit)
    if len(data) != entry.size or zlib.crc32(data) != entry.crc:
        raise _damaged(f"{shown(entry.name)} does not have the size and checksum that the directory states")
    return data


def _decompressed(file: BinaryIO, entry: ZipEntry, limit: int) -> bytes:
    # No compressor does worse; what claims to would have us read gigabytes for one small document.
    if entry.compressed > 2 * entry.size + 1024:
        raise _damaged(f"{shown(entry.name)} is larger compressed than not")
    data = _exactly(file, entry.compressed)
    if entry.method == _STORED:
        return data
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(data, limit + 1)
    except zlib.error:
        raise _damaged(f"{shown(entry.name)} cannot be decompressed") from None
    if not inflater.eof or inflater.unused_data:
        raise _damaged(f"{shown(entry.name)} does not end where the directory says")
    return plain


def _find(file: BinaryIO) -> _Directory:
    """Where the directory lies, from the end records."""
    length = file.seek(0, os.SEEK_END)
    start = max(0, length - _END.size - _COMMENT)
    file.seek(start)
    tail = file.read(_END.size + _COMMENT)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise IngestError("The file is no zip archive, or is cut short; upload it again.")
    _, disk, first_disk, here, total, size, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise _damaged("there are bytes after its end")
    end = start + at
    wide = _find64(file, end)
    if wide is not None:
        directory, end = wide
    elif disk or first_disk or here != total:
        raise _damaged("it is one part of several")
    else:
        directory = _Directory(entries=total, size=size, offset=offset)
    if directory.offset + directory.size != end:
        raise _damaged("its directory is not where its end says")
    if directory.entries > MOST_ENTRIES:
        raise IngestError(f"The archive has more than {MOST_ENTRIES} members, which is the limit.")
    if directory.size > LARGEST_DIRECTORY:
        raise IngestError(f"The archive's directory is larger than {LARGEST_DIRECTORY >> 20} MiB, which is the limit.")
    return directory


def _find64(file: BinaryIO, end: int) -> tuple[_Directory, int] | None:
    """As :func:`_find` for zip64, with where the zip64 end record begins; None when it is no zip64 archive."""
    if end < _END64_LOCATOR.size:
        return None
    file.seek(end - _END64_LOCATOR.size)
    signature, _disk, at, _disks = _END64_LOCATOR.unpack(_exactly(file, _END64_LOCATOR.size))
    if signature != b"PK\x06\x07":
        return None
    if at > end:
        raise _damaged("its zip64 end record is missing")
    file.seek(at)
    signature, length, _by, _needs, disk, first_disk, here, total, size, offset = _END64.unpack(
        _exactly(file, _END64.size)
    )
    if signature != b"PK\x06\x06" or at + 12 + length + _END64_LOCATOR.size != end:
        raise _damaged("its zip64 end record is not where it should be")
    if disk or first_disk or here != total:
        raise _damaged("it is one part of several")
    return _Directory(entries=total, size=size, offset=offset), at


def _entry(file: BinaryIO, left: int) -> tuple[ZipEntry, int]:
    """The entry at the file's position, and how many bytes of the directory it takes."""
    if left < _ENTRY.size:
        raise _damaged("its directory is shorter than its entries")
    fields = _ENTRY.unpack(_exactly(file, _ENTRY.size))
    signature, _by, _needs, flags, method, _time, _date, crc, compressed, size = fields[:10]
    name_length, extra_length, comment_length, _disk, _internal, _external, offset = fields[10:]
    length = _ENTRY.size + name_length + extra_length + comment_length
    if signature != b"PK\x01\x02" or length > left:
        raise _damaged("its directory is shorter than its entries")
    raw = _exactly(file, name_length)
    extra = _exactly(file, extra_length)
    file.seek(comment_length, os.SEEK_CUR)
    name = _name(raw, flags)
    if flags & _ENCRYPTED:
        raise IngestError(f"The archive is encrypted ({shown(name)}); installers cannot read it.")
    size, compressed, offset = _zip64_values(extra, [size, compressed, offset])
    entry = ZipEntry(name=name, raw=raw, method=method, crc=crc, compressed=compressed, size=size, offset=offset)
    return entry, length


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise _damaged("a member's name is not the UTF-8 it claims to be") from None


def _zip64_values(extra: bytes, values: list[int]) -> list[int]:
    """Replace those of ``values`` that do not fit 32 bits by the ones of the zip64 extra field."""
    if _FULL32 not in values:
        return values
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            wide = list(struct.iter_unpack("<Q", extra[position + 4 :][: length // 8 * 8][: 8 * values.count(_FULL32)]))
            if len(wide) < values.count(_FULL32):
                break
            found = iter(wide)
            return [next(found)[0] if value == _FULL32 else value for value in values]
        position += 4 + length
    raise _damaged("an entry lacks the zip64 sizes it announces")


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise _damaged("it ends too early")
    return data


def _damaged(how: str) -> IngestError:
    return IngestError(f"The archive is no intact zip file: {how}; build and upload it again.")
