"""Files as they stand in the page of their project, each made once for as long as its row is the same.

After one release of a thousand has changed, all other entries of the page are still good. An entry is found by
everything that it is made from, so nothing has to be known about what may change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import orjson
from attrs import define, field, frozen
from packaging.version import Version

from keygenreg.caches.bounded import BoundedCache
from keygenreg.engines.pypi import simple_html, simple_json
from keygenreg.engines.pypi.files import project_file
from keygenreg.web.links import artifact_url

# After so many rows others may have their turn.
_STRIDE = 16
# What an entry's parts take beside their characters, in bytes.
_PARTS = 300


@frozen
class Entry:
    """``text`` is the entry; ``digest`` tells different texts apart; ``spelled`` is the version as text."""

    filename: str
    version: Version
    spelled: str
    text: bytes
    digest: bytes


@frozen
class Place:
    """What an entry is made from beside the row: project (normalised), address and account that URLs begin with."""

    project: str
    base_url: str
    account: str
    is_json: bool

    @property
    def text(self) -> str:
        """As JSON, so that nobody can say where another text ends and this begins."""
        return orjson.dumps([self.project, self.base_url, self.account, self.is_json]).decode()


@define
class Entries:
    """:param limit: bytes of what is kept."""

    limit: int
    _kept: BoundedCache[str, tuple[Entry | None]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._kept = BoundedCache(self.limit)

    def fill(self, found: dict[str, Entry], rows: Iterable[dict[str, Any]], place: Place) -> Iterator[None]:
        """
        Put the entries of those rows that are distributions of the project into ``found`` by file name, in their
        order; of several with one name (in different releases) the first.

        :return: to be run to its end, see :mod:`keygenreg.web.turns`.
        """
        get, behind = self._kept.get, place.text
        for number, row in enumerate(rows, 1):
            key = row["of_file"] + behind
            kept = get(key)
            if kept is None:
                kept = (_made(row["of_file"], place),)
                self._kept.put(key, kept, _PARTS + len(key) + (len(kept[0].text) if kept[0] is not None else 0))
            (entry,) = kept
            if entry is not None:
                found.setdefault(entry.filename, entry)
            if not number % _STRIDE:
                yield


def _made(of_file: str, place: Place) -> Entry | None:
    file = project_file(of_file, place.project, partial(artifact_url, place.base_url, place.account))
    if file is None:
        return None
    text = simple_json.entry(file) if place.is_json else simple_html.entry(file)
    digest = hashlib.blake2b(text, digest_size=16).digest()
    return Entry(file.filename, file.version, str(file.version), text, digest)


def spelled_versions(entries: Sequence[Entry]) -> list[str]:
    """:attr:`Project.versions <keygenreg.engines.pypi.project.Project.versions>` of files that are entries, as text."""
    found: dict[Version, str] = {}
    for entry in reversed(entries):
        found.setdefault(entry.version, entry.spelled)
    return [found[version] for version in sorted(found)]
