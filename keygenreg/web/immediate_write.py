"""
Writing without waiting for the reactor: what the socket takes at once is gone before the next event.

Twisted writes when the reactor next says that the socket is writable, which costs two system calls and one turn of the
loop for every small answer. This sends at once when nothing waits before. Leans on ``dataBuffer`` and ``_tempDataLen``
of ``twisted.internet.tcp.Server`` (26.10), as :mod:`keygenreg.web.sendfile` does; any other transport is written to in
the usual way.
"""

from __future__ import annotations

from twisted.internet import tcp


def write_now(transport: object, data: bytes) -> None:
    """Write ``data`` to a transport, past the reactor where that is possible; order is kept."""
    if (
        type(transport) is tcp.Server
        and not transport.TLS
        and not transport.dataBuffer
        and not transport._tempDataLen
        and not transport.disconnecting
        and "doWrite" not in transport.__dict__
    ):
        try:
            sent = transport.socket.send(data)
        except OSError:
            # Full, or gone: the transport finds out which.
            sent = 0
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)
