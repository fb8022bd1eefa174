"""What the rest of the program asks of a blob store, whatever keeps the bytes.

Life of an upload: ``begin`` -> ``write`` ... -> ``finish`` -> ``adopt``, or ``discard`` at any point. Nothing is
visible under its digest before ``adopt`` has succeeded, and what ``adopt`` has returned for survives a power cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def is_sha256(text: str) -> bool:
    """Whether ``text`` is a SHA-256 digest in lower-case hex: the only form that names a blob."""
    return _SHA256.match(text) is not None


@frozen
class Digests:
    """What was received: ``sha256`` and ``others`` (by algorithm word, ``"sha512"``) in hex, ``size`` in bytes."""

    sha256: str
    size: int
    others: Mapping[str, str] = field(factory=dict)


class Pressure(Protocol):
    """The sender's side of an upload, told by the store how much it can take; called in the reactor thread."""

    def pause(self) -> None:
        """Too much is in flight; send nothing more until :meth:`resume`."""

    def resume(self) -> None:
        """There is room again."""

    def fail(self, failure: Exception) -> None:
        """The store cannot take these bytes (disk full, broken); what follows is dropped."""


class Incoming(Protocol):
    """Bytes being received. ``write`` must be called in the reactor thread and never blocks."""

    pressure: Pressure | None
    """Set by the sender before the first ``write``; None when it does not care."""

    path: Path
    """After ``finish``: the file, readable by processing; after ``adopt``: the blob's own file."""

    stored: int
    """How many of the first bytes ``path`` has before ``finish``: what somebody may read of a file that grows."""

    on_stored: Callable[[], None] | None
    """Called in the reactor thread whenever ``stored`` has grown."""

    def write(self, data: bytes) -> None:
        """Take the next bytes. Does nothing once discarded or failed."""

    async def finish(self) -> Digests:
        """Write, hash and fsync everything. Raises ``failures.Unavailable`` when the disk does not take it."""

    async def discard(self) -> None:
        """Remove every trace. Safe at any time and more than once; does nothing after ``adopt``."""


class ReadableBlob(Protocol):
    """An opened blob. ``close`` may be called more than once."""

    size: int

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class BlobStore(Protocol):
    """Content-addressed bytes, named by the SHA-256 of the content in lower-case hex."""

    def begin(self, *, algorithms: frozenset[str] = frozenset()) -> Incoming:
        """Start receiving; ``algorithms`` are wanted beside sha256. Raises Unavailable when too many are under way."""

    async def adopt(self, incoming: Incoming) -> None:
        """Make finished bytes the blob of their digest; when it is there already, only drop the copy."""

    async def open(self, sha256: str) -> ReadableBlob:
        """Open for reading; the caller closes. Raises :class:`~keygenreg.domain.failures.NotFound`."""

    async def remove(self, sha256: str) -> None:
        """Remove the blob; one that is not there is no error. Readers that have it open keep it."""

    async def sweep_incoming(self, older_than: float) -> int:
        """Remove what crashed uploads left and nobody wrote to for ``older_than`` seconds; answers how many."""
