"""The store on a local file system: the contract of all stores, and what ends up on the disk."""

from __future__ import annotations

import errno
import os
import stat
import time
from threading import Event

import pytest
from twisted.internet.defer import CancelledError, Deferred

from keygenreg.domain.failures import NotFound, Unavailable
from keygenreg.storage import incoming_file, writeback
from keygenreg.storage.filesystem import FilesystemBlobStore
from keygenreg.storage.incoming_file import IncomingFile
from keygenreg.storage.threads import DiskThreads
from tests.storage.blob_store_contract import BlobStoreContract, get, put, sha256
from tests.storage.failing_threads import FailingThreads


@pytest.fixture
def store(tmp_path, threads):
    store = FilesystemBlobStore(tmp_path / "store", threads)
    store.prepare()
    return store


def files(store) -> list[str]:
    """Every file below the store, relative to it."""
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


class PatientSender:
    """Sends nothing while it is asked not to."""

    def __init__(self) -> None:
        self._resumed: Deferred[None] | None = None

    def pause(self) -> None:
        self._resumed = Deferred()

    def resume(self) -> None:
        resumed, self._resumed = self._resumed, None
        resumed.callback(None)

    def fail(self, failure: Exception) -> None:
        raise failure

    async def may_send(self) -> None:
        if self._resumed is not None:
            await self._resumed


class TestFilesystemStore(BlobStoreContract):
    def test_a_blob_is_one_private_file_at_its_digest(self, store, loop):
        """0600 in directories of 0700, and nothing else is left."""
        digest = loop.wait(put(store, b"content")).sha256
        assert files(store) == [f"blobs/sha256/{digest[:2]}/{digest}"]
        modes = {stat.S_IMODE(path.stat().st_mode) for path in store.root.rglob("*") if path.is_dir()}
        assert modes == {0o700}
        assert stat.S_IMODE(store.path_of(digest).stat().st_mode) == 0o600

    def test_an_upload_that_ends_in_a_burst_is_sealed_once(self, store, loop, monkeypatch):
        """What was written and not yet on the disk when the end came is stored by the end itself, and only there."""
        stored: list[int] = []
        original = IncomingFile._store

        def store_slice(incoming, data):
            stored.append(len(data))
            original(incoming, data)

        monkeypatch.setattr(IncomingFile, "_store", store_slice)

        async def scenario():
            incoming = store.begin()
            for _ in range(12):
                incoming.write(b"b" * 262_144)
            digests = await incoming.finish()
            await store.adopt(incoming)
            return digests

        assert loop.wait(scenario()).size == 12 * 262_144
        assert sum(stored) == 12 * 262_144
        assert 0 not in stored

    def test_the_disk_is_set_to_work_before_the_end(self, store, loop, monkeypatch):
        """Piece by piece from the start on; in the end only what is left is waited for."""
        begun: list[range] = []
        monkeypatch.setattr(
            incoming_file, "begin_writeback", lambda _fd, start, length: begun.append(range(start, start + length))
        )
        size, piece = 3 * incoming_file.WRITEBACK, bytes(256 * 1024)

        async def scenario():
            incoming = store.begin()
            incoming.pressure = sender = PatientSender()
            for _ in range(0, size, len(piece)):
                incoming.write(piece)
                await sender.may_send()
            return await incoming.finish()

        assert loop.wait(scenario()).size == size
        assert len(begun) >= 2
        assert [span.start for span in begun] == [0, *(span.stop for span in begun[:-1])]
        assert size - begun[-1].stop <= incoming_file.WRITEBACK

    def test_a_system_that_cannot_begin_early(self, store, loop, monkeypatch):
        """Stores the same."""
        monkeypatch.setattr(writeback, "_sync_file_range", None)
        content = os.urandom(incoming_file.WRITEBACK + 5)
        assert loop.wait(get(store, loop.wait(put(store, content)).sha256)) == content

    def test_readable_for_the_group_where_a_web_server_sends_files(self, tmp_path, threads, loop):
        """Whatever the process's mask; what is still arriving is nobody's."""
        store = FilesystemBlobStore(tmp_path / "shared", threads, group_readable=True)
        before = os.umask(0o077)
        try:
            store.prepare()
            digest = loop.wait(put(store, b"content")).sha256
        finally:
            os.umask(before)
        path = store.path_of(digest)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert {stat.S_IMODE(each.stat().st_mode) for each in list(path.parents)[:3]} == {0o750}
        assert stat.S_IMODE(store.scratch.stat().st_mode) == 0o700

    def test_nothing_is_left_of_a_discarded_upload(self, store, loop):
        async def scenario():
            incoming = store.begin()
            incoming.write(b"z" * 1_000_000)
            await incoming.discard()

        loop.wait(scenario())
        assert files(store) == []

    def test_a_truncated_blob_is_healed_by_the_next_upload(self, store, loop):
        """A file that lost bytes (a crash, a broken disk) is replaced when its content comes again."""
        digest = loop.wait(put(store, b"whole content")).sha256
        os.truncate(store.path_of(digest), 3)
        loop.wait(put(store, b"whole content"))
        assert loop.wait(get(store, digest)) == b"whole content"

    def test_adopting_again_marks_the_blob_as_young(self, store, loop):
        """A collector that spares young blobs does not take one that has just been uploaded again."""
        digest = loop.wait(put(store, b"young")).sha256
        os.utime(store.path_of(digest), (1, 1))
        loop.wait(put(store, b"young"))
        assert store.path_of(digest).stat().st_mtime > 1

    def test_the_sweep_takes_only_what_is_old(self, store, loop):
        """Files of crashed uploads go once they are old enough; uploads under way stay."""
        old, young = store.root / "incoming" / "a.part", store.root / "incoming" / "b.part"
        for path in (old, young):
            path.write_bytes(b"left over")
        os.utime(old, (time.time() - 7200, time.time() - 7200))
        assert loop.wait(store.sweep_incoming(3600)) == 1
        assert files(store) == ["incoming/b.part"]

    def test_a_symbolic_link_is_no_blob(self, store, loop, tmp_path):
        """A link planted in the store does not make the daemon read what it points at."""
        digest = sha256(b"secret")
        (tmp_path / "secret").write_bytes(b"secret")
        store.path_of(digest).parent.mkdir()
        store.path_of(digest).symlink_to(tmp_path / "secret")
        with pytest.raises(Unavailable):
            loop.wait(store.open(digest))

    def test_a_directory_in_place_of_a_blob_is_not_found(self, store, loop):
        digest = sha256(b"directory")
        store.path_of(digest).mkdir(parents=True)
        with pytest.raises(NotFound):
            loop.wait(store.open(digest))

    def test_uploads_are_bounded(self, tmp_path, threads, loop):
        """One more than allowed is told to come again; when one ends there is room."""
        store = FilesystemBlobStore(tmp_path / "store", threads, max_uploads=1)
        store.prepare()

        async def scenario():
            first = store.begin()
            with pytest.raises(Unavailable):
                store.begin()
            await first.discard()
            await store.begin().discard()

        loop.wait(scenario())


