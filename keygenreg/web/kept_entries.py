"""Entries of package documents, each made once for as long as the rows that it is made from are the same.

After one release of a thousand has changed, all other entries of the document are still good. So a document is made in
two steps: which editions somebody may see now (little to read, and judged anew each time), and the rows of those
editions whose entries are not at hand. An edition names its rows and their state, see ``schema/0010_editions.sql``, so
nothing has to be known about what may have changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from attrs import define, field

from keygenreg.caches.bounded import BoundedCache
from keygenreg.domain.failures import Unavailable
from keygenreg.web.turns import in_turns

# After so many rows others may have their turn.
_STRIDE = 16
# What an entry's parts take beside their characters, in bytes.
_PARTS = 400
# A row that changes between the two steps has them taken again; that happens to few, and hardly ever twice.
_ATTEMPTS = 5


class _Entry(Protocol):
    """:ivar text: most of what it holds."""

    text: bytes


class _Listing(Protocol):
    """:ivar editions: of what is shown, in order; each begins with the id of an artifact and a slash."""

    editions: Sequence[str]


E = TypeVar("E", bound=_Entry)
L = TypeVar("L", bound=_Listing)

Row = Mapping[str, Any]
"""With ``edition``, and whatever the entry is made from."""


@define
class KeptEntries(Generic[E]):
    """:param limit: bytes of what is kept."""

    limit: int
    _kept: BoundedCache[str, tuple[E | None]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._kept = BoundedCache(self.limit)

    async def of(
        self,
        listed: Callable[[], Awaitable[L]],
        read: Callable[[list[str]], Awaitable[Iterable[Row]]],
        made: Callable[[Row], E | None],
        place: str,
    ) -> tuple[L, list[E]]:
        """
        A listing and its entries in its order, without those that came to nothing.

        :param listed: asks for the listing.
        :param read: the rows of artifacts, by id, as they are now.
        :param made: the entry of a row, None where it has none.
        :param place: all that entries are made from beside the rows.
        :raises Unavailable: the rows change faster than they can be read.
        """
        for _ in range(_ATTEMPTS):
            listing = await listed()
            found = {edition: self._kept.get(edition + place) for edition in listing.editions}
            missing = [edition.partition("/")[0] for edition, entry in found.items() if entry is None]
            if missing:
                await in_turns(self._make(found, await read(missing), made, place))
            # Only what was listed is taken, whatever else was read.
            entries = [found[edition] for edition in listing.editions]
            if None not in entries:
                return listing, [entry for (entry,) in entries if entry is not None]
        raise Unavailable("This changes too quickly to be read.")

    def _make(
        self, found: dict[str, tuple[E | None] | None], rows: Iterable[Row], made: Callable[[Row], E | None], place: str
    ) -> Iterator[None]:
        for number, row in enumerate(rows, 1):
            entry = made(row)
            found[row["edition"]] = (entry,)
            key = row["edition"] + place
            self._kept.put(key, (entry,), _PARTS + len(key) + (len(entry.text) if entry is not None else 0))
            if not number % _STRIDE:
                yield
