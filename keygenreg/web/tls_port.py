"""Listening for TLS on a socket that exists: on sockets themselves, or with Twisted's TLS where that cannot be."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

from twisted.internet import tcp
from twisted.internet.interfaces import IListeningPort, IProtocol, IProtocolFactory
from twisted.protocols.tls import TLSMemoryBIOFactory

from keygenreg.web.tls_context import context_of, options_of
from keygenreg.web.tls_tickets import share_tickets
from keygenreg.web.tls_transport import PIECE, RECORD, TlsTransport, can_encrypt_on_sockets

#: Seconds of handshakes in one turn of the reactor before everything else has its own; one with RSA takes milliseconds.
_SHAKING_PER_TURN = 0.01

#: Bytes of files that all connections send in one turn, beyond which each still gets a record; records for one of them.
_SENDING_PER_TURN = 8 * 1024 * 1024
_MOST_RECORDS = 16


def listen_tls(
    reactor: Any,
    descriptor: int,
    family: int,
    factory: IProtocolFactory,
    *,
    chain: Path,
    key: Path,
    handshake_seconds: float,
    tickets: bytes | None = None,
    on_sockets: bool = True,
) -> IListeningPort:
    """
    Serve TLS on a listening socket; the reactor works on a duplicate of it.

    :param chain: the certificate and those between it and its root, PEM.
    :param key: its private key, PEM, not encrypted; may be the same file.
    :param handshake_seconds: what a client gets for its handshake.
    :param tickets: what :func:`~keygenreg.web.tls_tickets.share_tickets` takes, where several processes listen.
    :param on_sockets: whether to use :mod:`keygenreg.web.tls_transport` where it works.
    :raises OSError, ValueError: the files cannot be used.
    """
    if not (on_sockets and can_encrypt_on_sockets()):
        wrapped = TLSMemoryBIOFactory(options_of(chain, key), False, factory, clock=reactor)
        return reactor.adoptStreamPort(descriptor, family, wrapped)
    port = TlsPort._fromListeningDescriptor(reactor, descriptor, family, factory)
    port.handshake_seconds, port.tickets = handshake_seconds, tickets
    port.use(chain, key)
    port.startListening()
    return port


class TlsPort(tcp.Port):
    """Makes connections that are :class:`TlsTransport`, and keeps them from holding up everything else."""

    _type = "TLS"
    handshake_seconds = 20.0
    tickets: bytes | None = None
    _in_turn = False
    _shaking = 0.0
    _sent = 0
    _senders = 0
    _last_senders = 0
    _context: ssl.SSLContext
    _scratch: memoryview

    def use(self, chain: Path, key: Path) -> None:
        """Show this certificate from now on. Raises OSError or ValueError, and keeps the old one."""
        context = context_of(chain, key)
        if self.tickets is not None:
            share_tickets(context, self.tickets)
        self._context = context

    def startListening(self) -> None:
        self._scratch = memoryview(bytearray(PIECE))
        super().startListening()

    def transport(
        self, accepted: socket.socket, protocol: IProtocol, client: tuple, port: TlsPort, number: int, reactor: Any
    ) -> TlsTransport:
        """The transport of one connection; called by ``doRead`` as it would make a ``tcp.Server``."""
        try:
            accepted.getpeername()
            encrypted = self._context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        except OSError:
            # It was reset before we came to it. Twisted expects a transport nevertheless.
            accepted.close()
            gone = TlsTransport(socket.socket(self.addressFamily), protocol, client, port, number, reactor)
            gone.abortConnection()
            return gone
        transport = TlsTransport(encrypted, protocol, client, port, number, reactor)
        transport.scratch = self._scratch
        transport.begin(self.handshake_seconds)
        return transport

    def may_shake(self) -> bool:
        """Whether there is time for another handshake in this turn."""
        return self._shaking < _SHAKING_PER_TURN

    def shook(self, seconds: float) -> None:
        """Count time spent on a handshake."""
        self._shaking += seconds
        self._await_next_turn()

    def share(self) -> int:
        """How many bytes of a file one connection may send now."""
        if self._sent > _SENDING_PER_TURN:
            return RECORD
        records = _SENDING_PER_TURN // max(self._last_senders, 1) // RECORD
        return RECORD * max(min(records, _MOST_RECORDS), 1)

    def sent(self, count: int) -> None:
        """Count bytes that one connection sent of its share."""
        self._sent += count
        self._senders += 1
        self._await_next_turn()

    def _await_next_turn(self) -> None:
        if not self._in_turn:
            self._in_turn = True
            self.reactor.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._in_turn, self._shaking, self._sent = False, 0.0, 0
        self._last_senders, self._senders = self._senders, 0
