"""Replies and rows kept for all who see the same: found after admission, instead of asking the database."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from keygenreg.access.views import Views
from keygenreg.caches.bounded import BoundedCache
from keygenreg.caches.generations import Generations, Guard

KEY_FIELDS = (
    "Accept",
    "Accept-Encoding",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Prefer",
    "Range",
)
"""Request fields that replies are told apart by. One that was made with another field in mind is not kept."""

KEPT_STATUSES = frozenset({200, 204, 304, 307})
"""Others are not kept: a redirect may be signed, and failures are anybody's to ask for."""

_LARGEST_SHARE = 8


@frozen
class Kept:
    """A reply as its handler made it, or a row; it counts while its catalogue is the same, until ``until`` (Unix)."""

    value: Any
    guard: Guard
    until: float


@frozen
class Settled(Exception):
    """Raised by admission instead of letting a handler go on: the reply is here already."""

    kept: Kept


@define
class KeptReplies:
    """
    What one web process keeps.

    :param limit: in bytes; what is above an eighth of it is not kept.
    """

    generations: Generations
    views: Views
    limit: int
    _kept: BoundedCache[Hashable, Kept] = field(init=False)
    _making: dict[Hashable, set[Deferred[None]]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._kept = BoundedCache(self.limit)

    @property
    def used(self) -> int:
        """Bytes in use."""
        return self._kept.used

    def find(self, key: Hashable, now: float) -> Kept | None:
        """What is under a key, if it still counts at ``now`` (Unix seconds)."""
        kept = self._kept.get(key)
        if kept is None or (now < kept.until and self.generations.catalogue_holds(kept.guard)):
            return kept
        self._kept.forget(key)
        return None

    async def turn(self, key: Hashable) -> bool:
        """
        Whether the caller is to make what is under a key, and to call :meth:`made` when it has ended, however it did.
        Else somebody else was making it, and has ended now.
        """
        waiting = self._making.get(key)
        if waiting is None:
            self._making[key] = set()
            return True
        turn: Deferred[None] = Deferred()
        waiting.add(turn)
        try:
            await turn
        finally:
            waiting.discard(turn)
        return False

    def made(self, key: Hashable) -> None:
        """Let those go on who waited in :meth:`turn`."""
        for turn in list(self._making.pop(key)):
            turn.callback(None)

    def remember(self, key: Hashable, kept: Kept, size: int) -> None:
        """
        Keep a value of ``size`` bytes, unless something has changed since its guard was taken: bearers too, or it may
        have been made with other rights than those of the key.
        """
        if size * _LARGEST_SHARE <= self.limit and self.generations.holds(kept.guard):
            self._kept.put(key, kept, 1024 + size)
