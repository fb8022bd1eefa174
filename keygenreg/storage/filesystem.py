"""The blob store on a local file system: ``blobs/sha256/ab/<digest>``, and ``incoming/`` beside it."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from attrs import define, field
from twisted.logger import Logger

from keygenreg.domain.failures import NotFound, Unavailable
from keygenreg.storage.hashing import Hashes
from keygenreg.storage.incoming_file import IncomingFile, disk_failure
from keygenreg.storage.interface import Digests, is_sha256
from keygenreg.storage.threads import DiskThreads

_log = Logger()

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What file systems without hard links say; there the blob appears by renaming, which is as atomic."""


@define(eq=False)
class BlobFile:
    """An opened blob; ``size`` in bytes, ``path`` where others find it, ``sha256`` by which the store has it."""

    size: int
    _fd: int | None
    path: Path | None = None
    sha256: str | None = None

    def fileno(self) -> int:
        if self._fd is None:
            raise ValueError("the blob is closed")
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


@define(eq=False)
class FilesystemBlobStore:
    """
    A :class:`~keygenreg.storage.interface.BlobStore` under one directory of one file system.

    Several processes may use the same directory. Files are 0600, directories 0700. A blob is never written in place:
    it appears complete, by a hard link, or not at all.

    :param root: made by :meth:`prepare` when missing.
    :param max_uploads: how many may be under way in this process.
    :param now: the clock that file times are compared with, in Unix seconds.
    :param group_readable: files are 0640, directories of blobs 0750.
    """

    root: Path
    _threads: DiskThreads
    max_uploads: int = 256
    now: Callable[[], float] = time.time
    group_readable: bool = False
    _uploads: int = field(default=0, init=False)

    @property
    def _incoming(self) -> Path:
        return _incoming_of(self.root)

    @property
    def directory(self) -> Path:
        """Below it are the blobs, absolute: ``ab/abcdef...``."""
        return self._blobs.absolute()

    @property
    def _blobs(self) -> Path:
        return self.root / "blobs" / "sha256"

    @property
    def _mode(self) -> int:
        return 0o750 if self.group_readable else 0o700

    @property
    def scratch(self) -> Path:
        """A directory on the store's disk for temporary files; what is left in it is swept."""
        return self._incoming

    def prepare(self) -> None:
        """Make the directories. Blocks; for start-up. Raises OSError when that is impossible."""
        _make_directory(self._incoming, self.root.parent, 0o700)
        _make_directory(self._blobs, self.root, self._mode)

    def path_of(self, sha256: str) -> Path:
        """Where the blob is, or would be. Raises NotFound for what is no digest, so no name leads out of the store."""
        if not is_sha256(sha256):
            raise NotFound("There is no such blob.")
        return self._blobs / sha256[:2] / sha256

    def begin(self, *, algorithms: frozenset[str] = frozenset()) -> IncomingFile:
        if self._uploads >= self.max_uploads:
            raise Unavailable("Too many uploads are under way.", retry_after=5)
        self._threads.admit()
        hashes = Hashes(algorithms)
        self._uploads += 1
        mode = 0o640 if self.group_readable else 0o600
        return IncomingFile(self._incoming / f"{uuid4().hex}.part", self._threads, hashes, self._upload_ended, mode)

    def _upload_ended(self) -> None:
        self._uploads -= 1

    async def adopt(self, incoming: IncomingFile) -> None:
        await incoming.adopt(self._move)

    async def open(self, sha256: str) -> BlobFile:
        path = self.path_of(sha256)
        self._threads.admit()
        try:
            return await self._threads.run(_open, path.absolute(), unwanted=BlobFile.close)
        except FileNotFoundError:
            raise NotFound("There is no such blob.") from None
        except OSError as error:
            _log.failure("A blob cannot be opened")
            raise disk_failure(error) from None

    async def remove(self, sha256: str) -> None:
        path = self.path_of(sha256)
        await self._threads.run(lambda: path.unlink(missing_ok=True))

    async def sweep_incoming(self, older_than: float) -> int:
        return await self._threads.run(self._sweep, self.now() - older_than)

    def _sweep(self, before: float) -> int:
        return _remove_files(self._incoming, before)

    def _move(self, source: Path, digests: Digests) -> Path:
        target = self.path_of(digests.sha256)
        _make_directory(target.parent, self.root, self._mode)
        try:
            os.link(source, target)
        except FileExistsError:
            self._keep(source, target, digests.size)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.replace(source, target)
        source.unlink(missing_ok=True)
        _sync_directory(target.parent)
        return target

    def _keep(self, source: Path, target: Path, size: int) -> None:
        """The content is here already: mark it as used now, for collectors that spare the young; heal a damaged one."""
        try:
            if target.stat(follow_symlinks=False).st_size == size:
                os.utime(target)
                return
        except FileNotFoundError:
            os.replace(source, target)  # it was collected just now
            return
        _log.warn("Blob {digest} had the wrong size and is replaced", digest=target.name)
        os.replace(source, target)


def remove_uploads(root: Path) -> int:
    """Remove what any upload under way has written, where nobody else uses ``root``; how many. Blocks."""
    try:
        return _remove_files(_incoming_of(root), None)
    except FileNotFoundError:
        return 0  # nobody has stored anything there yet


def _incoming_of(root: Path) -> Path:
    return root / "incoming"


def _remove_files(directory: Path, before: float | None) -> int:
    """Remove files that were last written before a time, in Unix seconds; ``None`` for all."""
    removed = 0
    for entry in os.scandir(directory):
        try:
            if not entry.is_file(follow_symlinks=False):
                continue
            if before is None or entry.stat(follow_symlinks=False).st_mtime < before:
                os.unlink(entry.path)
                removed += 1
        except FileNotFoundError:
            continue  # another process swept it, or the upload ended
    return removed


def _open(path: Path) -> BlobFile:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(path)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return BlobFile(status.st_size, fd, path, path.name)
    except BaseException:
        os.close(fd)
        raise


def _make_directory(path: Path, known: Path, mode: int) -> None:
    """Make ``path``; each newly made directory is recorded in its parent on disk. ``known`` is not made."""
    if path == known or path.is_dir():
        return
    _make_directory(path.parent, known, mode)
    with suppress(FileExistsError):  # another process was quicker; it may not have come to the next line yet
        path.mkdir(mode=0o700)
        path.chmod(mode)  # whatever the process's mask
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
