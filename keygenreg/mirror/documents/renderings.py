"""What clients get to see of long documents: made in a thread, once for all who ask for the same, and kept."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Hashable
from math import inf
from typing import Any

from attrs import define, field, frozen

from keygenreg.caches.bounded import BoundedCache
from keygenreg.mirror.documents.document import MirroredDocument
from keygenreg.mirror.single_flight import Background, SingleFlight

#: Documents of more bytes than this are long: what is made of them would hold up other requests.
LONG = 128 * 1024
_LEVEL = 4


@frozen
class Rendering:
    """
    Something made of a document: immutable.

    :ivar size: what it takes in memory, in bytes.
    :ivar until: it counts before this time only (Unix seconds), as when a file becomes old enough to be shown.
    """

    value: Any
    size: int
    until: float = inf


@frozen
class Packed:
    """A document as it is answered, of a type of the engine's; and its body as gzip too where it is long."""

    document: Any
    gzip: bytes | None


def packed(document: Any, body: bytes, until: float = inf) -> Rendering:
    """The rendering of a :class:`Packed`. :param body: the document's."""
    gzipped = gzip.compress(body, compresslevel=_LEVEL, mtime=0) if len(body) > LONG else None
    return Rendering(Packed(document, gzipped), len(body) + len(gzipped or b""), until)


@define(eq=False)
class Renderings:
    """
    :param in_thread: runs a function with its arguments in a thread.
    :param now: Unix seconds.
    :param most_bytes: of all that is kept; more than half of it is not kept at all.
    """

    in_thread: Callable[..., Awaitable[Any]]
    background: Background
    now: Callable[[], float]
    most_bytes: int = 64 * 1024 * 1024
    _kept: BoundedCache[Hashable, Rendering] = field(init=False)
    _flights: SingleFlight = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._kept = BoundedCache(self.most_bytes)
        self._flights = SingleFlight(self.background)

    async def get(self, document: MirroredDocument, form: Hashable, make: Callable[[], Rendering]) -> Any:
        """
        The value of a rendering.

        :param form: all that it depends on besides the document. Who may see it was judged before.
        :param make: makes it; in a thread where the document is long.
        """
        if document.size < LONG:
            return make().value
        key = (document.revision, form)
        kept = self._kept.get(key)
        if kept is not None and self.now() < kept.until:
            return kept.value

        async def made() -> Any:
            rendering = await self.in_thread(make)
            self._kept.put(key, rendering, rendering.size)
            return rendering.value

        return await self._flights.run(key, made)
