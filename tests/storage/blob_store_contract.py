"""What every blob store must do, as a test class; each store's own tests inherit it and add what is special to it.

The inheriting class needs fixtures ``store`` (a store without blobs) and ``loop`` (a running ``ReactorThread``).
"""

from __future__ import annotations

import hashlib
import os

import pytest

from keygenreg.domain.failures import NotFound
from keygenreg.storage.interface import BlobStore, Digests
from tests.reactor_thread import ReactorThread


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def put(store: BlobStore, data: bytes, *, size: int = 70_000, algorithms=frozenset()) -> Digests:
    """Store ``data`` in writes of ``size`` bytes."""
    incoming = store.begin(algorithms=algorithms)
    for start in range(0, len(data), size):
        incoming.write(data[start : start + size])
    digests = await incoming.finish()
    await store.adopt(incoming)
    return digests


async def get(store: BlobStore, digest: str) -> bytes:
    blob = await store.open(digest)
    try:
        return os.pread(blob.fileno(), blob.size + 1, 0)
    finally:
        blob.close()


class BlobStoreContract:
    @pytest.mark.parametrize("size", [0, 1, 65_536, 262_144, 5_000_001])
    def test_what_is_stored_is_read_back(self, store, loop: ReactorThread, size):
        """Bytes come back as they were, with the digests and size that any other tool computes."""
        data = os.urandom(size)
        digests = loop.wait(put(store, data, algorithms=frozenset({"sha512", "md5", "sha1"})))
        assert digests.sha256 == sha256(data)
        assert digests.size == size
        assert digests.others == {word: hashlib.new(word, data).hexdigest() for word in ("sha512", "md5", "sha1")}
        assert loop.wait(get(store, digests.sha256)) == data

    def test_single_bytes_are_as_good_as_large_pieces(self, store, loop: ReactorThread):
        """How the network cuts a body does not matter."""
        data = os.urandom(3_000)
        assert loop.wait(put(store, data, size=1)).sha256 == sha256(data)

    def test_processing_can_read_what_arrived_before_it_is_adopted(self, store, loop: ReactorThread):
        """After ``finish`` the bytes are a file; under their digest they do not exist yet."""

        async def scenario():
            incoming = store.begin()
            incoming.write(b"not yet a blob")
            await incoming.finish()
            read = incoming.path.read_bytes()
            with pytest.raises(NotFound):
                await store.open(sha256(read))
            await incoming.discard()
            return read

        assert loop.wait(scenario()) == b"not yet a blob"

    def test_the_same_content_twice_is_one_blob(self, store, loop: ReactorThread):
        """Adopting what is there already succeeds, and a reader of the first copy is not disturbed."""

        async def scenario():
            await put(store, b"twice")
            reading = await store.open(sha256(b"twice"))
            await put(store, b"twice")
            try:
                return os.pread(reading.fileno(), 100, 0), await get(store, sha256(b"twice"))
            finally:
                reading.close()

        assert loop.wait(scenario()) == (b"twice", b"twice")

    def test_a_discarded_upload_is_gone_and_deaf(self, store, loop: ReactorThread):
        """Discarding twice, or writing afterwards, is harmless and leaves nothing."""

        async def scenario():
            incoming = store.begin()
            incoming.write(b"x" * 600_000)
            await incoming.discard()
            incoming.write(b"late")
            await incoming.discard()
            with pytest.raises(NotFound):
                await store.open(sha256(b"x" * 600_000))
            with pytest.raises(ValueError):
                await incoming.finish()

        loop.wait(scenario())

    def test_discarding_what_was_adopted_keeps_it(self, store, loop: ReactorThread):
        """Whoever cleans up after a handler need not know whether it succeeded."""

        async def scenario():
            incoming = store.begin()
            incoming.write(b"kept")
            await incoming.finish()
            await store.adopt(incoming)
            await incoming.discard()
            return await get(store, sha256(b"kept"))

        assert loop.wait(scenario()) == b"kept"

    def test_a_removed_blob_is_not_found_but_readers_finish(self, store, loop: ReactorThread):
        """Collecting a blob never breaks a download under way; removing it again is no error."""

        async def scenario():
            await put(store, b"old")
            reading = await store.open(sha256(b"old"))
            await store.remove(sha256(b"old"))
            await store.remove(sha256(b"old"))
            with pytest.raises(NotFound):
                await store.open(sha256(b"old"))
            try:
                return os.pread(reading.fileno(), 100, 0)
            finally:
                reading.close()

        assert loop.wait(scenario()) == b"old"

    def test_a_blob_can_be_closed_twice(self, store, loop: ReactorThread):
        """Several ends of an answer may each close it."""

        async def scenario():
            await put(store, b"closed")
            blob = await store.open(sha256(b"closed"))
            blob.close()
            blob.close()

        loop.wait(scenario())

    @pytest.mark.parametrize(
        "name", ["", "..", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 65, "a" * 64 + "\n", "é" * 64, "/" * 64]
    )
    def test_only_digests_name_blobs(self, store, loop: ReactorThread, name):
        """Anything but 64 lower-case hex digits is not found, whatever the store would make of it as a path."""
        with pytest.raises(NotFound):
            loop.wait(store.open(name))
        with pytest.raises(NotFound):
            loop.wait(store.remove(name))

    def test_an_unknown_algorithm_is_refused(self, store):
        with pytest.raises(ValueError):
            store.begin(algorithms=frozenset({"crc32"}))

    def test_the_sender_is_paused_and_resumed(self, store, loop: ReactorThread):
        """A sender that is faster than the disk is told to wait, and later to go on; nothing is lost."""
        told = []

        class Sender:
            def pause(self):
                told.append("pause")

            def resume(self):
                told.append("resume")

            def fail(self, failure):
                told.append(failure)

        async def scenario():
            incoming = store.begin()
            incoming.pressure = Sender()
            for _ in range(40):
                incoming.write(b"y" * 1_000_000)
            digests = await incoming.finish()
            await incoming.discard()
            return digests

        assert loop.wait(scenario()).sha256 == sha256(b"y" * 40_000_000)
        assert told[:1] == ["pause"]
        assert told.count("resume") == told.count("pause")
