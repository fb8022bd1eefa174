"""Bytes of artifacts on their way from a dump into the blob store, and out again when the import fails."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

from keygenreg.database.queries.uploads import BLOB_EXPECTED, BLOB_STORED, LOCK_BLOB
from keygenreg.dump.blocking_store import BlockingStore, Receiver
from keygenreg.dump.staging import CONTENTS, Staging
from keygenreg.formats.dump.base64_text import Decoder
from keygenreg.storage.interface import Digests

#: Seconds. The collector spares what became unreferenced within the last hour.
KEEP_YOUNG_EVERY = 60.0

_CHUNK = 1024 * 1024
_PAGE = 1000

# Registered before anything refers to it and before it has its place, so that the collector knows it even if this
# process is killed.
_EXPECT = f"{BLOB_EXPECTED.sql} RETURNING xmax = 0"
_FORGET = "DELETE FROM blobs WHERE sha256 = %s AND reference_count = 0"
_KEEP_YOUNG = f"""
UPDATE blobs SET unreferenced = now() WHERE reference_count = 0 AND sha256 IN (SELECT sha256 FROM {CONTENTS})
"""


@define(eq=False)
class Content:
    """The bytes of one artifact while they are read."""

    receiver: Receiver
    decoder: Decoder

    def write(self, data: bytes) -> None:
        """Take a piece of Base64. :raises ValueError: it is none."""
        self.decoder.write(data)


@define(eq=False)
class Contents:
    """
    Puts contents into the store as soon as they are read. The import's own transaction refers to them later; until
    then they are registered without a reference, like those of an upload that is not finished.

    :param connection: a psycopg2 connection for this alone.
    :param directory: where relative paths start.
    """

    store: BlockingStore
    connection: Any
    staging: Staging
    directory: Path
    clock: Callable[[], float] = time.monotonic
    _told: float = field(init=False)
    _open: list[Receiver] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._told = self.clock()

    def begin(self) -> Content:
        """For Base64 that comes in pieces."""
        receiver = self.receive()
        return Content(receiver, Decoder(receiver.write))

    def take(self, content: Mapping[str, str], begun: Content | None) -> str:
        """
        Store what a line's ``content`` gives.

        :param begun: set where the line's Base64 went there already.
        :return: its SHA-256 in hex.
        :raises ValueError: it cannot be read.
        """
        if begun is not None:
            if content != {"base64": ""}:
                raise ValueError("a member base64 is too long")
            return self._decoded(begun)
        if "path" in content:
            return self._take_file(content["path"])
        begun = self.begin()
        try:
            begun.write(content["base64"].encode())
        except ValueError as error:
            raise ValueError(f"content: {error}") from error
        return self._decoded(begun)

    def _decoded(self, content: Content) -> str:
        try:
            content.decoder.finish()
        except ValueError as error:
            raise ValueError(f"content: {error}") from error
        return self.keep(content.receiver).sha256

    def receive(self) -> Receiver:
        """Start receiving bytes; :meth:`keep` or :meth:`drop` ends it, :meth:`close` at the latest."""
        receiver = self.store.receive()
        self._open.append(receiver)
        return receiver

    def keep(self, receiver: Receiver) -> Digests:
        """Make received bytes a blob that is durable and registered."""
        digests = receiver.finish()
        others = {word: digests.others[word] for word in ("sha512", "sha1", "md5")}
        row = {"sha256": digests.sha256, "size": digests.size, **others}
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(_EXPECT, row)
            made = cursor.fetchone() == (True,)
        self.staging.add_content(digests.sha256, made=made)
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(LOCK_BLOB.sql, row)
            receiver.adopt()
            cursor.execute(BLOB_STORED.sql, row)
        self._open.remove(receiver)
        self.keep_young()
        return digests

    def drop(self, receiver: Receiver) -> None:
        """Forget received bytes."""
        self._open.remove(receiver)
        receiver.discard()

    def keep_young(self) -> None:
        """Every now and then, tell the collector that what was stored so far is still wanted."""
        now = self.clock()
        if now - self._told < KEEP_YOUNG_EVERY:
            return
        self._told = now
        self.staging.flush()
        with self.staging.connection.cursor() as cursor:
            cursor.execute(_KEEP_YOUNG)

    def close(self) -> None:
        """Forget what is half read."""
        while self._open:
            self._open.pop().discard()

    def undo(self) -> None:
        """Remove what only this import has brought, after its transaction was rolled back."""
        self.staging.flush()
        self.remove_all(f"SELECT sha256 FROM {CONTENTS} WHERE made")

    def remove_all(self, query: str) -> None:
        """Remove the blobs whose digests a query gives, as far as nothing refers to them."""
        last = ""
        while True:
            page = self.staging.query(
                f"SELECT DISTINCT sha256 FROM ({query}) q WHERE sha256 > %s ORDER BY 1 LIMIT {_PAGE}", (last,)
            )
            if not page:
                return
            for (sha256,) in page:
                self._remove(sha256)
            last = page[-1][0]

    def _remove(self, sha256: str) -> None:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(LOCK_BLOB.sql, {"sha256": sha256})
            cursor.execute(_FORGET, (sha256,))
            if cursor.rowcount:
                self.store.remove(sha256)

    def _take_file(self, path: str) -> str:
        if "\0" in path:
            raise ValueError("content: the path holds a NUL character")
        receiver = self.receive()
        with _opened(self.directory / path, path) as file:
            while data := file.read(_CHUNK):
                receiver.write(data)
        return self.keep(receiver).sha256


@contextmanager
def _opened(path: Path, shown: str) -> Iterator[Any]:
    """:raises ValueError: there is no such file, or it cannot be read."""
    try:
        # A FIFO would wait for its other end without O_NONBLOCK.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError(f"content: {shown} is not a file")
            with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
                yield file
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ValueError(f"content: {shown} cannot be read: {(error.strerror or str(error)).lower()}") from error
