"""What a registry's blob store holds, seen and tidied from outside."""

from __future__ import annotations

from twisted.python.threadpool import ThreadPool

from keygenreg.database.pool import Database
from keygenreg.database.running import running_database
from keygenreg.processing.collector import BlobCollector
from keygenreg.storage.filesystem import FilesystemBlobStore
from keygenreg.storage.threads import DiskThreads
from tests.reactor_thread import ReactorThread
from tests.resilience.conftest import Registry


def stored_files(registry: Registry) -> dict[str, int]:
    """Digest and size, in bytes, of every file in the store."""
    return {path.name: path.stat().st_size for path in (registry.data_dir / "blobs/sha256").glob("*/*")}


def collect_now(registry: Registry, thread: ReactorThread) -> int:
    """Run the collector as if its grace were over; how many blobs it removed."""

    async def collect() -> int:
        database = Database(thread.reactor, running_database(registry.data_dir), connections=1)
        store = FilesystemBlobStore(registry.data_dir, DiskThreads(thread.reactor, pool))
        try:
            return await BlobCollector(database, store, grace=0).collect()
        finally:
            await database.close()

    pool = ThreadPool(0, 1)
    pool.start()
    try:
        return thread.wait(collect())
    finally:
        pool.stop()
