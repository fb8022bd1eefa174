"""Listening for TLS on a socket that exists: on sockets themselves, or with Twisted's TLS where that cannot be."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet import tcp
from twisted.internet.interfaces import IListeningPort, IProtocol, IProtocolFactory
from twisted.protocols.tls import TLSMemoryBIOFactory

from keygenreg.web.tls.context import context_of, options_of
from keygenreg.web.tls.tickets import share_tickets
from keygenreg.web.tls.transport import PIECE, RECORD, TlsTransport, can_encrypt_on_sockets

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
    :param tickets: what :func:`~keygenreg.web.tls.tickets.share_tickets` takes, where several processes listen.
    :param on_sockets: whether to use :mod:`keygenreg.web.tls.transport` where it works.
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


@define
class Turn:
    """
    What connections did in this turn of the reactor. The reactor comes to each once in a turn, so another one has begun
    when it comes to one again.

    :ivar spent: in this turn, of whatever is counted.
    :ivar last_crowd: how many connections did something in the turn before.
    """

    spent: float = 0
    last_crowd: int = 0
    _met: set[int] = field(factory=set, init=False)

    def spent_before(self, transport: object) -> float:
        """What was spent before it is this connection's turn."""
        if id(transport) in self._met:
            self.last_crowd, self.spent = len(self._met), 0
            self._met.clear()
        self._met.add(id(transport))
        return self.spent


class TlsPort(tcp.Port):
    """Makes connections that are :class:`TlsTransport`, and keeps them from holding up everything else."""

    _type = "TLS"
    handshake_seconds = 20.0
    tickets: bytes | None = None
    _context: ssl.SSLContext

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._scratch = memoryview(bytearray(PIECE))
        self._shaking, self._sending = Turn(), Turn()

    def use(self, chain: Path, key: Path) -> None:
        """Show this certificate from now on. Raises OSError or ValueError, and keeps the old one."""
        context = context_of(chain, key)
        if self.tickets is not None:
            share_tickets(context, self.tickets)
        self._context = context

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

    def may_shake(self, transport: TlsTransport) -> bool:
        """Whether there is time for a handshake in this turn."""
        return self._shaking.spent_before(transport) < _SHAKING_PER_TURN

    def shook(self, seconds: float) -> None:
        """Count time spent on a handshake."""
        self._shaking.spent += seconds

    def share(self, transport: TlsTransport) -> int:
        """How many bytes of a file a connection may send now."""
        if self._sending.spent_before(transport) > _SENDING_PER_TURN:
            return RECORD
        records = _SENDING_PER_TURN // max(self._sending.last_crowd, 1) // RECORD
        return RECORD * max(min(records, _MOST_RECORDS), 1)

    def sent(self, count: int) -> None:
        """Count bytes that were sent of a share."""
        self._sending.spent += count
