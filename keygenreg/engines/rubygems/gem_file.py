"""A gem's file: a tar of ``metadata.gz``, ``data.tar.gz`` and ``checksums.yaml.gz``, read forward and within bounds.

Source: lib/rubygems/package.rb of RubyGems.
"""

from __future__ import annotations

import hashlib
from posixpath import dirname, join, normpath
from typing import Any, BinaryIO

from keygenreg.domain.reading import IngestError
from keygenreg.engines.rubygems import strict_yaml
from keygenreg.formats.archives import member_names
from keygenreg.formats.archives.gunzip import GzipStream
from keygenreg.formats.archives.plain_stream import PlainStream
from keygenreg.formats.archives.tar_members import Member, Stream, members

#: How much the files of a gem may decompress to, in bytes.
MOST_DECOMPRESSED = 1024**3

METADATA, DATA, CHECKSUMS = "metadata.gz", "data.tar.gz", "checksums.yaml.gz"
_LONGEST_CHECKSUMS = 64 * 1024
_MOST_MEMBERS = 20
_ALGORITHMS = ("sha256", "sha512", "sha1")
_STEP = 1024 * 1024


def read_metadata(file: BinaryIO) -> str:
    """
    Read a gem to its end: what it says of itself, in YAML.

    :raises IngestError: no intact gem; members that are missing, twice there, no files, or would unpack outside of
        their folder; checksums that are others'; beyond bounds.
    """
    stream = PlainStream(file)
    metadata = checksums = None
    digests: dict[str, dict[str, str]] = {}
    for member in members(stream):
        _check_member(member, digests)
        part = _Part(stream, member)
        if member.name == METADATA:
            metadata = _decompressed(part, strict_yaml.LONGEST)
        elif member.name == CHECKSUMS:
            checksums = _decompressed(part, _LONGEST_CHECKSUMS)
        elif member.name == DATA:
            _check_files(GzipStream(part, limit=MOST_DECOMPRESSED))
        digests[member.name] = part.finish()
    if metadata is None or DATA not in digests:
        raise IngestError(f"The gem lacks {DATA if metadata else METADATA}; make it with gem build.")
    if checksums is not None:
        _verify(checksums, digests)
    return metadata


class _Part:
    """A member's data as a file; :meth:`finish` gives their digests in hex, by algorithm."""

    def __init__(self, stream: Stream, member: Member) -> None:
        self._stream = stream
        self._left = member.size
        self._hashes = [hashlib.new(name, usedforsecurity=False) for name in _ALGORITHMS]

    def read(self, count: int) -> bytes:
        data = self._stream.read(min(count, self._left))
        if not data and self._left and count:
            raise IngestError("The gem ends in the middle of a member; upload it again.")
        self._left -= len(data)
        for each in self._hashes:
            each.update(data)
        return data

    def finish(self) -> dict[str, str]:
        while self.read(_STEP):
            pass
        return {name: each.hexdigest() for name, each in zip(_ALGORITHMS, self._hashes, strict=True)}


def _check_member(member: Member, seen: dict[str, Any]) -> None:
    member_names.check(member.name, archive="The gem")
    if not member.is_file:
        raise IngestError(f"The gem's {member_names.shown(member.name)} is no regular file; make it with gem build.")
    if member.name in seen:
        raise IngestError(f"The gem holds {member_names.shown(member.name)} twice; make it with gem build.")
    if member.name == "metadata" or len(seen) >= _MOST_MEMBERS:
        raise IngestError("The gem is not laid out as gem build does it; build it again with a current RubyGems.")


def _decompressed(part: _Part, limit: int) -> str:
    text = GzipStream(part, limit=limit)
    data = text.read(limit + 1)
    return data.decode("utf-8", "replace")


def _check_files(stream: GzipStream) -> None:
    """What a gem unpacks to: nothing outside of its folder, no devices, nothing twice."""
    seen: set[str] = set()
    for member in members(stream):
        member_names.check(member.name, archive="The gem")
        name = normpath(member.name)
        if member.is_device:
            raise IngestError(f"The gem holds a device named {member_names.shown(name)}; build it again without it.")
        if member.target is not None and _leads_outside(name, member.target):
            raise IngestError(f"The gem holds a link, {member_names.shown(name)}, that leads outside of its folder.")
        if (member.is_file or member.target is not None) and name in seen:
            raise IngestError(f"The gem holds {member_names.shown(name)} twice; build it again.")
        if member.is_file or member.target is not None:
            seen.add(name)
    while stream.read(_STEP):  # the checksum comes at the end, and gem checks it
        pass


def _leads_outside(name: str, target: str) -> bool:
    if not target or target.startswith("/") or "\\" in target:
        return True
    place = normpath(join(dirname(name), target))
    return place == ".." or place.startswith("../")


def _verify(checksums: str, digests: dict[str, dict[str, str]]) -> None:
    """Compare with ``ALGORITHM: {member: hex}``; algorithms and members that are not known say nothing."""
    root = strict_yaml.parse(checksums)
    if not isinstance(root, strict_yaml.Mapping):
        raise IngestError("The gem's checksums.yaml.gz holds no checksums; make it with gem build.")
    for algorithm, stated in root.members.items():
        if algorithm.lower() not in _ALGORITHMS or not isinstance(stated, strict_yaml.Mapping):
            continue
        for name, digest in stated.members.items():
            computed = digests.get(name, {}).get(algorithm.lower())
            wanted = digest.text.strip().lower() if isinstance(digest, strict_yaml.Scalar) else ""
            if computed is not None and computed != wanted:
                raise IngestError(f"The gem's {name} is not what its {algorithm} checksum says; build the gem again.")