class TestBrokenDisk:
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
    def test_a_full_or_broken_disk_stops_the_sender_and_leaves_nothing(self, tmp_path, threads, loop, code):
        """The sender hears of it at once, the handler when it finishes, and no part of a file stays."""
        store = FilesystemBlobStore(tmp_path / "store", FailingThreads(threads, OSError(code, os.strerror(code))))
        store.prepare()

        async def scenario():
            failed = Deferred()

            class Sender:
                def pause(self): ...
                def resume(self): ...
                def fail(self, failure):
                    failed.callback(failure)

            incoming = store.begin()
            incoming.pressure = Sender()
            incoming.write(b"q" * 300_000)
            told = await failed
            incoming.write(b"more")
            with pytest.raises(Unavailable):
                await incoming.finish()
            return told

        assert isinstance(loop.wait(scenario()), Unavailable)
        assert files(store) == []

    def test_a_real_limit_on_file_size_is_a_clear_failure(self, store, loop):
        """The kernel's refusal to write further reaches the handler as 503 material, not as an OSError."""
        import resource
        import signal

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
        try:
            with pytest.raises(Unavailable, match="no room"):
                loop.wait(put(store, b"r" * 3_000_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert files(store) == []


class TestThreads:
    def test_a_blob_opened_for_nobody_is_closed(self, threads, loop):
        """When the waiting request is cancelled before the disk has answered, what it opened is closed."""
        go, closed = Event(), []

        async def scenario():
            opening = threads.run(lambda: go.wait(10) and "opened", unwanted=closed.append)
            opening.cancel()
            go.set()
            with pytest.raises(CancelledError):
                await opening
            await threads.run(lambda: None)

        loop.wait(scenario())
        while not closed:
            loop.wait(_nothing(threads))
        assert closed == ["opened"]

    def test_a_disk_that_is_behind_takes_no_new_work(self, threads, loop):
        """Beyond the bound new downloads and uploads are told to come again instead of waiting in memory."""
        few, go = DiskThreads(threads._reactor, threads._pool, max_waiting=1), Event()

        async def scenario():
            waiting = few.run(go.wait, 10)
            with pytest.raises(Unavailable):
                few.admit()
            go.set()
            await waiting
            few.admit()

        loop.wait(scenario())


async def _nothing(threads):
    await threads.run(lambda: None)
