"""Host and path to the one resource that answers: a plain walk, then exactly one Klein resource."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote_to_bytes

from attrs import frozen
from twisted.web.http import Request
from twisted.web.resource import Resource

from keygenreg.domain.failures import BadRequest, Failure, NotFound
from keygenreg.formats.accept import joined, names
from keygenreg.formats.media_types import HTML
from keygenreg.web.engine import Engine
from keygenreg.web.links import Addresses, engine_of_host, split_authority

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SIGNED = (("uploads",), ("blobs",))
#: First segment of the web page's paths; no engine and no endpoint begins so.
PAGE = "app"
_METHOD = re.compile(rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)\Z")


@frozen
class Place:
    """
    Where a request belongs.

    ``owner`` is ``management``, ``signed``, ``page``, ``entrance`` or an engine's key; ``path`` what is left for it,
    decoded, without slashes at its ends; ``account`` the account as the path spells it.
    """

    owner: str
    path: tuple[str, ...]
    account: str | None = None


def path_parts(path: bytes) -> tuple[str, ...]:
    """
    The decoded segments of a request path; empty ones (repeated and trailing slashes) are dropped.

    :raises BadRequest: a malformed percent escape, bytes that are not UTF-8, or a NUL.
    """
    if _BAD_ESCAPE.search(path):
        raise BadRequest("The path has a malformed percent escape.", "URI_INVALID")
    try:
        parts = tuple(unquote_to_bytes(part).decode("utf-8") for part in path.split(b"/") if part)
    except UnicodeDecodeError:
        raise BadRequest("The path is not UTF-8.", "ENCODING_INVALID") from None
    if any("\0" in part for part in parts):
        raise BadRequest("The path holds a NUL.", "ENCODING_INVALID")
    return parts


def _legible_parts(path: bytes) -> tuple[str, ...]:
    """The segments of a path that :func:`path_parts` refuses, good enough to tell whose path it was meant to be."""
    parts = (unquote_to_bytes(part).decode("utf-8", "replace") for part in path.split(b"/") if part)
    return tuple(part.replace("\0", "\ufffd") for part in parts)


def place(parts: tuple[str, ...], method: str, host_engine: str | None, engines: Mapping[str, Engine], *,
          singleplayer: bool, page: bool = False, browser: bool = False) -> Place:
    """
    Find the owner of a path (engines.md 1.1, api.md 2.1).

    :param host_engine: the engine whose package host was asked, if any.
    :param page: whether there is a web page.
    :param browser: whether somebody asks for HTML.
    :raises NotFound: nothing is there.
    """
    # On a package host, npm's own endpoints begin like that too.
    if parts[:1] == ("-",) and (host_engine is None or parts[1:2] in _SIGNED):
        return Place("signed", parts[1:])
    if parts[:1] == ("v1",):
        return _api(parts[1:], method, engines)
    prefixes = {engine.registry_prefix: engine for engine in engines.values() if engine.registry_prefix}
    if parts and parts[0] in prefixes:
        return Place(prefixes[parts[0]].key, parts)
    if page and host_engine is None and parts[:1] == (PAGE,):
        return Place("page", parts[1:])
    if page and host_engine is None and not parts and browser:
        return Place("entrance", ())
    engine = engines.get(host_engine or "")
    if engine is None or engine.registry_prefix:
        raise NotFound("There is nothing at this path.")
    if singleplayer:
        return Place(engine.key, parts)
    if not parts:
        raise NotFound("This path needs an account.")
    return Place(engine.key, parts[1:], parts[0])


def _api(parts: tuple[str, ...], method: str, engines: Mapping[str, Engine]) -> Place:
    account = None
    if parts[:1] == ("accounts",) and len(parts) > 1:
        account, rest = parts[1], parts[2:]
        # A path prefix as the tool's host: "<host>/v1/accounts/<account>" + "/v1/releases" (api.md 2.1).
        rest = rest[1:] if rest[:1] == ("v1",) else rest
        if not rest:
            return Place("management", ("accounts", account), account)
        parts = rest
    if parts[:1] == ("engines",) and len(parts) > 1 and parts[1] in engines:
        engine = engines[parts[1]]
        if len(parts) > 2 or method in engine.root_methods:
            return Place(engine.key, parts[2:], account)
    return Place("management", parts, account)


class Tree(Resource):
    """
    The root resource.

    :param owners: resources by owner: ``management``, ``signed``, the keys of the engines; ``page`` and ``entrance``
        where there is a web page.
    :param refuse: answers a failure that happens before any owner is found. One in a path that is an engine's all the
        same becomes the request's ``early_failure``, with which :class:`keygenreg.web.edge.Edge` answers instead of the
        engine's handler, in the engine's form.
    """

    isLeaf = True

    def __init__(
        self,
        owners: Mapping[str, Resource],
        engines: Mapping[str, Engine],
        addresses: Addresses,
        *,
        singleplayer: bool,
        refuse: Callable[[Request, Failure], object],
    ) -> None:
        super().__init__()
        self._owners = owners
        self._engines = engines
        self._addresses = addresses
        self._singleplayer = singleplayer
        self._refuse = refuse

    def render(self, request: Request) -> object:
        path, refused = request.uri.partition(b"?")[0], None
        try:
            if not _METHOD.match(request.method):
                raise BadRequest("The method is not one of HTTP's.", "HTTP_METHOD_INVALID")
            found = self._place(request, path_parts(path))
        except Failure as failure:
            refused = failure.with_traceback(None)  # which would hold this call, and that the failure
        if refused is not None:
            try:
                found = self._place(request, _legible_parts(path))
            except Failure:
                found = None
            if found is None or found.owner not in self._engines:
                return self._refuse(request, refused)
            # The engine says it in its own form.
            request.early_failure = refused
        request.account_reference = found.account
        request.engine = found.owner
        # Klein joins these with "/" before it matches a route.
        request.prepath = []
        request.postpath = [part.encode("utf-8") for part in found.path]
        return self._owners[found.owner].render(request)

    def _place(self, request: Request, parts: tuple[str, ...]) -> Place:
        method = request.method.decode("latin-1")
        return place(
            parts,
            method,
            self._host_engine(request),
            self._engines,
            singleplayer=self._singleplayer,
            page="page" in self._owners,
            browser=not parts and names(joined(request.requestHeaders.getRawHeaders("Accept", [])), HTML),
        )

    def _host_engine(self, request: Request) -> str | None:
        authority = (request.requestHeaders.getRawHeaders("Host") or [""])[0]
        try:
            host, _ = split_authority(authority)
        except ValueError:
            return None
        return engine_of_host(host, self._addresses.domain)
