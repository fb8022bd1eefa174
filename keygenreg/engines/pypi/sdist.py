"""Source distributions: finding the PKG-INFO at their top. Source: PEP 517, 625 and 643, PEP 721."""

from __future__ import annotations

from typing import BinaryIO

from keygenreg.domain.reading import IngestError
from keygenreg.engines.pypi import core_metadata, zip_directory
from keygenreg.formats.archives import member_names, tar_members
from keygenreg.formats.archives.gunzip import GzipStream

#: How much of a ``.tar.gz`` is decompressed in search of PKG-INFO, in bytes; several build tools write it last.
MOST_DECOMPRESSED = 2 * 1024**3

_ARCHIVE = "The source distribution"
_DOCUMENT = "PKG-INFO"


def pkg_info(file: BinaryIO, filename: str) -> tuple[str, bytes] | None:
    """The archive's top folder and the exact bytes of ``<top folder>/PKG-INFO``; None when it holds no such file.

    A ``.tar.gz`` is read until the document is found and no further.

    :raises IngestError: no intact archive of the kind its name says, beyond limits, dangerous member names, or more
        than one top folder.
    """
    return _from_zip(file) if filename.endswith(".zip") else _from_tar(file)


def _from_tar(file: BinaryIO) -> tuple[str, bytes] | None:
    stream = GzipStream(file, limit=MOST_DECOMPRESSED)
    top = None
    for member in tar_members.members(stream):
        name = _plain(member.name)
        if name is None:
            continue
        top = _checked_top(name, top)
        if name != f"{top}/{_DOCUMENT}":
            continue
        if not member.is_file:
            raise IngestError(f"{name} is a link, a folder or a device; it must be a regular file.")
        if member.size > core_metadata.LONGEST:
            raise IngestError(f"{name} is larger than {core_metadata.LONGEST >> 10} KiB, which is the limit.")
        document = stream.read(member.size)
        if len(document) < member.size:
            raise IngestError("The archive ends in the middle of a member; upload it again.")
        return top, document
    return None


def _from_zip(file: BinaryIO) -> tuple[str, bytes] | None:
    top, found = None, None
    for entry in zip_directory.entries(file):
        name = _plain(entry.name)
        if name is None:
            continue
        top = _checked_top(name, top)
        if name == f"{top}/{_DOCUMENT}":
            found = entry
    if top is None or found is None:
        return None
    return top, zip_directory.content(file, found, limit=core_metadata.LONGEST)


def _plain(name: str) -> str | None:
    """The member's name without a leading ``./``, checked; None for the archive's root itself."""
    name = name.removeprefix("./")
    if name in ("", "."):
        return None
    member_names.check(name, archive=_ARCHIVE)
    return name


def _checked_top(name: str, top: str | None) -> str:
    first = name.partition("/")[0]
    if top is not None and first != top:
        raise IngestError(
            f"{_ARCHIVE} holds {member_names.shown(first)} beside {member_names.shown(top)}; "
            "everything must be in one top folder."
        )
    return first
