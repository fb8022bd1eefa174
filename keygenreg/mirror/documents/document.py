"""One document of an upstream: what names it, and what it says now."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from attrs import frozen

from keygenreg.mirror.adapter import Listing


@frozen
class DocumentKey:
    """One document of one account's upstream."""

    account: UUID
    engine: str
    name: str
    variant: str

    @property
    def parameters(self) -> dict[str, Any]:
        return {"account": self.account, "engine": self.engine, "name": self.name, "variant": self.variant}


@frozen
class MirroredDocument:
    """
    A document as it may be used now; times in Unix seconds.

    :ivar size: of its text, in bytes.
    :ivar fresh_until: until then nobody needs to look again; of a stale one, until it is asked for again.
    :ivar stale: it is past its time, and used because upstream is slow or away.
    """

    listing: Listing
    url: str
    revision: UUID
    size: int
    fetched: float
    fresh_until: float
    stale: bool = False
