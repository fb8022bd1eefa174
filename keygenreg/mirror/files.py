"""Files of upstreams: from the blob store when we have them, else fetched once, for all who want them meanwhile."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from attrs import define, field
from twisted.logger import Logger
from twisted.python.failure import Failure as Reason

from keygenreg.database.pool import Database
from keygenreg.database.queries.uploads import BLOB_EXPECTED, BLOB_STORED, LOCK_BLOB
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Denied, Failure, NotFound, Unavailable
from keygenreg.mirror import queries
from keygenreg.mirror.adapter import RemoteFile
from keygenreg.mirror.arriving import ArrivingFile, is_wrong
from keygenreg.mirror.briefly import Briefly
from keygenreg.mirror.clients import Clients
from keygenreg.mirror.documents import USED_EVERY, Documents
from keygenreg.mirror.failures import as_failure
from keygenreg.mirror.file import AnnouncedBlob, FileKey, OpenFile
from keygenreg.mirror.freshness import Age
from keygenreg.mirror.policy import Policy
from keygenreg.mirror.single_flight import Background
from keygenreg.storage.interface import BlobStore, Digests
from keygenreg.telemetry.mirror_figures import MirrorFigures
from keygenreg.upstream.failures import UpstreamFailure

_log = Logger()

REMEMBERED = 10.0
"""Seconds for which a process does not look again whether a file is kept."""

#: ``(name, make) -> value``: the value remembered under a name, else a new one.
Remember = Callable[[Hashable, Callable[[], Awaitable[dict[str, Any]]]], Awaitable[dict[str, Any]]]


class _NotKept(Exception):
    """We do not have a file."""


@define(eq=False)
class Files:
    """
    One engine's files in one process.

    :param in_thread: runs a function with its arguments in a thread. :param room: what is free on the disk, in bytes;
        called there.
    """

    documents: Documents
    database: Database
    blobs: BlobStore
    clients: Clients
    background: Background
    figures: MirrorFigures
    reactor: Any
    in_thread: Callable[..., Awaitable[Any]]
    room: Callable[[], int]
    now: Callable[[], float] = time.time
    _arriving: dict[tuple[FileKey, str], ArrivingFile] = field(factory=dict, init=False)
    _ended: int = field(default=0, init=False)
    _used: Briefly = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._used = Briefly(self.now)

    async def open(
        self,
        policy: Policy,
        key: FileKey,
        digest: str | None,
        *,
        fetch: bool = True,
        remember: Remember | None = None,
    ) -> OpenFile:
        """
        A file, whether we have it or not.

        :param digest: as :attr:`RemoteFile.digest`; None: whatever upstream lists under the key.
        :param remember: as :meth:`keygenreg.web.exchange.Exchange.shared`, for files that are asked for often.
        :param fetch: False: where upstream's list says the size, that is enough (for HEAD).
        :raises NotFound: upstream does not list it (any more), or its name is claimed here. Denied: it is too young.
            Unavailable, BadUpstream: it cannot be had.
        """
        for _ in range(2):
            ended = self._ended
            row = await self._kept(policy, key, digest, remember)
            if row is not None and (stored := await self._stored(key, row)) is not None:
                return stored
            listed = await self._listed(policy, key, digest)
            # A fetch that ended since we looked may have been this one: look again, once.
            if (key, listed.digest) in self._arriving or ended == self._ended:
                break
        if not fetch and listed.size is not None:
            return OpenFile(AnnouncedBlob(listed.size), listed.content_digest, listed.content_type)
        return await self._fetched(policy, key, listed)

    async def _stored(self, key: FileKey, row: dict[str, Any]) -> OpenFile | None:
        """A file that we have, opened; None when the store has lost it."""
        try:
            blob = await self.blobs.open(row["blob_sha256"])
        except NotFound:
            _log.warn("Blob {digest} of the mirror is missing; it is fetched again", digest=row["blob_sha256"])
            return None
        self.figures.answered(key.engine, "file", "hit")
        return OpenFile(blob, row["blob_sha256"], row["content_type"], row["stored"].timestamp())

    async def _kept(
        self, policy: Policy, key: FileKey, digest: str | None, remember: Remember | None
    ) -> dict[str, Any] | None:
        """The row of a file that we have and may serve without asking anybody."""

        async def look() -> dict[str, Any]:
            return await self._row(policy, key, digest)

        try:
            if remember is None:
                row = await look()
            else:
                # Claims end what is remembered at once; what upstream takes away, the next period.
                period = int(self.now() / REMEMBERED)
                row = await remember(("mirrored file", key, digest, policy.upstream, period), look)
        except _NotKept:
            return None
        age = Age(row["fresh_until"].timestamp(), self.now())
        if not age.fresh:
            if not age.usable_meanwhile(policy):
                return await self._confirmed(policy, key, row)
            self.documents.refresh_in_background(policy, key.document)
        if not policy.old_enough(key.name, row["uploaded"]):
            if row["uploaded"] is None:
                # Kept when nobody asked for its age; the document may know it by now.
                return await self._confirmed(policy, key, row)
            raise _too_young(key)
        if self.now() - row["accessed"].timestamp() > USED_EVERY and key not in self._used:
            self._used.remember(key, USED_EVERY)
            used = self.database.execute(queries.FILE_USED, **(key.parameters | {"digest": row["digest"]}))
            self.background.start(used)
        return row

    async def _row(self, policy: Policy, key: FileKey, digest: str | None) -> dict[str, Any]:
        """:raises NotFound: the name is claimed. _NotKept: we do not have the file, or do not know of its document."""
        row = await self.database.one(
            queries.FILE, digest=digest, upstream=policy.upstream, variant=key.variant, **key.parameters
        )
        if row["claimed"]:
            raise NotFound(f"The name {key.name!r} belongs to this registry.")
        if row["blob_sha256"] is None or row["fresh_until"] is None:
            raise _NotKept
        return row

    async def _confirmed(self, policy: Policy, key: FileKey, row: dict[str, Any]) -> dict[str, Any] | None:
        """A file whose document is old, if upstream still lists it, or does not answer at all."""
        document = await self.documents.get(policy, key.account, key.name, key.variant)
        listed = document.listing.files.get(key.key)
        if listed is None or listed.digest != row["digest"]:
            return None
        if not policy.shows(key.name, listed):
            raise _too_young(key)
        return row

    async def _listed(self, policy: Policy, key: FileKey, digest: str | None) -> RemoteFile:
        document = await self.documents.get(policy, key.account, key.name, key.variant)
        found = document.listing.files.get(key.key)
        if found is None and document.stale:
            # It may have been published since; whoever asks has seen it somewhere.
            document = await self._asked_anew(policy, key)
            found = document.listing.files.get(key.key)
        if found is None or digest not in (None, found.digest):
            self.figures.answered(key.engine, "file", "absent")
            raise NotFound(f"There is no such file of {key.name!r} upstream (any more).")
        if not policy.shows(key.name, found):
            self.figures.answered(key.engine, "file", "refused")
            raise _too_young(key)
        return found

    async def _asked_anew(self, policy: Policy, key: FileKey):
        try:
            return await self.documents.refresh_now(policy, key.account, key.name, key.variant)
        except UpstreamFailure as failure:
            raise as_failure(failure) from None

    async def _fetched(self, policy: Policy, key: FileKey, remote: RemoteFile) -> OpenFile:
        place = (key, remote.digest)
        file = self._arriving.get(place)
        self.figures.answered(key.engine, "file", "miss" if file is None else "joined")
        if file is None:
            file = ArrivingFile(
                remote,
                policy.limits.file_bytes,
                self.blobs,
                self.reactor,
                policy.limits.idle,
                self.in_thread,
            )
            self._arriving[place] = file
            self.background.start(self._fetch(policy, key, file))
        handle = file.attach()
        try:
            growing = await file.ready.wait()
        except UpstreamFailure as failure:
            handle.close()
            self.figures.answered(key.engine, "file", "error")
            raise as_failure(failure) from None
        except BaseException:
            handle.close()
            raise
        if growing is True:
            return OpenFile(handle, remote.content_digest, remote.content_type)
        handle.close()
        return OpenFile(await self.blobs.open(growing), growing, remote.content_type, self.now())

    async def _fetch(self, policy: Policy, key: FileKey, file: ArrivingFile) -> None:
        """From the request to the row; whoever waits is told of every failure."""
        self.figures.arriving(key.engine, 1)
        problem: BaseException | None = None
        try:
            await self._require_room(policy, key, file.remote)
            client = self.clients.of(policy)
            await client.file(file.remote.url, lambda arrival: file.receiver(arrival, self.background.start))
            digests = await file.verify()
            await self._keep(policy, key, file, digests)
            file.ready.settle(digests.sha256)
        except UpstreamFailure as failure:
            problem = failure
            self.figures.failed(key.engine, failure.word)
            tell = _log.error if is_wrong(failure) else _log.warn
            tell("{engine} file {url} cannot be had: {why}", engine=key.engine, url=_shown(file), why=failure.detail)
        except Failure as failure:
            problem = failure
            _log.warn("{url} is not kept: {why}", url=_shown(file), why=failure.detail)
        except BaseException as failure:
            problem = failure
            raise
        finally:
            self.figures.received(key.engine, "file", file.received)
            self.figures.arriving(key.engine, -1)
            del self._arriving[key, file.remote.digest]
            self._ended += 1
            if problem is not None:
                file.ready.settle(Reason(problem))
            await file.end(problem)

    async def _require_room(self, policy: Policy, key: FileKey, remote: RemoteFile) -> None:
        """:raises Unavailable: the disk would be too full for what else is on it: uploads, the database."""
        if await self.in_thread(self.room) < policy.free_bytes + (remote.size or 0):
            self.figures.failed(key.engine, "no-room")
            raise Unavailable("The registry has no room for files of others at the moment.", retry_after=60)

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


def _shown(file: ArrivingFile) -> str:
    """Where a file comes from, for the log: without a query, which may be a secret."""
    return file.remote.url.partition("?")[0]


def _too_young(key: FileKey) -> Denied:
    return Denied(f"{key.key!r} is too young: this registry waits before it passes new files through.", "COOLDOWN")
