"""Finding what can be offered: releases above a version, best first, and the signatures of their files."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from keygenreg.database.pool import Database
from keygenreg.domain.derived import DerivedType, derived_id
from keygenreg.domain.failures import Denied, NotFound
from keygenreg.domain.grant import Grant
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.domain.upgrade import Constraint
from keygenreg.domain.version import parse_version
from keygenreg.engines.tauri import queries
from keygenreg.engines.tauri.signatures import LONGEST, read_signature
from keygenreg.engines.tauri.targets import Target, arch_names, is_universal, platform_names
from keygenreg.storage.interface import BlobStore

Row = dict[str, Any]
#: Runs a blocking call elsewhere than in the reactor.
Run = Callable[..., Deferred[bytes]]

# Rows of a page: nearly always the first release will do; whoever needs more needs many.
_FIRST_PAGE, _NEXT_PAGES = 25, 300
_REMEMBERED = 1000


@frozen
class Search:
    """
    What may be offered to one caller.

    :ivar above: sort key of the version that must be exceeded. :ivar target: what files must be for; None for all.
    """

    database: Database
    grant: Grant
    package: UUID
    channels: tuple[str, ...]
    constraint: Constraint | None = None
    above: str | None = None
    target: Target | None = None

    async def releases(self) -> AsyncIterator[list[Row]]:
        """
        The files of each release that fits, highest version first, newest file first.

        :raises Denied: at the end, when all that fit are in the bearer's scope but the state of its licenses forbids
            them.
        """
        denied = granted = False
        below, limit = None, _FIRST_PAGE
        while True:
            rows = await self._page(below, limit)
            groups = [list(group) for _, group in groupby(rows, key=itemgetter("version_key"))]
            whole = len(rows) < limit
            # The last one may go on behind the page's end; of one that fills a whole long page, that is enough.
            enough = whole or (len(groups) == 1 and limit == _NEXT_PAGES)
            for files in groups if enough else groups[:-1]:
                below = files[0]["version_key"]
                fitting = [row for row in files if self._fits(row)]
                if not fitting:
                    continue
                if fitting[0]["permitted"]:
                    granted = True
                    fitting.sort(key=lambda row: is_universal(row["arch"]))
                    yield fitting
                else:
                    denied = True
            if whole:
                break
            limit = _NEXT_PAGES
        if denied and not granted:
            raise Denied("Your license does not permit this update; it may be suspended.")

    async def _page(self, below: str | None, limit: int) -> list[Row]:
        platforms, arches = self._names()
        return await self.database.rows(
            queries.FILES,
            scope=self.grant.scope,
            package=self.package,
            channels=list(self.channels),
            above=self.above,
            below=below,
            platforms=platforms,
            arches=arches,
            longest=LONGEST,
            limit=limit,
        )

    def _names(self) -> tuple[list[str] | None, list[str] | None]:
        """The names that files may have; None for an id, which is looked at afterwards."""
        if self.target is None:
            return None, None
        platform, arch = self.target.platform, self.target.arch
        return (
            None if parse_uuid(platform) else list(platform_names(platform)),
            None if parse_uuid(arch) else list(arch_names(arch, platform)),
        )

    def _fits(self, row: Row) -> bool:
        if self.constraint is not None and not self.constraint.allows(parse_version(row["release_version"])):
            return False
        return self.target is None or (
            self._is(self.target.platform, "platforms", row["platform"])
            and self._is(self.target.arch, "arches", row["arch"])
        )

    def _is(self, wanted: str, kind: DerivedType, key: str) -> bool:
        identifier = parse_uuid(wanted)
        return identifier is None or derived_id(self.grant.account.id, kind, key) == identifier


@define(eq=False)
class Signatures:
    """Reads signatures out of ``.sig`` files; what was read lately is remembered, by digest, so it never goes stale."""

    blobs: BlobStore
    _known: OrderedDict[str, str | None] = field(factory=OrderedDict, init=False)

    async def of(self, row: Row, run: Run) -> str | None:
        """The signature of a file: its own, else that of the file beside it."""
        if row["signature"]:
            return row["signature"]
        sha256 = row["companion"]
        if sha256 is None:
            return None
        if sha256 in self._known:
            self._known.move_to_end(sha256)
            return self._known[sha256]
        try:
            blob = await self.blobs.open(sha256)
        except NotFound:
            return None
        try:
            content = await run(os.pread, blob.fileno(), LONGEST, 0)
        finally:
            blob.close()
        self._known[sha256] = found = read_signature(content)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found


def described(row: Row) -> tuple[str, str | None, bool]:
    """File name, file type, and whether a signature is at hand: what the choice among bundles goes by."""
    return row["filename"], row["filetype"], bool(row["signature"] or row["companion"])


def by_target(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Files by platform and architecture, as the updater spells them."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        key = platform_names(row["platform"])[0], arch_names(row["arch"], "")[0]
        found.setdefault(key, []).append(row)
    return found
