"""What documents say, kept in memory by revision, within a bound on the text that it was read from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from uuid import UUID

from attrs import define, field

from keygenreg.mirror.adapter import Listing

#: What a listing of a short document takes in any case, in bytes.
_LEAST = 4096


@define(eq=False)
class Readings:
    """:param most_bytes: of documents' text; the longest unused listings go first."""

    most_bytes: int = 24 * 1024 * 1024
    _kept: OrderedDict[Hashable, tuple[UUID, Listing, int]] = field(factory=OrderedDict, init=False)
    _bytes: int = field(default=0, init=False)

    def get(self, key: Hashable, revision: UUID) -> Listing | None:
        found = self._kept.get(key)
        if found is None or found[0] != revision:
            return None
        self._kept.move_to_end(key)
        return found[1]

    def keep(self, key: Hashable, revision: UUID, listing: Listing, size: int) -> None:
        """:param size: of the text, in bytes."""
        self.forget(key)
        size = max(size if listing.weight is None else listing.weight, _LEAST)
        self._kept[key] = (revision, listing, size)
        self._bytes += size
        while self._bytes > self.most_bytes and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1][2]

    def forget(self, key: Hashable) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._bytes -= found[2]
