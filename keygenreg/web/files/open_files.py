"""
Stored files that stay open for a while because they are asked for again and again.

An open file keeps its place on the disk after it was removed. So those are closed within a second, and those that
nobody asks for after :data:`IDLE`.
"""

from __future__ import annotations

import os

from attrs import define, field

from keygenreg.storage.filesystem import BlobFile
from keygenreg.storage.interface import BlobStore

MOST = 256
"""How many files stay open at a time, beside those that are being sent."""

IDLE = 15.0
"""Seconds after which a file is closed that nobody has asked for."""


@define(eq=False)
class OpenedFile:
    """
    One of them. Whoever sends from it for longer than a call says so with :meth:`hold`, and then :meth:`release`.

    :ivar used: when it was asked for last, in Unix seconds.
    """

    blob: BlobFile
    used: float
    _users: int = field(default=0, init=False)
    _dropped: bool = field(default=False, init=False)

    @property
    def fd(self) -> int:
        return self.blob.fileno()

    @property
    def size(self) -> int:
        """In bytes, as it was when it was opened."""
        return self.blob.size

    def hold(self) -> None:
        self._users += 1

    def release(self) -> None:
        self._users -= 1
        self._close_unused()

    def drop(self) -> None:
        """Close it, as soon as nobody sends from it."""
        self._dropped = True
        self._close_unused()

    def _close_unused(self) -> None:
        if self._dropped and not self._users:
            self.blob.close()


@define(eq=False)
class OpenFiles:
    """Those of one process. All of it is for the reactor's thread."""

    _blobs: BlobStore
    most: int = MOST
    _files: dict[str, OpenedFile] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._files)

    def get(self, sha256: str, now: float) -> OpenedFile | None:
        """A file that is open already; ``now`` in Unix seconds."""
        file = self._files.get(sha256)
        if file is not None:
            file.used = now
        return file

    async def open(self, sha256: str, now: float) -> OpenedFile:
        """
        A file, opened in a thread; one that nobody holds may be gone at the next event.

        :raises NotFound: the store does not have it. Unavailable: its disk is busy or broken.
        """
        blob = await self._blobs.open(sha256)
        file = self._files.get(sha256)
        if file is not None:  # somebody else was as quick
            blob.close()
            return file
        file = OpenedFile(blob, now)
        if len(self._files) >= self.most:
            self._drop(min(self._files, key=lambda each: self._files[each].used))
        self._files[sha256] = file
        return file

    def sweep(self, now: float) -> None:
        """Close what is idle or removed; called once a second."""
        for sha256, file in list(self._files.items()):
            if now - file.used > IDLE or not os.fstat(file.fd).st_nlink:
                self._drop(sha256)

    def close(self) -> None:
        """Close all."""
        for sha256 in list(self._files):
            self._drop(sha256)

    def _drop(self, sha256: str) -> None:
        self._files.pop(sha256).drop()
