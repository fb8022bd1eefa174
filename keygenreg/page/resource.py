"""The resources of the web page: its document and files below ``/app``, and the way there from ``/``."""

from __future__ import annotations

from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from keygenreg.domain.failures import Failure, NotAllowed, NotFound
from keygenreg.formats.media_types import PLAIN_UTF8
from keygenreg.page.bundle import Asset, Bundle
from keygenreg.web.edge import Edge
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import Reply
from keygenreg.web.resource_tree import PAGE

_METHODS = ("GET", "HEAD")
_ASK_AGAIN = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"
#: On everything that is sent to browsers: they load from here only, and run nothing that did not come as a file.
_SAFE = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


def content_security_policy(uploads: str | None) -> str:
    """
    What a browser lets the page do.

    :param uploads: origin that files are sent to, where it is not the page's own.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            f"connect-src 'self'{f' {uploads}' if uploads else ''}",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            # Names of files and releases are anybody's words: no way leads from text to markup.
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def as_text(_exchange: Exchange, failure: Failure) -> Reply:
    """A failure as one line of text."""
    return Reply(failure.status, f"{failure.detail}\n".encode(), (("Content-Type", PLAIN_UTF8), *_SAFE))


class _Read(Resource):
    """Answers GET and HEAD with a handler of the exchange and the rest of the path; nothing else is done here."""

    isLeaf = True

    def __init__(self, edge: Edge) -> None:
        super().__init__()
        self._edge = edge

    def render(self, request: Request) -> int:
        path = "/".join(part.decode("utf-8") for part in request.postpath)

        async def handler(exchange: Exchange) -> Reply:
            if exchange.method not in _METHODS:
                raise NotAllowed("This is a page to be read.", allow=_METHODS)
            return self.reply(exchange, path)

        self._edge.answer(request, handler, as_text)
        return NOT_DONE_YET

    def reply(self, exchange: Exchange, path: str) -> Reply:
        raise NotImplementedError


class Page(_Read):
    """
    The document at ``/app``, and its files at ``/app/<digest>/<name>``.

    A document that came from a process of another version, which is being replaced just now, names another digest: it
    gets our files all the same, but is not to keep them.
    """

    def __init__(self, edge: Edge, bundle: Bundle) -> None:
        super().__init__(edge)
        self._bundle = bundle

    def reply(self, exchange: Exchange, path: str) -> Reply:
        if not path:
            return self._document(exchange)
        digest, _, name = path.partition("/")
        asset = self._bundle.files.get(name)
        if asset is None or len(digest) != len(self._bundle.digest):
            raise NotFound("There is nothing at this path.")
        return _reply(asset, _FOR_EVER if digest == self._bundle.digest else _ASK_AGAIN)

    def _document(self, exchange: Exchange) -> Reply:
        registry, origin = exchange.base_url, str(exchange.origin)
        policy = content_security_policy(None if registry == origin else registry)
        asset = self._bundle.index(f"/{PAGE}/{self._bundle.digest}", registry)
        return _reply(asset, _ASK_AGAIN).with_headers(("Content-Security-Policy", policy))


class Entrance(_Read):
    """``/``, for who asks for HTML."""

    def reply(self, exchange: Exchange, path: str) -> Reply:
        return Reply(303, b"", (("Location", f"/{PAGE}/"), ("Vary", "Accept"), *_SAFE))


def _reply(asset: Asset, caching: str) -> Reply:
    headers = (("Content-Type", asset.media_type), ("ETag", asset.etag), ("Cache-Control", caching), *_SAFE)
    return Reply(200, asset.body, headers, asset.packed)
