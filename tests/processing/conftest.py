"""A registry without a web: artifacts in a database, bytes in a store, processing with readers of the tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from twisted.python.threadpool import ThreadPool

from keygenreg.database.pool import Database
from keygenreg.processing.service import ProcessingService
from keygenreg.processing.size_limits import size_limits
from keygenreg.storage.filesystem import FilesystemBlobStore
from keygenreg.storage.threads import DiskThreads
from tests.database_fixtures import on_server
from tests.reactor_thread import ReactorThread

PATIENCE = 20.0


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something that happens elsewhere has happened."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it never happened")
        time.sleep(0.01)


class Works:
    """
    The world of one test.

    ``readers`` are by engine; ``service`` is not started: tests call its runner, sweeper and collector themselves.
    """

    def __init__(self, thread: ReactorThread, database: Database, settings: Any, root: Path) -> None:
        self.thread, self.database, self.settings = thread, database, settings
        self.disk, self.reading = ThreadPool(0, 3), ThreadPool(0, 2)
        for pool in (self.disk, self.reading):
            pool.start()
        self.blobs = FilesystemBlobStore(root, DiskThreads(thread.reactor, self.disk))
        self.blobs.prepare()
        self.readers: dict[str, Callable[..., Any]] = {}
        self.service = self.make_service()
        self.account, self.product = uuid4(), uuid4()
        self.sql(
            """INSERT INTO accounts (id, slug, secret_key, ed25519_private_key, rsa_private_key, ecdsa_private_key)
            VALUES (%s, %s, '', '', '', '')""",
            str(self.account), f"a-{self.account}",
        )  # fmt: skip
        self.sql(
            "INSERT INTO products (id, account_id, name) VALUES (%s, %s, 'p')", str(self.product), str(self.account)
        )

    def make_service(self) -> ProcessingService:
        """A service as another process would have it, on the same database and store."""
        return ProcessingService(
            database=self.database,
            blobs=self.blobs,
            readers=self.readers,
            threads=self.reading,
            reactor=self.thread.reactor,
            waiting_seconds=3600,
            limits=size_limits(gem=1000),
        )

    def close(self) -> None:
        self.thread.wait(_as_coroutine(self.service.runner.stop))
        for pool in (self.disk, self.reading):
            pool.stop()

    def sql(self, statement: str, *params: Any) -> list[tuple]:
        return on_server(self.settings, statement, *params)

    def run(self, coroutine: Any) -> Any:
        return self.thread.wait(coroutine)

    async def _store(self, content: bytes) -> str:
        incoming = self.blobs.begin()
        incoming.write(content)
        digests = await incoming.finish()
        await self.blobs.adopt(incoming)
        return digests.sha256

    def store(self, content: bytes) -> str:
        """Bytes in the store, on record and without references; their digest."""
        sha256 = self.run(self._store(content))
        self.sql("INSERT INTO blobs (sha256, size) VALUES (%s, %s) ON CONFLICT DO NOTHING", sha256, len(content))
        return sha256

    def artifact(
        self, content: bytes | None, *, engine: str | None = "raw", status: str = "PROCESSING", filename: str = "file",
        filetype: str | None = None, job: bool = True,
    ) -> UUID:
        """An artifact as an upload leaves it."""
        package, release, artifact = (str(uuid4()) for _ in range(3))
        self.sql(
            "INSERT INTO packages (id, account_id, product_id, key, name, engine) VALUES (%s, %s, %s, %s, 'n', %s)",
            package, str(self.account), str(self.product), package, engine,
        )  # fmt: skip
        self.sql(
            """INSERT INTO releases (id, account_id, product_id, package_id, version, version_key, channel)
            VALUES (%s, %s, %s, %s, '1.2.3', 'x', 'stable')""",
            release, str(self.account), str(self.product), package,
        )  # fmt: skip
        sha256 = None if content is None else self.store(content)
        self.sql(
            """INSERT INTO artifacts (id, account_id, release_id, filename, filetype, status, blob_sha256, awaited)
            VALUES (%s, %s, %s, %s, %s, %s, %s, true)""",
            artifact, str(self.account), release, filename, filetype, status, sha256,
        )  # fmt: skip
        if job:
            self.sql("INSERT INTO processing_jobs (artifact_id) VALUES (%s)", artifact)
        return UUID(artifact)

    def process(self, artifact: UUID) -> None:
        self.run(self.service.process(artifact))

    def outcome(self, artifact: UUID) -> tuple[str, str | None]:
        """Status and reason of failure."""
        return self.sql("SELECT status, failure_reason FROM artifacts WHERE id = %s", str(artifact))[0]

    def manifests(self, artifact: UUID) -> list[tuple[str, str]]:
        return self.sql(
            "SELECT content_path, content FROM manifests WHERE artifact_id = %s ORDER BY ordinal", str(artifact)
        )

    def job(self, artifact: UUID) -> int | None:
        """How often the artifact's job was taken; None when there is none."""
        rows = self.sql("SELECT attempts FROM processing_jobs WHERE artifact_id = %s", str(artifact))
        return rows[0][0] if rows else None

    def free_jobs(self) -> None:
        """Let all leases run out now."""
        self.sql("UPDATE processing_jobs SET leased_until = now() - interval '1 second'")


async def _as_coroutine(call: Callable[[], Any]) -> Any:
    return await call()


@pytest.fixture
def works(reactor_thread: ReactorThread, database: Database, database_settings: Any, tmp_path: Path) -> Iterator[Works]:
    made = Works(reactor_thread, database, database_settings, tmp_path / "store")
    yield made
    made.close()
    made.sql("DELETE FROM accounts WHERE id = %s", str(made.account))
