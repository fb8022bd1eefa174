"""Specifications of rows: from their facts, or for imported ones from the document, read once and kept a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from attrs import define, field
from twisted.internet.threads import deferToThread

from keygenreg.domain.checksum import infer
from keygenreg.domain.reading import IngestError
from keygenreg.engines.rubygems.gemspec import Gemspec, gemspec_of, is_gem_name
from keygenreg.engines.rubygems.gemspec_yaml import read_gemspec
from keygenreg.engines.rubygems.listed import ListedGem, by_package

#: How many specifications of imported gems are kept.
MOST_KEPT = 20_000
#: What is left out of lists, and what stands there instead: indexes do not show it.
_UNLISTED = {"summary": None, "description": None, "metadata": []}


@define
class Specifications:
    """Reads rows of :mod:`~keygenreg.engines.rubygems.queries`."""

    _kept: OrderedDict[tuple[UUID, Any], Gemspec | None] = field(factory=OrderedDict)

    async def of_row(self, row: Mapping[str, Any]) -> Gemspec | None:
        """A row's specification; None for an imported one that makes no sense."""
        await self.prepare([row])
        return self._gemspec(row)

    async def prepare(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read the documents of those rows that have no facts, in a thread; before :meth:`listed`."""
        missing = {_key(row): row["content"] for row in rows if row["content"] is not None}
        for key in [key for key in missing if key in self._kept]:
            self._kept.move_to_end(key)
            del missing[key]
        if missing:
            self._kept.update(await deferToThread(_read_all, missing))
            # A list that is longer than the bound is served all the same.
            while len(self._kept) > max(MOST_KEPT, len(rows)):
                self._kept.popitem(last=False)

    def listed(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, list[ListedGem]]:
        """
        The gems in the rows by package, in the order of indexes; what makes no sense is left out.

        Safe in any thread.
        """
        found = []
        for row in rows:
            gemspec = self._gemspec(row)
            if gemspec is not None and is_gem_name(row["key"]):
                found.append(ListedGem(row["key"], gemspec, _sha256(row)))
        return by_package(found)

    def _gemspec(self, row: Mapping[str, Any]) -> Gemspec | None:
        if row["content"] is not None:
            return self._kept.get(_key(row))
        try:
            return gemspec_of(_UNLISTED | row["facts"])
        except ValueError:
            return None


def _key(row: Mapping[str, Any]) -> tuple[UUID, Any]:
    return row["manifest"], row["manifest_updated"]


def _read_all(documents: Mapping[Any, str]) -> dict[Any, Gemspec | None]:
    return {key: _read(document) for key, document in documents.items()}


def _read(document: str) -> Gemspec | None:
    try:
        return read_gemspec(document)
    except IngestError:
        return None


def _sha256(row: Mapping[str, Any]) -> str:
    """Of the stored bytes; of bytes that are not here what the vendor stated (decision 13)."""
    if row["blob_sha256"]:
        return row["blob_sha256"]
    stated = infer(row["checksum"])
    return stated.hex if stated is not None and stated.algorithm == "sha256" else ""
