"""Connections go to checked addresses only, whatever a resolver says, and each time it says it."""

from __future__ import annotations

import pytest
from attrs import define
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.web.client import URI

from keygenreg.upstream.addresses import AddressRules
from keygenreg.upstream.connecting import GuardedEndpoints
from keygenreg.upstream.failures import Refused, Unreachable


@define
class Resolver:
    """Says what a test tells it to, one list after the other."""

    answers: list[list[str]]

    def resolveHostName(self, receiver, name, port=0, **_):
        receiver.resolutionBegan(self)
        for address in self.answers.pop(0):
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, port))
        receiver.resolutionComplete()


def connecting(answers: list[list[str]], *, private: bool = False, url: str = "http://index.example/a"):
    reactor = MemoryReactorClock()
    reactor.nameResolver = Resolver(answers)
    rules = AddressRules("http://index.example/", (), private)
    endpoint = GuardedEndpoints(reactor, rules, 5.0).endpointForURI(URI.fromBytes(url.encode()))
    return reactor, endpoint


def failure_of(deferred: Deferred) -> BaseException:
    found: list[BaseException] = []
    deferred.addErrback(lambda reason: found.append(reason.value))
    assert found
    return found[0]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"])
def test_names_at_private_addresses_are_refused(address: str):
    reactor, endpoint = connecting([[address]])
    assert isinstance(failure_of(endpoint.connect(Factory.forProtocol(Protocol))), Refused)
    assert not reactor.tcpClients


def test_the_private_ones_of_several_are_passed_over():
    reactor, endpoint = connecting([["10.0.0.1", "8.8.8.8"]])
    endpoint.connect(Factory.forProtocol(Protocol))
    assert [client[0] for client in reactor.tcpClients] == ["8.8.8.8"]


def test_what_was_checked_is_what_is_connected_to():
    """A name that changes its address between look-ups gains nothing: there is one look-up for each connection."""
    reactor, endpoint = connecting([["8.8.8.8"], ["127.0.0.1"]])
    endpoint.connect(Factory.forProtocol(Protocol))
    assert [client[0] for client in reactor.tcpClients] == ["8.8.8.8"]
    assert isinstance(failure_of(endpoint.connect(Factory.forProtocol(Protocol))), Refused)
    assert len(reactor.tcpClients) == 1


def test_an_operator_may_allow_them():
    reactor, endpoint = connecting([["10.0.0.1"]], private=True)
    endpoint.connect(Factory.forProtocol(Protocol))
    assert [client[0] for client in reactor.tcpClients] == ["10.0.0.1"]


def test_a_name_without_addresses():
    _, endpoint = connecting([[]])
    assert isinstance(failure_of(endpoint.connect(Factory.forProtocol(Protocol))), Unreachable)


def test_a_host_that_is_not_allowed_has_no_endpoint():
    with pytest.raises(Refused):
        connecting([], url="http://evil.example/")
