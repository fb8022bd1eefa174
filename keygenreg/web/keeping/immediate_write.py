"""
Writing without waiting for the reactor: what the socket takes at once is gone before the next event.

Twisted writes when the reactor next says that the socket is writable, which costs two system calls and one turn of the
loop for every small answer. This sends at once when nothing waits before. Leans on ``dataBuffer`` and ``_tempDataLen``
of ``twisted.internet.tcp.Server`` (26.10), as :mod:`keygenreg.web.files.sendfile` does. TLS on the socket itself does
the same in its own way; any other transport is written to in the usual one.
"""

from __future__ import annotations

from twisted.internet import tcp

from keygenreg.web.tls.transport import TlsTransport


def send_now(transport: object, *buffers: bytes | memoryview) -> int:
    """
    Give the socket of a transport what it takes at once, where nothing waits before.

    :return: the number of bytes that it took: 0 where the transport is of another kind, is busy or is ending.
    """
    if type(transport) is TlsTransport:
        return transport.send_now(*buffers)
    if (
        type(transport) is not tcp.Server
        or transport.TLS
        or transport.dataBuffer
        or transport._tempDataLen
        or transport.disconnecting
        or "doWrite" in transport.__dict__
    ):
        return 0
    try:
        return transport.socket.sendmsg(buffers) if len(buffers) > 1 else transport.socket.send(*buffers)
    except OSError:
        # Full, or gone: the transport finds out which.
        return 0


def write_now(transport: object, *buffers: bytes | memoryview) -> None:
    """Write to a transport, past the reactor where that is possible; order is kept, and of buffers nothing is."""
    sent = send_now(transport, *buffers)
    for each in buffers:
        if sent < len(each):
            transport.write(bytes(each[sent:]))
        sent = max(0, sent - len(each))
