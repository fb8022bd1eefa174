"""The lists of all gems that a caller may see, rendered once for all callers who see the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from attrs import define, field
from twisted.internet.threads import deferToThread

from keygenreg.database.pool import Database
from keygenreg.engines.rubygems import compact_index, queries, spec_index
from keygenreg.engines.rubygems.document_cache import DocumentCache
from keygenreg.engines.rubygems.listed import ListedGem, by_package
from keygenreg.engines.rubygems.lookup import Lookup
from keygenreg.engines.rubygems.specifications import Specifications

Render = Callable[[Mapping[str, Sequence[ListedGem]]], bytes]

#: The older indexes by file name.
SPEC_INDEXES: Mapping[str, Render] = {
    "specs.4.8.gz": spec_index.released,
    "latest_specs.4.8.gz": spec_index.latest,
    "prerelease_specs.4.8.gz": spec_index.prereleased,
}
_MOST_KEPT = 64 * 1024 * 1024
# Longer lists are rendered in a thread.
_MANY = 200


@define
class Indexes:
    """Makes and keeps them."""

    database: Database
    specifications: Specifications
    _documents: DocumentCache = field(factory=lambda: DocumentCache(_MOST_KEPT), init=False)
    _founded: dict[UUID, datetime] = field(factory=dict, init=False)

    async def versions(self, lookup: Lookup, stamp: str) -> bytes:
        """The compact index's list; ``stamp`` is the lookup's."""
        account = lookup.grant.account.id
        if account not in self._founded:
            row = await self.database.one(queries.FOUNDED, account=account)
            self._founded[account] = row["created"]
        created = self._founded[account]
        return await self._document(lookup, stamp, "versions", lambda gems: compact_index.versions(created, gems))

    async def specs(self, lookup: Lookup, stamp: str, name: str) -> bytes:
        """One of :data:`SPEC_INDEXES`."""
        return await self._document(lookup, stamp, name, SPEC_INDEXES[name])

    async def _document(self, lookup: Lookup, stamp: str, kind: str, render: Render) -> bytes:
        account = lookup.grant.account.id
        document = self._documents.get((account, kind, stamp))
        if document is None:
            rows = await lookup.all_gems()
            # What is kept must be of exactly these rows: meanwhile there may be others.
            stamp = rows[0]["stamp"] if rows else ""
            gems, complete = await self.specifications.listed(lookup.grant.scope, rows)

            def rendered() -> bytes:
                return render(by_package(gems))

            document = await deferToThread(rendered) if len(rows) > _MANY else rendered()
            if complete:
                self._documents.put((account, kind, stamp), document)
        return document
