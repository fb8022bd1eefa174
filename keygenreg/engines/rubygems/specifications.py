"""Listings of rows: from the facts kept beside a gem, or for imported ones from the document; kept for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.threads import deferToThread

from keygenreg.database.pool import Database
from keygenreg.domain.checksum import infer
from keygenreg.domain.reading import IngestError
from keygenreg.domain.scope import Scope
from keygenreg.engines.rubygems import queries
from keygenreg.engines.rubygems.gemspec import Gemspec, gemspec_of, is_gem_name
from keygenreg.engines.rubygems.gemspec_yaml import read_gemspec
from keygenreg.engines.rubygems.listed import ListedGem, Listing

Row = Mapping[str, Any]

#: How many listings are kept; each takes about a kilobyte.
MOST_KEPT = 50_000
# So many documents or facts are fetched and read at a time.
_BATCH = 500
# What is left out of lists, and what stands there instead: indexes do not show it.
_UNLISTED = {"summary": None, "description": None, "metadata": []}


@define
class Specifications:
    """Reads specifications for rows of :mod:`~keygenreg.engines.rubygems.queries`."""

    database: Database
    _kept: OrderedDict[tuple[str, str], Listing | None] = field(factory=OrderedDict, init=False)

    async def listed(self, scope: Scope, rows: Sequence[Row]) -> tuple[list[ListedGem], bool]:
        """
        The gems in the rows, in their order; specifications that make no sense are left out.

        :return: the gems, and whether all rows were as they are in the database: else they changed meanwhile.
        """
        await self._read_missing(scope, rows)
        found, complete = [], True
        for row in rows:
            key = _key(row)
            complete = complete and key in self._kept
            listing = self._kept.get(key)
            if listing is not None and is_gem_name(row["key"]):
                found.append(ListedGem(row["key"], listing, _sha256(row)))
        # A list that is longer than the bound is served all the same.
        while len(self._kept) > max(MOST_KEPT, len(rows)):
            self._kept.popitem(last=False)
        return found, complete

    async def _read_missing(self, scope: Scope, rows: Sequence[Row]) -> None:
        missing = []
        for row in rows:
            if _key(row) in self._kept:
                self._kept.move_to_end(_key(row))
            else:
                missing.append(row["manifest"])
        for start in range(0, len(missing), _BATCH):
            ids = missing[start : start + _BATCH]
            facts = await self.database.rows(queries.FACTS, scope=scope, manifests=ids)
            self._kept.update(await deferToThread(_listings, facts))


async def specification(row: Row) -> Gemspec | None:
    """The specification of a row with facts or document; None for an imported one that makes no sense."""
    return await deferToThread(_read, row) if row["content"] is not None else _read(row)


def _listings(rows: Sequence[Row]) -> dict[tuple[str, str], Listing | None]:
    gemspecs = ((_key(row), _read(row)) for row in rows)
    return {key: None if gemspec is None else Listing.of(gemspec) for key, gemspec in gemspecs}


def _read(row: Row) -> Gemspec | None:
    try:
        return read_gemspec(row["content"]) if row["content"] is not None else gemspec_of(_UNLISTED | row["facts"])
    except (IngestError, ValueError):
        return None


def _key(row: Row) -> tuple[str, str]:
    return row["manifest"], row["manifest_updated"]


def _sha256(row: Row) -> str:
    """Of the stored bytes; of bytes that are not here what the vendor stated (decision 13)."""
    if row["blob_sha256"]:
        return row["blob_sha256"]
    stated = infer(row["checksum"])
    return stated.hex if stated is not None and stated.algorithm == "sha256" else ""
