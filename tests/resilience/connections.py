"""Raw connections to a registry, for clients that send half, read slowly or leave."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from tests.resilience.conftest import KIB

_PIECE = 256 * KIB


def open_request(
    url: str, method: str = "GET", *, length: int | None = None, window: int | None = None, headers: tuple = ()
) -> socket.socket:
    """
    A connection on which a request's head was sent.

    :param length: size of the body that is announced, in bytes.
    :param window: the receive buffer, in bytes, for clients that leave the rest of an answer to the server.
    """
    parts = urlsplit(url)
    connection = socket.socket()
    connection.settimeout(60)
    if window is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    connection.connect(("127.0.0.1", parts.port))
    target = url.partition(parts.netloc)[2]
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def read_head(connection: socket.socket) -> tuple[int, bytes]:
    """The status of an answer and what has come of its body already."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(_PIECE)
        if not piece:
            raise ConnectionError(f"the answer ended early: {data!r}")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), rest
