"""Versions as they stand in the documents of their package, each made once for as long as its row is the same.

After one release of five hundred has changed, all other entries of the document are still good. An entry is found by
everything that it is made from, so nothing has to be known about what may change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson
from attrs import define, field, frozen

from keygenreg.caches.bounded import BoundedCache
from keygenreg.engines.npm import documents, paths
from keygenreg.engines.npm.versions import package_version

# After so many rows others may have their turn.
_STRIDE = 16
# What an entry's parts take beside their characters, in bytes.
_PARTS = 400


@frozen
class Place:
    """What an entry is made from beside the row: the package's name, the registry's root in URLs, and the form."""

    package: str
    base: str
    media_type: str

    @property
    def text(self) -> str:
        """As JSON, so that nobody can say where another text ends and this begins."""
        return orjson.dumps([self.package, self.base, self.media_type]).decode()


@define
class Entries:
    """:param limit: bytes of what is kept."""

    limit: int
    _kept: BoundedCache[str, tuple[documents.Entry | None]] = field(init=False)

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
        get, behind = self._kept.get, place.text
        tarball_url = paths.tarball_urls(place.base, place.package)
        for number, row in enumerate(rows, 1):
            key = row["of_version"] + behind
            kept = get(key)
            if kept is None:
                version = package_version(row["of_version"], place.package, tarball_url)
                kept = (None if version is None else documents.entry(version, place.media_type),)
                self._kept.put(key, kept, _PARTS + len(key) + (len(kept[0].text) if kept[0] is not None else 0))
            (entry,) = kept
            if entry is not None:
                found.setdefault(entry.version, (entry, row["updated"]))
            if not number % _STRIDE:
                yield
