"""One job: an artifact's file through its engine's reader, and the outcome on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from keygenreg.database.pool import Database
from keygenreg.database.queries.processing import (
    ADD_MANIFEST,
    ADD_PART,
    FORGET_MANIFESTS,
    FORGET_PARTS,
    JOB_DONE,
    OUTCOME,
    SUBJECT,
    SUBJECT_LOCKED,
)
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import NotFound
from keygenreg.domain.reading import IngestError, ManifestFound, PartFound, Reading
from keygenreg.processing.part_storing import PartStoring
from keygenreg.processing.size_limits import SizeLimit
from keygenreg.storage.interface import BlobStore, ReadableBlob

_log = Logger()

Reader = Callable[[Path, str, str, str], Reading | None]

#: A file that ends the process, or cannot be read for reasons of ours, is tried this often.
MOST_ATTEMPTS = 3
_NO_BYTES = "The file's bytes are not in the registry; delete the artifact and upload it again."
_GIVEN_UP = (
    f"The registry failed to read the file {MOST_ATTEMPTS} times for reasons of its own, which its operator finds in "
    "the log. Let it be processed again when they are mended."
)
# UPLOADED ones are read again on request, and stay readable meanwhile.
_READABLE = ("PROCESSING", "UPLOADED")


class NotNow(Exception):
    """The job could not be done for reasons of ours; it is to be tried again."""


@frozen
class ReadingJob:
    """
    Runs jobs, one per call of :meth:`run`.

    :param readers: by engine key; engines without one have nothing to read.
    :param limits: by engine key.
    """

    database: Database
    blobs: BlobStore
    readers: Mapping[str, Reader]
    limits: Mapping[str, SizeLimit]
    threads: ThreadPool
    reactor: Any

    async def run(self, artifact_id: UUID, attempts: int) -> None:
        """
        Read the artifact and record what came of it: UPLOADED with its manifests, or FAILED with the reason.

        :param attempts: how often this job was taken, this time included.
        :raises NotNow: it is to be tried again.
        """
        subject = await self.database.maybe(SUBJECT, artifact=artifact_id)
        if subject is None or subject["status"] not in _READABLE:
            await self.database.execute(JOB_DONE, artifact=artifact_id)
            return
        try:
            if attempts > MOST_ATTEMPTS:
                raise IngestError(_GIVEN_UP)
            await self._record(subject, await self._read(subject) or Reading(), None)
        except IngestError as refused:
            await self._record(subject, Reading(), refused.sentence)
        except Exception as error:
            _log.failure("Artifact {artifact} could not be processed, attempt {n}", artifact=artifact_id, n=attempts)
            if attempts < MOST_ATTEMPTS:
                raise NotNow() from error
            await self._record(subject, Reading(), _GIVEN_UP)

    async def _read(self, subject: dict[str, Any]) -> Reading | None:
        """What the engine's reader finds; the parts it points out are in the store then."""
        engine = subject["engine"]
        reader = self.readers.get(engine)
        if reader is None:
            return None
        if subject["blob_sha256"] is None:
            raise IngestError(_NO_BYTES)
        if engine in self.limits:
            self.limits[engine].check(subject["filename"], subject["filetype"], subject["size"])
        try:
            blob = await self.blobs.open(subject["blob_sha256"])
        except NotFound:
            raise IngestError(_NO_BYTES) from None
        try:
            reading = await self._ask(reader, blob, subject)
            if reading is not None:
                await self._store_parts(reading, blob)
            return reading
        finally:
            blob.close()

    async def _store_parts(self, reading: Reading, blob: ReadableBlob) -> None:
        storing = PartStoring(self.database, self.blobs, self.threads, self.reactor)
        file = reading.unpacked or blob
        try:
            for part in reading.parts:
                await storing.store(file.fileno(), part)
        finally:
            if reading.unpacked is not None:
                reading.unpacked.close()

    def _ask(self, reader: Reader, blob: ReadableBlob, subject: dict[str, Any]) -> Deferred[Reading | None]:
        # A path for readers that stays good even if the blob is removed meanwhile.
        path = Path(f"/proc/self/fd/{blob.fileno()}")
        return deferToThreadPool(
            self.reactor, self.threads, reader, path, subject["filename"], subject["key"], subject["version"]
        )

    async def _record(self, subject: dict[str, Any], reading: Reading, reason: str | None) -> None:
        artifact = subject["id"]

        async def work(transaction: Transaction) -> None:
            now = await transaction.maybe(SUBJECT_LOCKED, artifact=artifact)
            if now is not None and now["status"] in _READABLE and now["blob_sha256"] == subject["blob_sha256"]:
                await transaction.execute(FORGET_MANIFESTS, artifact=artifact)
                await transaction.execute(FORGET_PARTS, artifact=artifact)
                for manifest in reading.manifests:
                    await transaction.execute(ADD_MANIFEST, content=manifest.content, **_values(subject, manifest))
                for part in reading.parts:
                    await transaction.execute(ADD_PART, sha256=part.sha256, **_values(subject, part))
                status = "UPLOADED" if reason is None else "FAILED"
                await transaction.execute(OUTCOME, artifact=artifact, status=status, reason=reason)
            await transaction.execute(JOB_DONE, artifact=artifact)

        await self.database.transact(work)


def _values(subject: dict[str, Any], found: ManifestFound | PartFound) -> dict[str, Any]:
    return {
        "account_id": subject["account_id"],
        "environment_id": subject["environment_id"],
        "artifact_id": subject["id"],
        "release_id": subject["release_id"],
        "content_path": found.content_path,
        "content_type": found.content_type,
        "content_digest": found.content_digest,
        "content_length": found.content_length,
        "metadata": dict(found.metadata),
    }
