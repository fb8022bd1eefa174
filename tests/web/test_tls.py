"""TLS through real clients: what is agreed on, how answers look on the wire, how connections end."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from itertools import cycle

import pytest

from keygenreg.web.limits import Limits
from keygenreg.web.tls.transport import RECORD
from tests.web.conftest import BLOB_SIZE
from tests.web.serving import PATIENCE, Client, eventually, self_signed

APPLICATION_DATA = 23


@pytest.fixture(params=["tls", "tls-memory"])
def server(serve, request):
    """Both kinds of TLS keep the same promises."""
    return serve(transport=request.param)


@pytest.fixture
def direct(serve):
    """TLS on the socket itself."""
    return serve(transport="tls")


def trusting(**attributes) -> ssl.SSLContext:
    """A client's context that knows the server's certificate."""
    context = ssl.create_default_context(cafile=self_signed())
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


def connect(server, context: ssl.SSLContext | None = None, **options) -> Client:
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    return Client((context or trusting()).wrap_socket(sock, server_hostname="localhost", **options))


def raw(server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


class TestAgreement:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_versions_that_are_spoken(self, server, version):
        with connect(server, trusting(minimum_version=version, maximum_version=version)) as client:
            assert client.get("/").status == 200
            assert client.sock.cipher()[2] >= 128

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_older_versions_are_refused(self, server):
        context = trusting(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(server, context)

    def test_ciphers_without_forward_secrecy_are_refused(self, server):
        context = trusting(maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("AES128-SHA:AES256-SHA:AES128-GCM-SHA256")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(server, context)

    def test_http_is_agreed_on_by_alpn(self, server):
        context = trusting()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with connect(server, context) as client:
            assert client.sock.selected_alpn_protocol() == "http/1.1"
            assert client.get("/").status == 200

    def test_clients_without_alpn_are_served(self, server):
        with connect(server) as client:
            assert client.sock.selected_alpn_protocol() is None
            assert client.get("/").status == 200

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_sessions_are_resumed(self, direct, version):
        context = trusting(minimum_version=version, maximum_version=version)
        with connect(direct, context) as client:
            client.get("/")
            session = client.sock.session
        with connect(direct, context, session=session) as client:
            assert client.sock.session_reused
            assert client.get("/").status == 200

    def test_the_request_knows_that_it_is_secure(self, direct):
        """Links in answers follow from it."""
        seen = []
        direct.loop.call(lambda: setattr(direct.site, "log", lambda request: seen.append(request.isSecure())))
        with connect(direct) as client:
            client.get("/")
        eventually(lambda: seen == [True], "the request to be over")


def small_buffer(sock: socket.socket) -> None:
    """Let a socket be full in the middle of everything."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 50_000)


def records_of(server, request: bytes) -> tuple[list[int], bytes]:
    """Sizes of the records of TLS 1.2 that an answer came in, and what they held."""
    context = trusting(maximum_version=ssl.TLSVersion.TLSv1_2)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with raw(server) as sock:
        wire = bytearray()

        def pump(step):
            while True:
                try:
                    result = step()
                    sock.sendall(outgoing.read())
                    return result
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    data = sock.recv(65536)
                    wire.extend(data)
                    incoming.write(data) if data else incoming.write_eof()

        pump(tls.do_handshake)
        wire.clear()
        pump(lambda: tls.write(request))
        body = b""
        while data := pump(lambda: tls.read(65536)):
            body += data
    sizes = []
    while wire:
        length = int.from_bytes(wire[3:5], "big")
        if wire[0] == APPLICATION_DATA:
            sizes.append(length)
        del wire[: 5 + length]
    return sizes, body


