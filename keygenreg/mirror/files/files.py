"""Files of upstreams: from the blob store when we have them, else fetched once, for all who want them meanwhile."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from attrs import define, field
from twisted.logger import Logger

from keygenreg.database.pool import Database
from keygenreg.domain.failures import Denied, NotFound
from keygenreg.mirror import queries
from keygenreg.mirror.adapter import RemoteFile
from keygenreg.mirror.briefly import Briefly
from keygenreg.mirror.documents.documents import USED_EVERY, Documents
from keygenreg.mirror.documents.freshness import Age
from keygenreg.mirror.failures import as_failure
from keygenreg.mirror.files.fetching import Fetching
from keygenreg.mirror.files.file import AnnouncedBlob, FileKey, OpenFile, PassedBlob, etag_of_digest
from keygenreg.mirror.files.ranges import REACH, Asked, PassedParts
from keygenreg.mirror.policy import Policy
from keygenreg.mirror.single_flight import Background
from keygenreg.storage.interface import BlobStore
from keygenreg.telemetry.mirror_figures import MirrorFigures
from keygenreg.upstream.failures import UpstreamFailure

_log = Logger()

REMEMBERED = 10.0
"""Seconds for which a process does not look again whether a file is kept."""

_ANY_SIZE = 10**15
"""More bytes than any file has: ranges that are small parts of such a one are small."""

#: ``(name, make) -> value``: the value remembered under a name, else a new one.
Remember = Callable[[Hashable, Callable[[], Awaitable[dict[str, Any]]]], Awaitable[dict[str, Any]]]


class _NotKept(Exception):
    """We do not have a file."""


@define(eq=False)
class Files:
    """One engine's files in one process."""

    documents: Documents
    database: Database
    blobs: BlobStore
    fetching: Fetching
    parts: PassedParts
    background: Background
    figures: MirrorFigures
    now: Callable[[], float] = time.time
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
        asked: Asked | None = None,
        remember: Remember | None = None,
    ) -> OpenFile:
        """
        A file, whether we have it or not.

        :param digest: as :attr:`RemoteFile.digest`; None: whatever upstream lists under the key.
        :param remember: as :meth:`keygenreg.web.exchange.Exchange.shared`, for files that are asked for often.
        :param fetch: False: the size is enough (for HEAD), where it can be had without the file.
        :param asked: what a client wants that the file is sent to; None: it is read here, all of it.
        :raises NotFound: upstream does not list it (any more), or its name is claimed here. Denied: it is too young.
            Unavailable, BadUpstream: it cannot be had.
        """
        for _ in range(2):
            ended = self.fetching.ended
            row = await self._kept(policy, key, digest, remember)
            if row is not None and (stored := await self._stored(key, row)) is not None:
                return stored
            listed = await self._listed(policy, key, digest)
            # A fetch that ended since we looked may have been this one: look again, once.
            if self.fetching.arriving(key, listed) is not None or ended == self.fetching.ended:
                break
        if not fetch and (size := await self.parts.size(policy, key, listed)) is not None:
            return OpenFile(AnnouncedBlob(size), listed.content_digest, listed.content_type)
        if fetch and asked is not None and (passed := await self._passed(policy, key, listed, asked)) is not None:
            return passed
        return await self.fetching.get(policy, key, listed, asked)

    async def _stored(self, key: FileKey, row: dict[str, Any]) -> OpenFile | None:
        """A file that we have, opened; None when the store has lost it."""
        try:
            blob = await self.blobs.open(row["blob_sha256"])
        except NotFound:
            _log.warn("Blob {digest} of the mirror is missing; it is fetched again", digest=row["blob_sha256"])
            return None
        self.figures.answered(key.engine, "file", "hit")
        until = min(row["fresh_until"].timestamp(), (int(self.now() / REMEMBERED) + 1) * REMEMBERED)
        return OpenFile(blob, row["blob_sha256"], row["content_type"], row["stored"].timestamp(), until)

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

    async def _passed(self, policy: Policy, key: FileKey, remote: RemoteFile, asked: Asked) -> OpenFile | None:
        """The small part that is asked for, from upstream alone; None where the file itself is to be waited for."""
        arriving = self.fetching.arriving(key, remote)
        etag = etag_of_digest(remote.content_digest)
        size = remote.size or (0 if arriving is None else arriving.size)
        if not size and asked.small_part(_ANY_SIZE, etag) is not None:
            size = await self.parts.size(policy, key, remote)
        span = asked.small_part(size, etag) if size else None
        here = 0 if arriving is None else arriving.readable
        if span is None or span.stop <= here + REACH:
            return None
        part = await self.parts.get(policy, key, remote, span, size)
        if part is None:
            return None
        self.figures.answered(key.engine, "file", "passed")
        return OpenFile(PassedBlob(size, span, part.body), remote.content_digest, remote.content_type)


def _too_young(key: FileKey) -> Denied:
    return Denied(f"{key.key!r} is too young: this registry waits before it passes new files through.", "COOLDOWN")
