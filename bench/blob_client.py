"""A client of large files that costs next to nothing, so that what is measured is the server; run as a process.

Bytes are counted and thrown away: ``discard`` lets the kernel drop them uncopied (MSG_TRUNC), ``read`` copies them as
real clients do. With TLS the handshake and the request are real, and the encrypted answer is dropped undeciphered.
"""

from __future__ import annotations

import json
import selectors
import socket
import ssl
import sys
import time
from contextlib import ExitStack
from functools import cache
from typing import Any

from bench.machine import KIB, MIB, Server, costs_of, run_client

_HEAD_END = b"\r\n\r\n"
_BUFFERS = {"discard": 4 * MIB, "read": 256 * KIB}


class Download:
    """One connection that asks for the same file again and again; ``received`` counts bytes of bodies."""

    def __init__(self, order: dict[str, Any], buffer: memoryview) -> None:
        self.order = order
        self.received = self.done = 0
        self._buffer = buffer
        self._flags = socket.MSG_TRUNC if order["mode"] == "discard" else 0
        self._left = 0
        self.socket = connected(order)
        self.ask()

    def ask(self) -> None:
        self._head = b""
        if self.order["tls"]:
            # Nothing of the answer is read: its length is known, and the next file comes by a new connection.
            self._left = self.order["size"]
        else:
            self.socket.setblocking(True)
            self.socket.sendall(request_of(self.order))
            self.socket.setblocking(False)

    def readable(self) -> bool:
        """Take what has come; False: the file is complete on a connection that is not used again."""
        if not self._left:
            return self._take_head()
        count = self.socket.recv_into(self._buffer, min(self._left, len(self._buffer)), self._flags)
        if not count:
            raise ConnectionError("a download ended early")
        self.received += count
        self._left -= count
        if self._left:
            return True
        self.done += 1
        if self.order["tls"]:
            return False
        self.ask()
        return True

    def _take_head(self) -> bool:
        data = self.socket.recv(16 * KIB)
        if not data:
            raise ConnectionError("no answer")
        self._head += data
        head, end, body = self._head.partition(_HEAD_END)
        if end:
            lines = head.decode("latin-1").lower().split("\r\n")
            if lines[0].split()[1] != "200":
                raise RuntimeError(lines[0])
            (length,) = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
            self._left = int(length) - len(body)
            self.received += len(body)
        return True


def request_of(order: dict[str, Any]) -> bytes:
    return f"GET {order['path']} HTTP/1.1\r\nHost: 127.0.0.1:{order['port']}\r\nAccept: */*\r\n\r\n".encode()


@cache
def _trusting() -> ssl.SSLContext:
    """Takes any certificate; made once, as a context that knows authorities takes long to make."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connected(order: dict[str, Any], receive_buffer: int | None = None) -> socket.socket:
    """A connection; with TLS the request is sent, and what is read afterwards is ciphertext."""
    plain = socket.socket()
    if receive_buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.connect(("127.0.0.1", order["port"]))
    if not order["tls"]:
        return plain
    secured = _trusting().wrap_socket(plain, server_hostname="localhost")
    secured.sendall(request_of(order))
    plain = socket.socket(fileno=secured.detach())
    plain.setblocking(False)
    return plain


def run(order: dict[str, Any]) -> dict[str, float]:
    """
    Download for ``seconds``; the bytes that came, in what time, how many whole files, and what process ``pid`` used
    meanwhile. Time begins when all are connected.
    """
    buffer = memoryview(bytearray(_BUFFERS[order["mode"]]))
    open_, past = [], []
    with selectors.EpollSelector() as selector, ExitStack() as stack:

        def add() -> None:
            download = Download(order, buffer)
            stack.callback(download.socket.close)
            selector.register(download.socket, selectors.EVENT_READ, download)
            open_.append(download)

        for _ in range(order["connections"]):
            add()
        before, began = costs_of(order["pid"]), time.monotonic()
        while time.monotonic() < began + order["seconds"]:
            for key, _ in selector.select(0.1):
                download = key.data
                if not download.readable():
                    selector.unregister(download.socket)
                    download.socket.close()
                    open_.remove(download)
                    past.append(download)
                    add()
        took, spent = time.monotonic() - began, costs_of(order["pid"]).since(before)
    received, done = (sum(getattr(each, name) for each in open_ + past) for name in ("received", "done"))
    return {"bytes": received, "seconds": took, "done": done, "cpu": spent.server}


def download(
    server: Server, *, port: int, path: str, size: int, connections: int, seconds: float, mode: str, tls: bool = False
) -> dict[str, float]:
    """
    Measure a server: ``rate`` in GB/s, ``cpu`` in seconds per GB, ``growth`` of its memory in MiB, ``client``: how busy
    the client's core was (1 is all of it).
    """
    order = {
        "port": port, "path": path, "size": size, "connections": connections, "seconds": seconds, "mode": mode,
        "tls": tls, "pid": server.pid,
    }  # fmt: skip
    said, growth, client = run_client("bench.blob_client", order, server.pid, timeout=60 + seconds)
    gigabytes = max(said["bytes"], 1) / 1e9
    return {
        "rate": gigabytes / said["seconds"],
        "cpu": said["cpu"] / gigabytes,
        "growth": growth / MIB,
        "client": client / said["seconds"],
    }


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