class TestAnswers:
    def test_head_and_small_body_are_one_record(self, direct):
        sizes, answer = records_of(direct, b"GET /x HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        assert answer.endswith(b'{"path": "/x"}')
        assert len(sizes) == 1

    def test_a_file_is_in_full_records(self, direct, blob):
        sizes, answer = records_of(direct, b"GET /blob HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        assert answer.endswith(blob.read_bytes())
        assert len(sizes) <= BLOB_SIZE // 16384 + 3

    def test_a_file_in_shares_of_any_size(self, direct, blob):
        """A full socket in between, and more or less than before when it has room again: every byte arrives, once."""
        blob.write_bytes(os.urandom(4_000_000))
        shares = cycle([1, 8, 2, 5, 1, 3])
        direct.loop.call(lambda: setattr(direct._port, "share", lambda _: next(shares) * RECORD))
        with connect(direct) as client:
            client.get("/")
            direct.loop.call(lambda: [small_buffer(channel.transport.socket) for channel in direct.site.channels])
            assert client.get("/blob").body == blob.read_bytes()
            assert client.get("/blob", "Range: bytes=5-2000004").body == blob.read_bytes()[5:2_000_005]

    def test_many_requests_in_one_packet(self, server, blob):
        """Answers come whole and in order, however much is asked for at once."""
        paths = [f"/{number}" if number % 10 else "/blob" for number in range(300)]
        with connect(server) as client:
            client.send("".join(f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n" for path in paths).encode())
            for path in paths:
                answer = client.answer()
                assert answer.status == 200
                assert answer.body == (blob.read_bytes() if path == "/blob" else b'{"path": "%s"}' % path.encode())

    def test_uploads_arrive(self, server):
        data = os.urandom(3_000_000)
        with connect(server) as client:
            client.send(b"PUT /up/3000000 HTTP/1.1\r\nHost: t\r\nContent-Length: 3000000\r\n\r\n" + data)
            assert b'"size": 3000000' in client.answer().body
            assert client.get("/").status == 200

    def test_a_refusal_reaches_a_client_that_sends_on(self, direct):
        """Closing with unread bytes would reset the connection, and the client never learn why."""
        piece = bytes(1 << 20)
        with connect(direct) as client:
            client.send(b"PUT /up/10 HTTP/1.1\r\nHost: t\r\nContent-Length: 20000000\r\n\r\n")
            try:
                for _ in range(20):
                    client.send(piece)
            except OSError:
                pass
            assert client.answer().status == 413
            assert client.rest() == b""


class TestEnds:
    def test_the_last_answer_ends_with_a_close_notify(self, server):
        """So nobody can cut off an answer without the client noticing."""
        with connect(server, suppress_ragged_eofs=False) as client:
            assert client.get("/", "Connection: close").status == 200
            assert client.sock.recv(1) == b""

    def test_an_answer_that_breaks_off_has_none(self, direct, blob):
        direct.tree.blob_size = BLOB_SIZE + 10
        with connect(direct, suppress_ragged_eofs=False) as client:
            client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n")
            with pytest.raises(OSError):
                while client.sock.recv(65536):
                    pass

    def test_idle_connections_are_closed(self, serve):
        server = serve(transport="tls", limits=Limits(keep_alive=0.5))
        with connect(server, suppress_ragged_eofs=False) as client:
            assert client.get("/").status == 200
            assert client.sock.recv(1) == b""
        eventually(lambda: not server.site.channels, "the connection to be gone")

    def test_a_client_that_says_goodbye_is_answered(self, direct):
        with connect(direct) as client:
            client.get("/")
            client.sock.unwrap().close()  # raises when no close_notify comes back
        eventually(lambda: not direct.site.channels, "the connection to be gone")

    def test_a_client_that_leaves_in_the_middle_of_a_file(self, server):
        for leave in (lambda sock: sock.close(), lambda sock: sock.shutdown(socket.SHUT_RDWR)):
            with connect(server) as client:
                client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n")
                client.sock.recv(1000)
                leave(client.sock)
        eventually(lambda: server.tree.open_blobs and all(blob.closed for blob in server.tree.open_blobs), "closing")
        eventually(lambda: not server.site.channels, "the connections to be gone")

    def test_a_client_that_takes_nothing_is_left(self, serve, blob):
        os.truncate(blob, 64 << 20)
        server = serve(transport="tls", limits=Limits(send_time=0.5))
        with connect(server) as client:
            client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n")
            eventually(lambda: not server.site.channels, "the connection to be given up")
        eventually(lambda: all(blob.closed for blob in server.tree.open_blobs), "the blob to be closed")

    def test_stopping_lets_answers_come_to_their_end(self, direct, blob):
        os.truncate(blob, 32 << 20)
        with connect(direct) as client:
            client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n")
            client.sock.recv(1)
            direct.loop.call(direct.site.drain)
            client._buffer += b"H"
            assert len(client.answer().body) == 32 << 20
            assert client.rest() == b""


@pytest.mark.skipif(not shutil.which("openssl"), reason="NOT TESTED: openssl is not installed on this machine")
class TestOpenssl:
    """What Python's clients cannot do: new keys in the middle, a new handshake, half a handshake."""

    def talk(self, server, *options: str, words: list[tuple[str, str]]) -> str:
        """Each word is said when the mark of the one before was answered; all that was answered."""
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *options]
        said = ""
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as child:
            for word, mark in words:
                child.stdin.write(word.encode())
                child.stdin.flush()
                heard = ""
                while mark not in heard and (data := os.read(child.stdout.fileno(), 65536)):
                    heard += data.decode("latin-1")
                said += heard
            child.stdin.close()
        return said

    REQUEST = "GET /key HTTP/1.1\r\nHost: t\r\n\r\n"
    LAST = "GET /last HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"

    def test_new_keys(self, direct):
        """KeyUpdate of TLS 1.3, which asks the server to change its own too."""
        words = [(self.REQUEST, '"/key"}'), ("K\n", "KEYUPDATE"), (self.REQUEST, '"/key"}'), ("K\n", "KEYUPDATE")]
        said = self.talk(direct, "-tls1_3", words=[*words, (self.LAST, '"/last"}')])
        assert said.count("KEYUPDATE") == 2
        assert said.count('"/key"') == 2
        assert said.count('"/last"') == 1

    def test_a_new_handshake_is_not_begun(self, direct):
        """It would cost us more than the client, and is how TLS 1.2 was attacked."""
        said = self.talk(direct, "-tls1_2", words=[(self.REQUEST, '"/key"}'), ("R\n", "no renegotiation")])
        assert "RENEGOTIATING" in said
        assert "no renegotiation" in said
        with connect(direct) as client:
            assert client.get("/").status == 200
