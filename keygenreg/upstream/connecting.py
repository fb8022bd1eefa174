"""Connections to checked addresses only: a name is resolved once, and what was checked is what is connected to."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectingCancelledError, TimeoutError
from twisted.internet.interfaces import IAddress, IProtocolFactory, IResolutionReceiver, IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from keygenreg.upstream.addresses import AddressRules
from keygenreg.upstream.failures import Refused, Unreachable

LONGEST_HEAD = 256 * 1024
"""Bytes of an answer's head, interim answers included; Twisted's client sets itself no bound."""

#: Addresses of one name that are tried, one after the other.
_TRIED = 4


@implementer(IResolutionReceiver)
class _Addresses:
    """Gathers what a resolver finds."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.complete: Deferred[list[str]] = Deferred()

    def resolutionBegan(self, resolution: Any) -> None: ...

    def addressResolved(self, address: IAddress) -> None:
        self.found.append(address.host)

    def resolutionComplete(self) -> None:
        if not self.complete.called:
            self.complete.callback(self.found)


def limit_heads(protocol: Any) -> Any:
    """
    Let a client's protocol end its connection when an answer's head has no end.

    Leans on ``_parser`` and its ``state`` (twisted.web._newclient, 26.10).
    """
    receive = protocol.dataReceived
    heads = 0

    def data_received(data: bytes) -> None:
        nonlocal heads
        receive(data)
        parser = getattr(protocol, "_parser", None)
        if parser is None or parser.state not in ("STATUS", "HEADER"):
            heads = 0
            return
        heads += len(data)
        if heads > LONGEST_HEAD:
            protocol.transport.abortConnection()

    protocol.dataReceived = data_received
    return protocol


@implementer(IStreamClientEndpoint)
@frozen(eq=False)
class GuardedEndpoint:
    """One host and port; connects where :class:`AddressRules` admit it. ``seconds`` bound each attempt."""

    _reactor: Any
    _rules: AddressRules
    _host: str
    _port: int
    _tls: bool
    _seconds: float

    def connect(self, protocol_factory: IProtocolFactory) -> Deferred[Any]:
        return Deferred.fromCoroutine(self._connect(protocol_factory))

    async def _connect(self, protocol_factory: IProtocolFactory) -> Any:
        receiver = _Addresses()
        self._reactor.nameResolver.resolveHostName(receiver, self._host, self._port)
        found = await receiver.complete.addTimeout(self._seconds, self._reactor)
        if not found:
            raise Unreachable(f"The host {self._host} has no address.")
        admitted = [address for address in dict.fromkeys(found) if self._rules.admits(address)]
        if not admitted:
            raise Refused(f"The host {self._host} is at an address that is not public; `private_addresses` allows it.")
        for address in admitted[:_TRIED]:
            try:
                return limit_heads(await self._endpoint(address).connect(protocol_factory))
            except ConnectingCancelledError:
                raise
            except (ConnectError, TimeoutError) as error:
                failure = error
        raise failure

    def _endpoint(self, address: str) -> IStreamClientEndpoint:
        kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        plain = kind(self._reactor, address, self._port, timeout=self._seconds)
        return wrapClientTLS(optionsForClientTLS(self._host), plain) if self._tls else plain


@implementer(IAgentEndpointFactory)
@frozen(eq=False)
class GuardedEndpoints:
    """What Twisted's agent asks for endpoints; it pools connections by scheme, host and port."""

    _reactor: Any
    _rules: AddressRules
    _seconds: float

    def endpointForURI(self, uri: URI) -> GuardedEndpoint:
        target = self._rules.check(uri.toBytes().decode("ascii"))
        return GuardedEndpoint(
            self._reactor, self._rules, target.host, target.port, target.scheme == "https", self._seconds
        )
