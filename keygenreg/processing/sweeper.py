"""Artifacts that would wait for ever: bytes that never come, processing that nobody has on record."""

from __future__ import annotations

from attrs import frozen

from keygenreg.database.pool import Database
from keygenreg.database.queries.processing import ORPHANS, STALE
from keygenreg.storage.interface import BlobStore

#: Files of uploads that nobody wrote to for this long are left over from a crash, in seconds.
ABANDONED = 3600.0


@frozen
class Sweeper:
    """
    :ivar waiting_seconds: how long an artifact may be without bytes.
    """

    database: Database
    blobs: BlobStore
    waiting_seconds: float

    async def sweep_artifacts(self) -> None:
        """Fail what waited too long, and put what lost its job back into the queue."""
        minutes = max(round(self.waiting_seconds / 60), 1)
        reason = f"The file did not arrive within {minutes} minutes; create the artifact again and upload it."
        await self.database.execute(STALE, seconds=self.waiting_seconds, reason=reason)
        await self.database.execute(ORPHANS)

    async def sweep_files(self) -> None:
        """Remove what broken uploads left on disk."""
        await self.blobs.sweep_incoming(ABANDONED)
