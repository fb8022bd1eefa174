"""What treq sends requests through: nothing of its own conveniences, which a mirror must not have."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import Any

from attrs import frozen
from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import Deferred
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from keygenreg.upstream.addresses import AddressRules
from keygenreg.upstream.connecting import GuardedEndpoints

#: Where the coding of a body is told after treq's own decoder, which has no bound, must not see it.
CODING = b"x-keygenreg-coding"
#: How the caller says what may be sent: treq adds gzip to whatever is there.
WANTED_CODING = b"x-keygenreg-accept-encoding"

_IDLE_CONNECTIONS = 8
_IDLE_SECONDS = 60


@implementer(IAgent)
@frozen(eq=False)
class PlainAgent:
    """Sends what it was given: no cookies either way, one Accept-Encoding, bodies as they come."""

    _agent: IAgent

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: Any = None
    ) -> Deferred[IResponse]:
        sent = Headers() if headers is None else headers.copy()
        sent.removeHeader(b"Cookie")
        sent.setRawHeaders(b"Accept-Encoding", sent.getRawHeaders(WANTED_CODING, [b"identity"]))
        sent.removeHeader(WANTED_CODING)
        return self._agent.request(method, uri, sent, bodyProducer).addCallback(_undecoded)


def _undecoded(response: IResponse) -> IResponse:
    headers = response.headers
    headers.removeHeader(b"Set-Cookie")
    coding = b",".join(headers.getRawHeaders(b"Content-Encoding", []))
    headers.removeHeader(b"Content-Encoding")
    headers.setRawHeaders(CODING, [coding.strip().lower()])
    return response


def http_client(reactor: Any, rules: AddressRules, *, connect_seconds: float) -> tuple[HTTPClient, HTTPConnectionPool]:
    """A treq client that reaches only what ``rules`` admit, and its pool, which must be closed in the end."""
    pool = HTTPConnectionPool(reactor, persistent=True)
    pool.maxPersistentPerHost = _IDLE_CONNECTIONS
    pool.cachedConnectionTimeout = _IDLE_SECONDS
    endpoints = GuardedEndpoints(reactor, rules, connect_seconds)
    agent = Agent.usingEndpointFactory(reactor, endpoints, pool)
    jar = IndexableCookieJar(policy=DefaultCookiePolicy(allowed_domains=()))
    return HTTPClient(PlainAgent(agent), jar), pool
