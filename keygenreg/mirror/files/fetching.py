"""Files that are fetched: once for all who want them and kept, or for one client alone while there is no room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure as Reason

from keygenreg.database.pool import Database
from keygenreg.database.queries.uploads import BLOB_EXPECTED, BLOB_STORED, LOCK_BLOB
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Failure, NotFound, Unavailable
from keygenreg.mirror import queries
from keygenreg.mirror.adapter import RemoteFile
from keygenreg.mirror.clients import Clients
from keygenreg.mirror.failures import as_failure
from keygenreg.mirror.files.arriving import ArrivingFile
from keygenreg.mirror.files.checking import is_wrong
from keygenreg.mirror.files.file import FileKey, OpenFile
from keygenreg.mirror.files.quota import Quotas, room_of
from keygenreg.mirror.files.ranges import Asked
from keygenreg.mirror.files.unkept import UnkeptFile
from keygenreg.mirror.policy import Policy
from keygenreg.mirror.single_flight import Background
from keygenreg.storage.interface import BlobStore, Digests
from keygenreg.telemetry.mirror_figures import MirrorFigures
from keygenreg.upstream.failures import UpstreamFailure

_log = Logger()

FULL = 10.0
"""Seconds for which a disk that has failed in the middle of a file is not tried again."""

_NO_ROOM = "The registry has no room for files of others at the moment."


@frozen
class _NotKeepable(Unavailable):
    """There is no room for the file: it may go to each client alone."""


@define(eq=False)
class Fetching:
    """
    One engine's fetches in one process.

    :param in_thread: runs a function with its arguments in a thread. :param room: what is free on the disk, in bytes;
        called there.
    :ivar ended: how many fetches have ended.
    """

    database: Database
    blobs: BlobStore
    clients: Clients
    background: Background
    figures: MirrorFigures
    quotas: Quotas
    reactor: Any
    in_thread: Callable[..., Awaitable[Any]]
    room: Callable[[], int]
    now: Callable[[], float]
    ended: int = field(default=0, init=False)
    _free: int = field(default=0, init=False)
    _full_until: float = field(default=0.0, init=False)
    _arriving: dict[tuple[FileKey, str], ArrivingFile] = field(factory=dict, init=False)

    def arriving(self, key: FileKey, remote: RemoteFile) -> ArrivingFile | None:
        """The file, if it is on its way."""
        return self._arriving.get((key, remote.digest))

    async def get(self, policy: Policy, key: FileKey, remote: RemoteFile, asked: Asked | None) -> OpenFile:
        """
        A file that is not here.

        :param asked: by a client whom it is sent to as it comes; None: it is read here, and so must be stored.
        :raises Failure: it cannot be had.
        """
        file = self.arriving(key, remote)
        self.figures.answered(key.engine, "file", "miss" if file is None else "joined")
        if file is None:
            file = self._begin(policy, key, remote)
        handle = file.attach()
        try:
            growing = await file.ready.wait()
            if growing is True:
                return OpenFile(handle, remote.content_digest, remote.content_type)
            stored = await self.blobs.open(growing)
        except UpstreamFailure as failure:
            handle.close()
            self.figures.answered(key.engine, "file", "error")
            raise as_failure(failure) from None
        except Unavailable as failure:
            # Of the disk, not of upstream.
            handle.close()
            return await self._unkept(policy, key, remote, asked, failure)
        except BaseException:
            handle.close()
            raise
        handle.close()
        return OpenFile(stored, growing, remote.content_type, self.now())

    def _begin(self, policy: Policy, key: FileKey, remote: RemoteFile) -> ArrivingFile:
        bounds = policy.limits
        file = ArrivingFile(remote, bounds.file_bytes, self.blobs, self.reactor, bounds.idle, self.in_thread)
        self._arriving[key, remote.digest] = file
        self.background.start(self._fetch(policy, key, file))
        return file

    async def _fetch(self, policy: Policy, key: FileKey, file: ArrivingFile) -> None:
        """From the request to the row; whoever waits is told of every failure."""
        self.figures.arriving(key.engine, 1)
        problem: BaseException | None = None
        try:
            await self._require_room(policy, key, file)
            client = self.clients.of(policy)
            await client.file(file.remote.url, lambda arrival: self._receiver(policy, file, arrival))
            digests = await file.verify()
            await self._keep(policy, key, file, digests)
            file.ready.settle(digests.sha256)
        except UpstreamFailure as failure:
            problem = failure
            self._failed(key, file.remote, failure)
        except Failure as failure:
            problem = failure
            if isinstance(failure, Unavailable) and file.received:
                # The disk took some of it and then no more: others would be cut off there as well.
                self._full_until = self.reactor.seconds() + FULL
            _log.warn("{url} is not kept: {why}", url=_shown(file.remote), why=failure.detail)
        except BaseException as failure:
            problem = failure
            raise
        finally:
            self.figures.received(key.engine, "file", file.received)
            self.figures.arriving(key.engine, -1)
            del self._arriving[key, file.remote.digest]
            self.ended += 1
            if problem is not None:
                file.ready.settle(Reason(problem))
            await file.end(problem)

    def _receiver(self, policy: Policy, file: ArrivingFile, arrival: Any) -> Any:
        receiver = file.receiver(arrival, self.background.start)
        _require_quota(policy, file.size)
        if self._free < policy.free_bytes + self._outstanding:
            raise _NotKeepable(_NO_ROOM, retry_after=60)
        return receiver

    @property
    def _outstanding(self) -> int:
        """What this process's files still bring to the disk, in bytes, as far as is known."""
        return sum(file.outstanding for file in self._arriving.values())

    def _failed(self, key: FileKey, remote: RemoteFile, failure: UpstreamFailure) -> None:
        self.figures.failed(key.engine, failure.word)
        tell = _log.error if is_wrong(failure) else _log.warn
        tell("{engine} file {url} cannot be had: {why}", engine=key.engine, url=_shown(remote), why=failure.detail)

    async def _require_room(self, policy: Policy, key: FileKey, file: ArrivingFile) -> None:
        """:raises Unavailable: the disk would be too full for what else is on it: uploads, the database."""
        _require_quota(policy, file.outstanding)
        self._free = await self.in_thread(self.room)
        full = self.reactor.seconds() < self._full_until
        if full or self._free < policy.free_bytes + self._outstanding:
            self.figures.failed(key.engine, "no-room")
            raise _NotKeepable(_NO_ROOM, retry_after=60)

    async def _keep(self, policy: Policy, key: FileKey, file: ArrivingFile, digests: Digests) -> None:
        """Verified bytes into the blob store and on record, as an upload does it (web/artifact_upload.py)."""
        await self.database.execute(BLOB_EXPECTED, sha256=digests.sha256, size=digests.size)
        others = {word: digests.others.get(word) for word in ("sha512", "sha1", "md5")}
        remote = file.remote

        async def work(transaction: Transaction) -> int:
            await transaction.rows(LOCK_BLOB, sha256=digests.sha256)
            await self.blobs.adopt(file.incoming)
            await transaction.execute(BLOB_STORED, sha256=digests.sha256, size=digests.size, **others)
            return await transaction.execute(
                queries.FILE_STORED,
                digest=remote.digest,
                upstream=policy.upstream,
                url=remote.url,
                sha256=digests.sha256,
                size=digests.size,
                content_type=remote.content_type,
                uploaded=remote.uploaded,
                **key.parameters,
            )

        if not await self.database.transact(work):
            raise NotFound(f"The name {key.name!r} belongs to this registry.")
        self.quotas.adopted(policy, key.account, key.engine, digests.size)

    # Without keeping

    async def _unkept(
        self, policy: Policy, key: FileKey, remote: RemoteFile, asked: Asked | None, reason: Unavailable
    ) -> OpenFile:
        """
        The file for one client, past the disk.

        :raises Failure: it cannot be had, or not in the parts that are asked for: ``reason``.
        """
        if asked is None or "," in (asked.ranges or ""):
            raise reason
        self.figures.answered(key.engine, "file", "unkept")
        file = UnkeptFile(remote, policy.limits.file_bytes, self.reactor, policy.limits.idle)
        fetch = Deferred.fromCoroutine(self._pass_on(policy, key, file))
        self.background.watch(fetch)
        file.left = fetch.cancel
        try:
            await file.ready.wait()
        except UpstreamFailure as failure:
            file.close()
            self.figures.answered(key.engine, "file", "error")
            raise as_failure(failure) from None
        except BaseException:
            file.close()
            raise
        return OpenFile(file, remote.content_digest, remote.content_type)

    async def _pass_on(self, policy: Policy, key: FileKey, file: UnkeptFile) -> None:
        """From the request to the last byte; ends when the client leaves."""
        try:
            await self.clients.of(policy).file(file.remote.url, file.receiver)
            file.verify()
        except UpstreamFailure as failure:
            self._failed(key, file.remote, failure)
            file.fail(failure)
        except BaseException as failure:
            file.fail(failure)
            raise
        finally:
            self.figures.received(key.engine, "file", file.received)


def _require_quota(policy: Policy, size: int) -> None:
    """:raises Unavailable: everything else would have to go for it."""
    if policy.cache_bytes and size > room_of(policy):
        raise _NotKeepable(_NO_ROOM, retry_after=60)


def _shown(remote: RemoteFile) -> str:
    """Where a file comes from, for the log: without a query, which may be a secret."""
    return remote.url.partition("?")[0]
