"""Parts of an artifact, such as the layers of an image, as blobs of their own: each content once."""

from __future__ import annotations

import os
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from keygenreg.database.pool import Database
from keygenreg.database.queries.uploads import BLOB_EXPECTED
from keygenreg.domain.failures import NotFound
from keygenreg.domain.reading import PartFound
from keygenreg.storage.interface import BlobStore, Incoming

_SLICE = 1024 * 1024


class PartChanged(Exception):
    """The bytes of a part are not those that the reader saw: the disk or the reader is at fault."""


@define(eq=False)
class _Pressure:
    """Holds the copying back while the store is behind."""

    _waiting: Deferred[None] | None = field(default=None, init=False)
    failure: Exception | None = field(default=None, init=False)

    def pause(self) -> None:
        if self._waiting is None:
            self._waiting = Deferred()

    def resume(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def fail(self, failure: Exception) -> None:
        self.failure = failure
        self.resume()

    async def room(self) -> None:
        """Return when the store takes more. Raises what it has failed with."""
        if self._waiting is not None:
            await self._waiting
        if self.failure is not None:
            raise self.failure


@frozen
class PartStoring:
    """Copies parts of opened files into the store; reads happen in ``threads``."""

    database: Database
    blobs: BlobStore
    threads: ThreadPool
    reactor: Any

    async def store(self, descriptor: int, part: PartFound) -> None:
        """
        See that the part's bytes are a blob. It is on record from the start, so that the collector removes it if its
        artifact does not come to refer to it within the grace.

        :param descriptor: the opened file in which the part lies.
        :raises PartChanged: the bytes have another digest than the reader said.
        """
        await self.database.execute(BLOB_EXPECTED, sha256=part.sha256, size=part.content_length)
        try:
            stored = await self.blobs.open(part.sha256)
        except NotFound:
            await self._copy(descriptor, part)
            return
        whole = stored.size == part.content_length
        stored.close()
        if not whole:
            await self._copy(descriptor, part)

    async def _copy(self, descriptor: int, part: PartFound) -> None:
        incoming = self.blobs.begin()
        try:
            await self._fill(incoming, descriptor, part)
            digests = await incoming.finish()
            if digests.sha256 != part.sha256 or digests.size != part.content_length:
                raise PartChanged(part.content_path)
            await self.blobs.adopt(incoming)
        finally:
            await incoming.discard()

    async def _fill(self, incoming: Incoming, descriptor: int, part: PartFound) -> None:
        pressure = incoming.pressure = _Pressure()
        if part.content is not None:
            incoming.write(part.content)
            await pressure.room()
            incoming.pressure = None
            return
        position, end = part.offset, part.offset + part.content_length
        while position < end:
            size = min(_SLICE, end - position)
            data = await deferToThreadPool(self.reactor, self.threads, os.pread, descriptor, size, position)
            if not data:
                raise PartChanged(part.content_path)
            incoming.write(data)
            position += len(data)
            await pressure.room()
        incoming.pressure = None
