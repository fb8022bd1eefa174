"""The blob store as a plain object for a thread that may wait, beside the reactor that the store lives in."""

from __future__ import annotations

import os
from threading import Event
from typing import Any, BinaryIO

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from keygenreg.storage.interface import BlobStore, Digests, Incoming

_ALGORITHMS = frozenset({"sha512", "sha1", "md5"})


class _Room:
    """The store's word on whether it can take more, heard in the reactor thread and waited for in another."""

    def __init__(self) -> None:
        self._free = Event()
        self._free.set()

    def pause(self) -> None:
        self._free.clear()

    def resume(self) -> None:
        self._free.set()

    def fail(self, failure: Exception) -> None:
        # ``finish`` raises it.
        self._free.set()

    def wait(self) -> None:
        self._free.wait()


@define(eq=False)
class Receiver:
    """Bytes on their way into the store; of ``adopt`` and ``discard`` the first one counts."""

    _reactor: Any
    _store: BlobStore
    _incoming: Incoming
    _room: _Room = field(factory=_Room, init=False)

    def __attrs_post_init__(self) -> None:
        self._incoming.pressure = self._room

    def write(self, data: bytes) -> None:
        """Returns when the store has room for more."""
        blockingCallFromThread(self._reactor, self._incoming.write, data)
        self._room.wait()

    def finish(self) -> Digests:
        """:raises Unavailable: the store cannot keep them."""
        return _wait(self._reactor, self._incoming.finish)

    def adopt(self) -> None:
        """:raises Unavailable: the store cannot keep them."""
        _wait(self._reactor, self._store.adopt, self._incoming)

    def discard(self) -> None:
        _wait(self._reactor, self._incoming.discard)


@define(eq=False)
class BlockingStore:
    """
    A :class:`~keygenreg.storage.interface.BlobStore` whose calls wait. Never to be used in the reactor thread.

    :param reactor: the running one that the store was made for.
    """

    _reactor: Any
    _store: BlobStore

    def receive(self) -> Receiver:
        """:raises Unavailable: too much is under way."""
        incoming = blockingCallFromThread(self._reactor, lambda: self._store.begin(algorithms=_ALGORITHMS))
        return Receiver(self._reactor, self._store, incoming)

    def open(self, sha256: str) -> BinaryIO:
        """A blob as a file that the caller closes. :raises NotFound: there is none."""
        blob = _wait(self._reactor, self._store.open, sha256)
        try:
            return os.fdopen(os.dup(blob.fileno()), "rb")
        finally:
            blob.close()

    def remove(self, sha256: str) -> None:
        """What is not there is no error."""
        _wait(self._reactor, self._store.remove, sha256)


def _wait(reactor: Any, work: Any, *args: Any) -> Any:
    return blockingCallFromThread(reactor, lambda: Deferred.fromCoroutine(work(*args)))
