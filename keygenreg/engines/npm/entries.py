"""Versions as they stand in the documents of their package, each made once for as long as its row is the same.

After one release of five hundred has changed, all other entries of the document are still good. An entry is found by
everything that it is made from, so nothing has to be known about what may change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any

from attrs import define, field, frozen

from keygenreg.caches.bounded import BoundedCache
from keygenreg.engines.npm import documents, paths
from keygenreg.engines.npm.versions import package_version

#: The columns of :data:`~keygenreg.engines.npm.queries.VERSIONS` that an entry is made from.
MADE_FROM = (
    "release_version", "release_tag", "release_status", "channel", "created", "checksum", "metadata", "sha512",
    "sha256", "sha1", "release_metadata", "package_metadata", "content", "facts",
)  # fmt: skip
_key_of = itemgetter(*MADE_FROM)
# After so many rows others may have their turn.
_STRIDE = 16
# What a text takes beside its characters, in bytes.
_TEXT = 56


@frozen
class Place:
    """What an entry is made from beside the row: the package's name, the registry's root in URLs, and the form."""

    package: str
    base: str
    media_type: str


@define
class Entries:
    """:param limit: bytes of what is kept."""

    limit: int
    _kept: BoundedCache[tuple, tuple[documents.Entry | None]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._kept = BoundedCache(self.limit)

    def fill(
        self, found: dict[str, tuple[documents.Entry, datetime]], rows: Iterable[Mapping[str, Any]], place: Place
    ) -> Iterator[None]:
        """
        Put the versions in the rows, and when their tarballs were last changed, into ``found``, in their order; of
        several tarballs of one version the first counts. Imported manifests that are no JSON object are left out.

        :return: to be run to its end, see :mod:`keygenreg.web.turns`.
        """
        get, tarball_url = self._kept.get, paths.tarball_urls(place.base, place.package)
        for number, row in enumerate(rows, 1):
            key = (place, _key_of(row))
            kept = get(key)
            if kept is None:
                version = package_version(row, place.package, tarball_url)
                kept = (None if version is None else documents.entry(version, place.media_type),)
                self._kept.put(key, kept, _size(key, *kept))
            (entry,) = kept
            if entry is not None:
                found.setdefault(entry.version, (entry, row["updated"]))
            if not number % _STRIDE:
                yield


def _size(key: tuple, entry: documents.Entry | None) -> int:
    of_row = sum(len(value) + _TEXT for value in key[1] if value is not None)
    return of_row + (0 if entry is None else len(entry.text) + 3 * _TEXT)
