"""Tarballs as ``npm pack`` makes them: the package.json at their top, and what else is worth knowing.

Installers strip the first folder of every name, whatever it is called, and let a later file replace an earlier one; so
there must be exactly one package.json at that level, or they would not all read the same.
"""

from __future__ import annotations

from typing import BinaryIO

from attrs import frozen

from keygenreg.domain.reading import IngestError
from keygenreg.engines.npm import package_json
from keygenreg.formats.archives import member_names
from keygenreg.formats.archives.plain_stream import decompressed
from keygenreg.formats.archives.tar_members import Member, Stream, members

#: How much a tarball may decompress to, in bytes.
MOST_DECOMPRESSED = 2 * 1024**3

_DOCUMENT = "package.json"
_STEP = 1024 * 1024


@frozen
class Contents:
    """
    ``document`` is package.json, byte for byte; ``files`` their number, ``unpacked`` their sizes together, in bytes;
    ``top_files`` the names of those beside package.json that change how a package is installed.
    """

    document: bytes
    files: int
    unpacked: int
    top_files: frozenset[str]


def contents(file: BinaryIO) -> Contents:
    """
    Read a tarball to its end, compressed or not, whatever it is called.

    :raises IngestError: no intact tar archive, beyond limits, dangerous names, not exactly one package.json at the top.
    """
    stream = decompressed(file, limit=MOST_DECOMPRESSED)
    document = None
    count = unpacked = 0
    top_files = set()
    for member in members(stream):
        name = member.name.replace("\\", "/")
        member_names.check(name, archive="The tarball")
        if member.is_file:
            count += 1
            unpacked += member.size
        inner = name.partition("/")[2]
        if inner == _DOCUMENT:
            if document is not None:
                raise IngestError("The tarball holds two package.json files at its top; pack it again with npm pack.")
            document = _read(stream, member)
        elif inner in ("npm-shrinkwrap.json", "binding.gyp") and member.is_file:
            top_files.add(inner)
    if document is None:
        raise IngestError(
            "The tarball holds no package.json in a folder at its top, where installers look for it "
            "(package/package.json); make it with npm pack."
        )
    while stream.read(_STEP):  # the checksum comes at the end, and installers check it
        pass
    return Contents(document, count, unpacked, frozenset(top_files))


def _read(stream: Stream, member: Member) -> bytes:
    if not member.is_file:
        raise IngestError("The tarball's package.json is a link or a folder; it must be a regular file.")
    if member.size > package_json.LONGEST:
        raise IngestError(f"package.json is larger than {package_json.LONGEST >> 10} KiB, which is the limit.")
    document = stream.read(member.size)
    if len(document) < member.size:
        raise IngestError("The archive ends in the middle of a member; upload it again.")
    return document
