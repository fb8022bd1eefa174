"""The socket that web processes share, and its way into a reactor."""

from __future__ import annotations

import errno
import socket
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

BACKLOG = 1024


def bind(host: str, port: int) -> socket.socket:
    """
    A listening TCP socket.

    :param host: an address; ``::`` takes IPv4 too.
    :raises CannotListenError: the address is in use, or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            raise CannotListenError(host, port, error) from None
        raise
    listener.setblocking(False)
    return listener


def adopt(reactor: Any, descriptor: int, family: int, factory: IProtocolFactory) -> IListeningPort:
    """Serve on a listening socket; the reactor works on a duplicate of it."""
    return reactor.adoptStreamPort(descriptor, family, factory)
