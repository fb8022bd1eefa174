"""Between a handler and the wire: makes the exchange, turns failures into replies, adds what every answer carries."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import wraps

from attrs import evolve, frozen
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure as Reason
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.exceptions import NotFound as NoRoute

from keygenreg import __version__
from keygenreg.access.remembering import RememberedAccounts, RememberedBearers
from keygenreg.domain.failures import Failure, NotAllowed, NotFound, TooMany, Unauthenticated, Unavailable
from keygenreg.formats.challenge import challenge
from keygenreg.web.answering import answer
from keygenreg.web.exchange import Exchange
from keygenreg.web.keeping.keeping_answer import KeepingAnswer, Memory
from keygenreg.web.keeping.kept_replies import Settled
from keygenreg.web.links import Addresses, Proxies
from keygenreg.web.reply import BlobReply, Reply

AnyReply = Reply | BlobReply
Handler = Callable[[Exchange], Awaitable[AnyReply]]
#: Puts a failure into a protocol's wire form; headers common to all (challenge, Retry-After, Allow) are added after it.
FailureForm = Callable[[Exchange, Failure], Reply]
#: Has the last word about a reply that is otherwise complete.
Finish = Callable[[Exchange, AnyReply], AnyReply]

NEVER_STORED = "no-transform, no-store, max-age=0"
_EXPOSED = (
    "Content-Length, Content-Range, Date, Digest, ETag, Keygen-Account, Keygen-Bearer, Keygen-Date, Keygen-Digest, "
    "Keygen-Edition, Keygen-Environment, Keygen-Mode, Keygen-Revision, Keygen-Signature, Keygen-Token, Keygen-Version, "
    "Link, Location, Retry-After, WWW-Authenticate, X-Request-Id"
)
EDITION = "keygenreg"


@frozen
class Edge:
    """Answers requests on behalf of the features. ``mode`` is ``singleplayer`` or ``multiplayer``."""

    accounts: RememberedAccounts
    authenticator: RememberedBearers
    addresses: Addresses
    proxies: Proxies
    mode: str
    memory: Memory

    def answer(
        self, request: Request, handler: Handler, failure_form: FailureForm, finish: Finish | None = None
    ) -> Deferred[None]:
        """
        Run a handler for a request; what it raises as a :class:`Failure` is answered in the protocol's form.

        :param finish: applied to the complete reply, of a failure too: what signs it.
        :return: fires when the answer is complete or the client has left: what Klein must wait for, else it would end
            the request itself.
        """
        ended = request.notifyFinish().addErrback(lambda _left: None)
        keeping = KeepingAnswer(self.memory, time.time())
        exchange = Exchange(
            request,
            accounts=self.accounts,
            authenticator=self.authenticator,
            addresses=self.addresses,
            proxies=self.proxies,
            account_reference=getattr(request, "account_reference", None),
            keeping=keeping,
        )
        request.client_address = exchange.client_address or None
        early = getattr(request, "early_failure", None)

        async def run() -> AnyReply:
            failed = None
            try:
                if early is not None:
                    raise early
                reply = await handler(exchange)
                await keeping.made(exchange, reply)
            except Settled as settled:
                reply = settled.kept.value
            except Failure as failure:
                # Its traceback would hold this call, and with it the request, in a loop of references.
                failed = failure.with_traceback(None)
                reply = with_failure_headers(exchange, failure, failure_form(exchange, failure))
            finally:
                keeping.ended()
            reply = self.complete(exchange, reply)
            request.keeping = await keeping.permission(exchange, failed)
            return reply if finish is None else finish(exchange, reply)

        answer(request, run())
        return ended

    def complete(self, exchange: Exchange, reply: AnyReply) -> AnyReply:
        """The reply with the headers of every answer (api.md 2.4); what it sets itself stays."""
        present = {name.lower() for name, _ in reply.headers}
        extra = [pair for pair in self._common(exchange) if pair[0].lower() not in present]
        return evolve(reply, headers=reply.headers + tuple(extra))

    def _common(self, exchange: Exchange) -> list[tuple[str, str]]:
        headers = [
            ("X-Request-Id", exchange.request_id),
            ("Cache-Control", NEVER_STORED),
            ("X-Content-Type-Options", "nosniff"),
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Expose-Headers", _EXPOSED),
            ("Keygen-Edition", EDITION),
            ("Keygen-Mode", self.mode),
            ("Keygen-Revision", __version__),
        ]
        if exchange.account is not None:
            headers.append(("Keygen-Account", str(exchange.account.id)))
        if exchange.environment is not None:
            headers.append(("Keygen-Environment", exchange.environment.code))
        if exchange.authenticated is not None:
            headers.append(("Keygen-Bearer", str(exchange.authenticated.bearer.id)))
            if exchange.authenticated.token_id is not None:
                headers.append(("Keygen-Token", str(exchange.authenticated.token_id)))
        return headers


def with_failure_headers(exchange: Exchange, failure: Failure, reply: Reply) -> Reply:
    """Add the headers that belong to a failure whatever the protocol, unless its form has set them."""
    present = {name.lower() for name, _ in reply.headers}
    extra: list[tuple[str, str]] = []
    if isinstance(failure, Unauthenticated) and "www-authenticate" not in present:
        extra.append(("WWW-Authenticate", challenge(exchange.authorization)))
    if isinstance(failure, (TooMany, Unavailable)):
        extra.append(("Retry-After", str(failure.retry_after)))
    if isinstance(failure, NotAllowed):
        extra.append(("Allow", ", ".join(failure.allow)))
    return reply.with_headers(*extra)


def answers(failure_form: FailureForm):
    """
    Decorate a Klein route method ``async def (self, exchange, **variables)`` of a class with ``self.parts``.

    The route then takes Klein's ``request``; failures are put into ``failure_form``.
    """

    def decorate(method):
        @wraps(method)
        def route(self, request: Request, **variables):
            return self.parts.edge.answer(
                request, lambda exchange: method(self, exchange, **variables), failure_form
            )

        return route

    return decorate


def answers_unrouted(app: Klein, failure_form: FailureForm, *, refusal: str) -> None:
    """
    Let an engine's Klein answer paths and methods that it has no route for in the protocol's own form.

    :param refusal: the sentence for a method that a path does not do (405), such as where to publish instead.
    """

    @app.handle_errors(NoRoute, MethodNotAllowed)
    def unrouted(self, request: Request, reason: Reason):
        async def handler(exchange: Exchange) -> AnyReply:
            await exchange.find_account()
            # A path that only writes would be refused on has nothing to read.
            if isinstance(reason.value, MethodNotAllowed) and exchange.method not in ("GET", "HEAD"):
                raise NotAllowed(refusal, allow=tuple(sorted(reason.value.valid_methods or ("GET", "HEAD"))))
            raise NotFound("There is nothing at this path.")

        return _Answering(self.parts.edge, handler, failure_form)


class _Answering(Resource):
    """Answers with a handler. To a resource Klein leaves the end of a request, in error handlers too."""

    isLeaf = True

    def __init__(self, edge: Edge, handler: Handler, failure_form: FailureForm) -> None:
        super().__init__()
        self._arguments = (handler, failure_form)
        self._edge = edge

    def render(self, request: Request) -> int:
        self._edge.answer(request, *self._arguments)
        return NOT_DONE_YET
