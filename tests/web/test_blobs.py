"""Stored bytes on the wire: ranges and preconditions against a simple model; files are closed on every path."""

from __future__ import annotations

import email
import mmap
import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keygenreg.web.files.body import WARM_WINDOW, Body
from tests.web.conftest import BLOB_SIZE
from tests.web.serving import eventually

NO_FIXTURE_CHECK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@pytest.fixture(params=["tcp", "unix", "tls", "tls-memory"])
def server(serve, request):
    """The same promises whichever sender is chosen: from the page cache, in slices, both under TLS."""
    return serve(transport=request.param)


def all_closed(server) -> bool:
    return all(blob.closed for blob in server.tree.open_blobs)


class TestWhole:
    def test_get_sends_every_byte_with_its_headers(self, server, blob):
        with server.connect() as client:
            answer = client.get("/blob")
        assert answer.status == 200
        assert answer.body == blob.read_bytes()
        assert answer.headers["etag"] == '"tag"'
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["last-modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"
        assert answer.headers["content-type"] == "application/x-test"
        eventually(lambda: all_closed(server), "the blob to be closed")

    def test_head_sends_the_same_headers_and_no_byte(self, server):
        with server.connect() as client:
            answer = client.get("/blob", method="HEAD")
            assert answer.headers["content-length"] == str(BLOB_SIZE)
            assert client.get("/blob", method="HEAD").status == 200
        eventually(lambda: all_closed(server), "the blobs to be closed")

    def test_a_blob_is_never_compressed(self, server, blob):
        with server.connect() as client:
            assert client.get("/blob", "Accept-Encoding: gzip").body == blob.read_bytes()

    @pytest.mark.parametrize("size", [0, 1, 131_072, 131_073])
    def test_blobs_of_any_size(self, server, blob, size):
        data = os.urandom(size)
        blob.write_bytes(data)
        with server.connect() as client:
            assert client.get("/blob").body == data
            assert client.get("/blob").body == data

    def test_many_on_one_connection_and_pipelined(self, server, blob):
        """The sender gives the connection back, whatever came first or waits behind."""
        content = blob.read_bytes()
        ask = b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n"
        other = b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n"
        with server.connect() as client:
            client.send(ask + other + ask + ask + other)
            bodies = [client.answer().body for _ in range(5)]
        assert [len(body) == BLOB_SIZE and body == content for body in bodies] == [True, False, True, True, False]

    def test_connection_close_comes_after_the_last_byte(self, server, blob):
        with server.connect() as client:
            assert client.get("/blob", "Connection: close").body == blob.read_bytes()
            assert client.rest() == b""


class TestColdFiles:
    def test_a_file_that_is_not_in_the_page_cache_is_sent_whole(self, server, blob):
        """Read by the disk threads, window by window, while the reactor serves others."""
        content = os.urandom(9_000_000)
        with open(blob, "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with server.connect() as client:
            answer = client.get("/blob")
            assert answer.body == content
            assert client.get("/blob", "Range: bytes=8000000-").body == content[8_000_000:]

    def test_a_client_that_leaves_while_the_disk_is_read_costs_nothing(self, server, blob):
        with open(blob, "ab") as file:
            file.write(os.urandom(9_000_000))
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for _ in range(5):
            with server.connect() as client:
                client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n")
        eventually(lambda: all_closed(server) and not server.site.channels, "the blobs to be closed")

    def test_warming_makes_a_cold_file_warm(self, blob, loop, threads):
        """What was read by a thread need not be read again, and a window is only ever asked for once."""
        with open(blob, "rb+") as file:
            file.truncate(12_000_000)
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            body = Body([range(12_000_000)], file.fileno(), None, threads)
            body.is_cold(100_000)

            async def scenario():
                await body.warm()

            loop.wait(scenario())
            assert not body.is_cold(WARM_WINDOW)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            assert not body.is_cold(WARM_WINDOW)


class TestRanges:
    @NO_FIXTURE_CHECK
    @given(first=st.integers(0, BLOB_SIZE + 10), last=st.integers(0, BLOB_SIZE + 10))
    def test_one_range_is_the_slice_that_python_would_take(self, server, blob, first, last):
        content = blob.read_bytes()
        with server.connect() as client:
            answer = client.get("/blob", f"Range: bytes={first}-{last}")
        if last < first:
            assert (answer.status, answer.body) == (200, content)
        elif first >= BLOB_SIZE:
            assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{BLOB_SIZE}")
        else:
            assert answer.status == 206
            assert answer.body == content[first : last + 1]
            assert answer.headers["content-range"] == f"bytes {first}-{min(last, BLOB_SIZE - 1)}/{BLOB_SIZE}"

    @NO_FIXTURE_CHECK
    @given(starts=st.lists(st.integers(0, BLOB_SIZE - 1), min_size=2, max_size=10, unique=True))
    def test_several_ranges_come_as_parts_that_a_mail_parser_reads(self, server, blob, starts):
        content = blob.read_bytes()
        spans = [(start, min(start + 3, BLOB_SIZE)) for start in starts]
        asked = ",".join(f"{start}-{stop - 1}" for start, stop in spans)
        with server.connect() as client:
            answer = client.get("/blob", f"Range: bytes={asked}")
        if answer.status == 200:  # too many of them overlapped
            assert answer.body == content
            return
        raw = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode() + answer.body
        parts = email.message_from_bytes(raw).get_payload()
        assert [part["Content-Range"] for part in parts] == [f"bytes {a}-{b - 1}/{BLOB_SIZE}" for a, b in spans]
        assert [part["Content-Type"] for part in parts] == ["application/x-test"] * len(spans)
        pieces = re.split(rb"bytes \d+-\d+/\d+\r\n\r\n", answer.body)[1:]
        lengths = [b - a for a, b in spans]
        assert [piece[:count] for piece, count in zip(pieces, lengths, strict=True)] == [content[a:b] for a, b in spans]

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            (["Range: bytes=0-0"], 206),
            (["Range: bytes=-1"], 206),
            (["Range: bytes=-0"], 416),
            (["Range: lines=0-0"], 200),
            (["Range: bytes=a-b"], 200),
            (["Range: bytes=0-0", 'If-Range: "tag"'], 206),
            (["Range: bytes=0-0", 'If-Range: W/"tag"'], 200),
            (["Range: bytes=0-0", 'If-Range: "older"'], 200),
            (["Range: bytes=0-0", "If-Range: Sun, 09 Sep 2001 01:46:40 GMT"], 206),
            (["Range: bytes=0-0", "If-Range: Sun, 09 Sep 2001 01:46:41 GMT"], 200),
            (["Range: bytes=0-0", 'If-None-Match: "tag"'], 304),
            (['If-None-Match: "x", W/"tag"'], 304),
            (['If-None-Match: "x"'], 200),
            (["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"], 304),
            (["If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT"], 200),
            (["If-Modified-Since: nonsense"], 200),
            (['If-None-Match: "x"', "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"], 200),
            (['If-Match: "tag"'], 200),
            (['If-Match: "x"'], 412),
            (["If-Match: *"], 200),
            (["If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT"], 412),
        ],
    )
    def test_preconditions_and_ranges_in_the_order_of_the_specification(self, server, fields, status):
        with server.connect() as client:
            answer = client.get("/blob", *fields)
            assert answer.status == status
            assert answer.headers["etag"] == '"tag"'
            assert client.get("/a").status == 200
        eventually(lambda: all_closed(server), "the blobs to be closed")

    def test_head_ignores_ranges(self, server):
        """RFC 9110, section 14.2: Range is defined for GET only."""
        with server.connect() as client:
            answer = client.get("/blob", "Range: bytes=0-0", method="HEAD")
            assert (answer.status, answer.headers["content-length"]) == (200, str(BLOB_SIZE))

    def test_a_refused_range_has_a_document(self, server):
        with server.connect() as client:
            answer = client.get("/blob", "Range: bytes=9999999-")
            assert answer.title == "Range not satisfiable"
            assert answer.headers["content-type"] == "application/vnd.api+json"


