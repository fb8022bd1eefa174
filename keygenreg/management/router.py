"""The generic router of the JSON:API: routes as data, matched on decoded segments, behind one Klein route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from attrs import field, frozen
from klein import Klein
from psycopg2.errors import ForeignKeyViolation, UniqueViolation
from twisted.web.http import Request
from twisted.web.resource import Resource

from keygenreg.domain.failures import Conflict, Failure, NotFound
from keygenreg.formats.accept import json_answer, require_api_accept
from keygenreg.formats.http_signature import require_signable
from keygenreg.management.call import Call
from keygenreg.management.dialect import Dialect, answering_dialect, read_dialect
from keygenreg.management.errors import as_reply
from keygenreg.management.signing import signed
from keygenreg.web.exchange import Exchange
from keygenreg.web.parts import Parts
from keygenreg.web.reply import BlobReply, Reply
from keygenreg.web.routing import Routed

Handler = Callable[..., Awaitable[Reply | BlobReply]]
#: Matching a pattern with several ``{name*}`` takes time that grows faster than the path: longer ones are nowhere.
MOST_SEGMENTS = 64


@frozen
class Route:
    """
    One endpoint.

    ``pattern`` is a path below the account: ``/releases/{release*}/artifacts``; ``{name}`` takes one decoded segment,
    ``{name*}`` one or more (joined by slashes). The handler is called ``handler(call, name=...)``.
    ``credentials`` says whether anonymous callers are refused with 401 ``TOKEN_MISSING``; ``password_login`` whether
    e-mail and password count; ``any_accept`` that the Accept header does not matter.
    """

    method: str
    pattern: str
    handler: Handler
    credentials: bool = True
    password_login: bool = False
    any_accept: bool = False
    segments: tuple[str, ...] = field(init=False)

    @segments.default
    def _split(self) -> tuple[str, ...]:
        return tuple(part for part in self.pattern.split("/") if part)

    @property
    def literals(self) -> int:
        return sum(not part.startswith("{") for part in self.segments)

    def match(self, path: tuple[str, ...]) -> dict[str, str] | None:
        """The variables when a path fits the pattern, else ``None``."""
        return _match(self.segments, path)


def _match(pattern: tuple[str, ...], path: tuple[str, ...]) -> dict[str, str] | None:
    if not pattern:
        return None if path else {}
    if not path:
        return None
    head, rest = pattern[0], pattern[1:]
    if not head.startswith("{"):
        return _match(rest, path[1:]) if head == path[0] else None
    name = head.strip("{}")
    most = 1
    if name.endswith("*"):
        name, most = name[:-1], len(path) - len(rest)
    for taken in range(1, most + 1):
        found = _match(rest, path[taken:])
        if found is not None:
            return {name: "/".join(path[:taken]), **found}
    return None


class Routes:
    """All endpoints; the most literal pattern that fits wins."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_head: dict[str, list[Route]] = {}
        for route in routes:
            self._by_head.setdefault(route.segments[0], []).append(route)
        for group in self._by_head.values():
            group.sort(key=lambda route: -route.literals)

    def find(self, method: str, path: tuple[str, ...]) -> tuple[Route, dict[str, str]]:
        """
        The endpoint for a method and path; HEAD means GET, and PUT means PATCH where there is no PUT.

        :raises NotFound: no such path, or not for this method (api.md 2.1).
        """
        if len(path) > MOST_SEGMENTS:
            raise NotFound("There is nothing at this path.")
        wanted = {"HEAD": ("GET",), "PUT": ("PUT", "PATCH")}.get(method, (method,))
        for word in wanted:
            for route in self._by_head.get(path[0] if path else "", ()):
                if route.method == word:
                    variables = route.match(path)
                    if variables is not None:
                        return route, variables
        raise NotFound("There is nothing at this path, or not for this method.")


class Management:
    """The JSON:API as one Klein resource."""

    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    def __init__(self, parts: Parts, routes: Routes) -> None:
        self.parts = parts
        self.routes = routes

    @app.route("/", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def everything(self, request: Request) -> object:
        return self.parts.edge.answer(
            request, lambda exchange: self._run(exchange, request.api_path), _as_reply, _finished
        )

    async def _run(self, exchange: Exchange, path: tuple[str, ...]) -> Reply | BlobReply:
        if exchange.method == "OPTIONS":
            return _PREFLIGHT
        if path in _PROBES and exchange.method in ("GET", "HEAD"):
            return _PROBES[path]
        # First of all, so that every refusal below is signed and names the account.
        account = await exchange.find_account()
        route, variables = self.routes.find(exchange.method, path)
        accept = exchange.header("Accept")
        if not route.any_accept:
            require_api_accept(accept)
        require_signable(exchange.header("Keygen-Accept-Signature"), str(account.id))
        dialect = read_dialect(exchange.header("Keygen-Version"), account.api_version)
        grant = await exchange.admit(password_login=route.password_login)
        if route.credentials:
            grant.authenticated()
        call = Call(exchange, self.parts, grant, json_answer(accept), dialect)
        try:
            return await route.handler(call, **variables)
        except (UniqueViolation, ForeignKeyViolation) as race:
            # The rules looked first; somebody else was faster (api.md 2.5, 409).
            raise Conflict("Somebody changed this at the same moment; look again and retry.") from race


def _dialect(exchange: Exchange) -> Dialect:
    account = exchange.account
    return answering_dialect(exchange.header("Keygen-Version"), account and account.api_version)


def _as_reply(exchange: Exchange, failure: Failure) -> Reply:
    return as_reply(exchange, _dialect(exchange).failure(failure))


def _finished(exchange: Exchange, reply: Reply | BlobReply) -> Reply | BlobReply:
    return signed(exchange, _dialect(exchange).headers(reply))


class _Entrance(Resource):
    """Keeps the path for our own routes: Klein's patterns do not match every text (none with a line break)."""

    isLeaf = True

    def __init__(self, routed: Routed) -> None:
        super().__init__()
        self._routed = routed

    def render(self, request: Request) -> object:
        request.api_path = tuple(part.decode("utf-8") for part in request.postpath)
        request.postpath = [b""]
        return self._routed.render(request)


def resource_of(parts: Parts, routes: Iterable[Route]) -> Resource:
    """The management's resource, built once."""
    return _Entrance(Routed(Management(parts, Routes(routes)).app))


_PREFLIGHT = Reply(
    204,
    b"",
    (
        ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        (
            "Access-Control-Allow-Headers",
            "Authorization, Content-Type, Accept, Prefer, Keygen-Version, Keygen-Environment, Keygen-Accept-Signature",
        ),
        ("Access-Control-Max-Age", "86400"),
    ),
)
_PROBES = {("ping",): Reply(200, b"", (("Content-Type", "text/plain"),)), ("health",): Reply(204)}
