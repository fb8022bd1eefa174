"""Files as they stand in the page of their project, each made once for as long as its row is the same.

After one release of a thousand has changed, all other entries of the page are still good. An entry is found by
everything that it is made from, so nothing has to be known about what may change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any

from attrs import define, field, frozen
from packaging.version import Version

from keygenreg.caches.bounded import BoundedCache
from keygenreg.engines.pypi import simple_html, simple_json
from keygenreg.engines.pypi.files import project_file
from keygenreg.web.links import artifact_url

#: The columns of :data:`~keygenreg.engines.pypi.queries.FILES` that an entry is made from.
MADE_FROM = (
    "id", "filename", "checksum", "metadata", "created", "release_status", "size", "sha256", "sha512", "sha1", "md5",
    "release_metadata", "requires_python", "core_digest",
)  # fmt: skip
_key_of = itemgetter(*MADE_FROM)
# After so many rows others may have their turn.
_STRIDE = 16
# What a text takes beside its characters, in bytes.
_TEXT = 56


@frozen
class Entry:
    """``text`` is the entry; ``digest`` tells different texts apart."""

    filename: str
    version: Version
    text: bytes
    digest: bytes


@frozen
class Place:
    """What an entry is made from beside the row: project (normalised), address and account that URLs begin with."""

    project: str
    base_url: str
    account: str
    is_json: bool


@define
class Entries:
    """:param limit: bytes of what is kept."""

    limit: int
    _kept: BoundedCache[tuple, tuple[Entry | None]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._kept = BoundedCache(self.limit)

    def fill(self, found: dict[str, Entry], rows: Iterable[dict[str, Any]], place: Place) -> Iterator[None]:
        """
        Put the entries of those rows that are distributions of the project into ``found`` by file name, in their
        order; of several with one name (in different releases) the first.

        :return: to be run to its end, see :mod:`keygenreg.web.turns`.
        """
        get = self._kept.get
        for number, row in enumerate(rows, 1):
            key = (place, _key_of(row))
            kept = get(key)
            if kept is None:
                kept = (_made(row, place),)
                self._kept.put(key, kept, _size(key, *kept))
            (entry,) = kept
            if entry is not None:
                found.setdefault(entry.filename, entry)
            if not number % _STRIDE:
                yield


def _made(row: dict[str, Any], place: Place) -> Entry | None:
    file = project_file(row, place.project, lambda row: _url(row, place))
    if file is None:
        return None
    text = simple_json.entry(file) if place.is_json else simple_html.entry(file)
    return Entry(file.filename, file.version, text, hashlib.blake2b(text, digest_size=16).digest())


def _url(row: dict[str, Any], place: Place) -> str:
    return artifact_url(place.base_url, place.account, row["id"], row["filename"])


def _size(key: tuple, entry: Entry | None) -> int:
    of_row = sum(len(value) + _TEXT for value in key[1] if isinstance(value, str))
    return of_row + (0 if entry is None else len(entry.text) + 2 * _TEXT)