class TestEnds:
    @pytest.fixture
    def huge(self, blob):
        with open(blob, "ab") as file:
            file.truncate(400_000_000)
        return blob

    def test_the_file_is_closed_when_the_client_leaves(self, server, huge):
        with server.connect() as client:
            client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n")
            client.take(100_000)
            assert not all_closed(server)
        eventually(lambda: all_closed(server), "the blob to be closed")
        eventually(lambda: server.observed.codes == [499], "the observer to be told")

    def test_the_file_is_closed_when_the_client_has_left_before_it_was_opened(self, server):
        """A handler that returns a blob after its client is gone does not leak it."""
        with server.connect() as client:
            client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n" * 20)
        eventually(lambda: all_closed(server) and not server.site.channels, "all blobs to be closed")

    def test_the_file_is_closed_when_the_server_ends_the_connection(self, server, huge):
        with server.connect() as client:
            client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n")
            client.take(1000)
            server.loop.call(lambda: [channel.transport.abortConnection() for channel in list(server.site.channels)])
            eventually(lambda: all_closed(server), "the blob to be closed")

    def test_a_file_that_lost_its_end_never_looks_complete(self, server, huge):
        """The connection is reset, so no client takes what it has for the whole."""
        with server.connect() as client:
            client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n")
            client._until(b"\r\n\r\n")
            os.truncate(huge, 20_000_000)
            with pytest.raises((EOFError, ConnectionResetError)):
                client.take(400_000_000)
        eventually(lambda: all_closed(server), "the blob to be closed")

    @pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs a file that cannot be sent by the kernel")
    def test_a_file_that_the_kernel_cannot_send_goes_through_memory(self, server):
        """Some file systems refuse sendfile; the client notices nothing."""
        protections = [mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE]
        kept = [mmap.mmap(-1, mmap.PAGESIZE, prot=protections[number % 2]) for number in range(4000)]
        server.tree.blob_path, server.tree.blob_size = "/proc/self/maps", 150_000
        with server.connect() as client:
            answer = client.get("/blob")
            assert (answer.status, len(answer.body)) == (200, 150_000)
            assert answer.body.count(b"\n") > 1000
            assert client.get("/a").status == 200
        assert len(kept) == 4000

    def test_a_slow_reader_gets_every_byte(self, server, blob):
        """More than the kernel's buffers hold, taken in small reads: the sender stops and goes on many times."""
        content = os.urandom(20_000_000)
        blob.write_bytes(content)
        with server.connect() as client:
            client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\nGET /a HTTP/1.1\r\nHost: t\r\n\r\n")
            client._until(b"\r\n\r\n")
            received = [client.take(20_000) for _ in range(1000)]
            assert b"".join(received) == content
            assert client.answer().status == 200
