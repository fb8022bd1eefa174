"""Parts of images: their bytes are inside an artifact's archive, and are blobs of their own once they are served."""

from __future__ import annotations

import posixpath
import tarfile
import zlib
from collections.abc import Iterator
from itertools import groupby
from lzma import LZMAError
from operator import itemgetter
from typing import BinaryIO

from attrs import define, frozen
from zstandard import ZstdDecompressor, ZstdError

from keygenreg.dump.contents import Contents
from keygenreg.dump.distribution_kinds import ARTIFACTS, DESCRIPTORS
from keygenreg.dump.staging import Staging

_CHUNK = 1024 * 1024
# What a broken or unknown archive makes of reading it; the last ones are what tarfile itself stumbles over.
_UNREADABLE = (
    *(tarfile.TarError, EOFError, OSError, zlib.error, LZMAError, ZstdError),
    *(ValueError, TypeError, IndexError),
)
_ZSTD = b"\x28\xb5\x2f\xfd"
#: What zstd itself takes without being asked to take more, in bytes.
_LARGEST_WINDOW = 1 << 27

# Descriptors of artifacts that came with bytes, whose own bytes are not in the store yet.
_MISSING = """
SELECT a.blob_sha256, d.line, d.content_path, d.content_digest
FROM stage_descriptors d JOIN stage_artifacts a ON a.id = d.artifact_id
WHERE a.blob_sha256 IS NOT NULL AND d.content_path IS NOT NULL
  AND d.content_digest ~ '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$'
  AND NOT EXISTS (SELECT 1 FROM stage_contents c WHERE d.content_digest = 'sha256:' || c.sha256)
ORDER BY 1, 2
"""


@frozen
class Part:
    """A descriptor that waits for its bytes: its line, and the digest as ``sha256:...``."""

    line: int
    digest: str


@define(eq=False)
class Parts:
    """Finds the bytes of descriptors inside the artifacts of a dump, by path and digest."""

    staging: Staging
    contents: Contents

    def extract(self) -> None:
        """
        Put the parts into the store and link the staged descriptors to them. What is not where its descriptor says, or
        is something else, stays without bytes: a dump states facts, and the archive may be of any kind.
        """
        if not {ARTIFACTS, DESCRIPTORS} <= set(self.staging.kinds):
            return
        with self.staging.connection.cursor() as cursor:
            cursor.execute("CREATE INDEX ON stage_descriptors (line)")
        for sha256, parts in self._missing():
            for line, blob in self._extracted(sha256, parts):
                self._link(line, blob)

    def _missing(self) -> Iterator[tuple[str, dict[str, list[Part]]]]:
        """Per archive the parts by path."""
        self.staging.flush()
        with self.staging.connection.cursor("missing_parts", withhold=True) as cursor:
            cursor.execute(_MISSING)
            for sha256, rows in groupby(cursor, itemgetter(0)):
                parts: dict[str, list[Part]] = {}
                for _, line, path, digest in rows:
                    parts.setdefault(_plain(path), []).append(Part(line, digest))
                yield sha256, parts

    def _extracted(self, sha256: str, parts: dict[str, list[Part]]) -> Iterator[tuple[int, str]]:
        """Lines of descriptors and the blobs that are theirs."""
        with self.contents.store.open(sha256) as file:
            for path, pieces in _files(file):
                if wanted := parts.get(_plain(path)):
                    blob, lines = self._take(pieces, wanted)
                    for line in lines:
                        yield line, blob

    def _take(self, pieces: Iterator[bytes], wanted: list[Part]) -> tuple[str, list[int]]:
        """A file's digest, and the lines that it is the part of; it is kept if there are any."""
        receiver = self.contents.receive()
        for piece in pieces:
            receiver.write(piece)
        digests = receiver.finish()
        found = {f"sha256:{digests.sha256}", f"sha512:{digests.others['sha512']}"}
        lines = [part.line for part in wanted if part.digest in found]
        if lines:
            self.contents.keep(receiver)
        else:
            self.contents.drop(receiver)
        return digests.sha256, lines

    def _link(self, line: int, sha256: str) -> None:
        with self.staging.connection.cursor() as cursor:
            cursor.execute("UPDATE stage_descriptors SET blob_sha256 = %s WHERE line = %s", (sha256, line))


def _files(file: BinaryIO) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Paths and bytes of the files of an archive, up to its end or to where it is broken."""
    broken = False

    def pieces(source: BinaryIO) -> Iterator[bytes]:
        nonlocal broken
        try:
            while data := source.read(_CHUNK):
                yield data
        except _UNREADABLE:
            broken = True

    try:
        with tarfile.open(fileobj=_without_zstd(file), mode="r|*") as archive:
            for member in archive:
                archive.members = []  # a stream cannot go back, and an archive may have very many
                if member.isreg():
                    yield member.name, pieces(archive.extractfile(member))
                if broken:
                    return
    except _UNREADABLE:
        return


def _without_zstd(file: BinaryIO) -> BinaryIO:
    """What tarfile can read: it knows the other kinds of compression itself."""
    magic = file.read(len(_ZSTD))
    file.seek(0)
    if magic != _ZSTD:
        return file
    decompressor = ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    return decompressor.stream_reader(file, read_across_frames=True, closefd=False)


def _plain(path: str) -> str:
    """A path inside an archive without ``./`` and the like."""
    return posixpath.normpath(path).lstrip("/")
