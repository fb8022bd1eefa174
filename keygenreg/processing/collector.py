"""Removing blobs that nobody refers to any more, never one that somebody is about to refer to (decision 16)."""

from __future__ import annotations

from attrs import frozen
from twisted.logger import Logger

from keygenreg.database.pool import Database
from keygenreg.database.queries.processing import COLLECT, UNREFERENCED
from keygenreg.database.queries.uploads import LOCK_BLOB
from keygenreg.database.transactions import Transaction
from keygenreg.storage.interface import BlobStore

_log = Logger()

_AT_ONCE = 100


@frozen
class BlobCollector:
    """
    Several may run at the same time, in any number of processes.

    :param grace: seconds for which a blob must have been without references; downloads that began before go on.
    """

    database: Database
    blobs: BlobStore
    grace: float = 3600.0

    async def collect(self) -> int:
        """Remove what may be removed; how many blobs went."""
        removed = 0
        while True:
            found = await self.database.rows(UNREFERENCED, grace=self.grace, limit=_AT_ONCE)
            gone = 0
            for row in found:
                gone += await self._remove(row["sha256"])
            removed += gone
            if len(found) < _AT_ONCE or not gone:
                break
        if removed:
            _log.info("{n} blobs without references were removed", n=removed)
        return removed

    async def _remove(self, sha256: str) -> int:
        async def work(transaction: Transaction) -> int:
            # An upload of the same content waits here until the file and its row are both gone, and then makes both.
            await transaction.rows(LOCK_BLOB, sha256=sha256)
            gone = await transaction.execute(COLLECT, sha256=sha256, grace=self.grace)
            if gone:
                await self.blobs.remove(sha256)
            return gone

        return await self.database.transact(work)
