"""A file on its way from upstream: stored and hashed as it comes, read by many meanwhile, whole only when verified.

The hashes are known at the end only. So the last bytes are held back from everybody until they are, and when they are
wrong every connection is cut: nobody ever has a complete wrong file.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from attrs import define, field

from keygenreg.mirror.adapter import RemoteFile
from keygenreg.mirror.files.checking import checkable, require_right, size_of
from keygenreg.mirror.single_flight import Shared
from keygenreg.storage.interface import BlobStore, Digests, Incoming
from keygenreg.upstream.client import Arrival
from keygenreg.upstream.failures import Broken
from keygenreg.upstream.receiving import Receiver
from keygenreg.web.files.growing import GrowingBlob

HELD_BACK = 64 * 1024
"""Bytes that nobody gets before the file is verified."""

RELAYED_FROM = 1024 * 1024
"""Smaller files are waited for, so that what is wrong with them is an answer and not a cut connection; in bytes."""


@define(eq=False)
class Handle(GrowingBlob):
    """One reader's view of a growing file."""

    _file: ArrivingFile
    _closed: bool = field(default=False, init=False)
    _changed: Callable[[], None] | None = field(default=None, init=False)

    @property
    def size(self) -> int:
        return self._file.size

    @property
    def readable(self) -> int:
        return self._file.readable

    @property
    def broken(self) -> bool:
        return self._file.broken

    def fileno(self) -> int:
        return self._file.fileno()

    def watch(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def tell(self) -> None:
        if self._changed is not None:
            self._changed()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._changed = None
            self._file.left(self)


@define(eq=False)
class ArrivingFile:
    """
    :param remote: what upstream said of it.
    :param most: its size at most, in bytes.
    :ivar size: what it will have, in bytes; 0 while unknown.
    :ivar readable: how many of the first bytes may be read.
    :ivar ready: settles when it can be read while it arrives (``True``), or is all here (``False``), or fails.
    """

    remote: RemoteFile
    most: int
    _blobs: BlobStore
    _reactor: Any
    _idle: float
    _in_thread: Callable[..., Awaitable[Any]]
    size: int = field(default=0, init=False)
    readable: int = field(default=0, init=False)
    broken: bool = field(default=False, init=False)
    received: int = field(default=0, init=False)
    ready: Shared = field(factory=Shared, init=False)
    incoming: Incoming | None = field(default=None, init=False)
    _fd: int | None = field(default=None, init=False)
    _opening: Shared | None = field(default=None, init=False)
    _verified: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)
    _readers: set[Handle] = field(factory=set, init=False)

    @property
    def outstanding(self) -> int:
        """Bytes that it will still take on the disk, as far as is known."""
        return max(0, (self.size or self.remote.size or 0) - self.received)

    def fileno(self) -> int:
        if self._fd is None:
            raise ValueError("the file is not open")
        return self._fd

    def attach(self) -> Handle:
        """A view for one more reader, once it is ready to be read."""
        handle = Handle(self)
        self._readers.add(handle)
        return handle

    def left(self, handle: Handle) -> None:
        """A reader has ended."""
        self._readers.discard(handle)
        self._close_if_unused()

    def receiver(self, arrival: Arrival, begin: Callable[[Awaitable[Any]], Shared]) -> Receiver:
        """
        Judge the head of the answer and take the body.

        :param begin: runs a coroutine in the background.
        :raises UpstreamFailure: it is not what was announced.
        """
        size = size_of(self.remote, arrival, self.most)
        self.size = size or 0
        self.incoming = self._blobs.begin(algorithms=checkable(self.remote))
        receiver = Receiver(self._reactor, self._take, self._idle, until_close=bool(checkable(self.remote)))
        self.incoming.pressure = receiver
        if size is not None and size >= RELAYED_FROM:
            self.incoming.on_stored = lambda: self._stored(begin)
        return receiver

    def _take(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > (self.size or self.most):
            raise Broken("The file is longer than was announced.", word="wrong")
        self.incoming.write(data)

    def _stored(self, begin: Callable[[Awaitable[Any]], Shared]) -> None:
        if self._verified or self.broken:
            return
        if self._fd is None:
            if self._opening is None:
                self._opening = begin(self._open())
            return
        readable = max(0, self.incoming.stored - HELD_BACK)
        if readable > self.readable:
            self._grow(readable)

    async def _open(self) -> None:
        fd = await self._in_thread(os.open, self.incoming.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        if self._over:
            os.close(fd)
            return
        self._fd = fd
        self._grow(max(self.readable, self.incoming.stored - HELD_BACK))
        self.ready.settle(True)

    def _grow(self, readable: int) -> None:
        self.readable = readable
        for reader in list(self._readers):
            reader.tell()

    async def verify(self) -> Digests:
        """
        The whole file is on disk and is the right one; from here on all of it may be read.

        :raises UpstreamFailure: it is another one. Unavailable: the disk does not take it.
        """
        digests = await self.incoming.finish()
        if self._opening is not None:
            with suppress(OSError):
                await self._opening.wait()
        require_right(self.remote, self.size, digests)
        self._verified = True
        self.size = digests.size
        if self._fd is not None:
            self._grow(digests.size)
        return digests

    async def end(self, failure: BaseException | None = None) -> None:
        """Nothing more comes: all is well, or everybody who reads is cut off."""
        self._over = True
        if failure is not None and not self._verified:
            self.broken = True
            for reader in list(self._readers):
                reader.tell()
        self._close_if_unused()
        if self.incoming is not None:
            await self.incoming.discard()

    def _close_if_unused(self) -> None:
        if self._over and not self._readers and self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)
