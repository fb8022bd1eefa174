"""The resource behind signed URLs: ``PUT /-/uploads/<token>`` and ``GET /-/blobs/<token>/<name>``, on every host."""

from __future__ import annotations

from klein import Klein
from twisted.web.http_headers import Headers

from keygenreg.domain.failures import BadRequest, Denied, Failure, NotAllowed, NotFound
from keygenreg.formats.media_types import PLAIN_UTF8
from keygenreg.formats.signed_token import Expired
from keygenreg.web.artifact_delivery import StoredFile, etag_of
from keygenreg.web.artifact_upload import take_in
from keygenreg.web.delivery import Delivery, UploadTicket, link_name
from keygenreg.web.edge import answers
from keygenreg.web.exchange import Exchange
from keygenreg.web.parts import Parts
from keygenreg.web.reply import BlobReply, Reply
from keygenreg.web.resource_tree import path_parts
from keygenreg.web.site import ClaimUpload
from keygenreg.web.upload import UploadTarget

_PREFIX = ("-", "uploads")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_PREFLIGHT = Reply(
    204,
    b"",
    (
        ("Access-Control-Allow-Methods", "GET, HEAD, PUT, OPTIONS"),
        ("Access-Control-Allow-Headers", "Content-Type, Range, If-Range, If-None-Match"),
        ("Access-Control-Max-Age", "86400"),
    ),
)


def claimer(delivery: Delivery, max_bytes: int) -> ClaimUpload:
    """
    What the site asks before a body: a valid upload link takes it, an invalid one is refused before its first byte.

    :param max_bytes: size of the largest upload.
    """

    def claim(method: bytes, target: bytes, _headers: Headers) -> UploadTarget | Failure | None:
        token = _upload_token(target) if method == b"PUT" else None
        if token is None:
            return None
        try:
            ticket = delivery.read_upload(token)
        except ValueError as error:
            return _refused(error)
        return UploadTarget(max_bytes, ticket.size, frozenset(ticket.algorithms), ticket)

    return claim


def _upload_token(target: bytes) -> str | None:
    """The token of an upload's path, ``None`` for every other path."""
    try:
        parts = path_parts(target.partition(b"?")[0])
    except BadRequest:
        return None
    return parts[2] if len(parts) == 3 and parts[:2] == _PREFIX else None


def _refused(error: ValueError) -> Denied:
    if isinstance(error, Expired):
        return Denied("This link has expired; ask for a new one.")
    return Denied("This link is not valid.")


def as_text(_exchange: Exchange, failure: Failure) -> Reply:
    """A failure as one line of text: these URLs belong to no protocol."""
    return Reply(failure.status, f"{failure.detail}\n".encode(), (("Content-Type", PLAIN_UTF8),))


class SignedUrls:
    """Uploads and downloads whose permission is in their URL."""

    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @app.route("/uploads/<token>", methods=_METHODS)
    @answers(as_text)
    async def upload(self, exchange: Exchange, token: str) -> Reply:
        """Store an artifact's file: 200 once it is durable."""
        if exchange.method == "OPTIONS":
            return _PREFLIGHT
        upload = exchange.request.upload
        if exchange.method != "PUT" or upload is None:
            raise NotAllowed("Send the file with PUT.", allow=("PUT",))
        ticket: UploadTicket = upload.target.claim
        sha256 = await take_in(self.parts, ticket, upload.incoming, exchange.header("Content-Type"))
        return Reply(200, b"Stored.\n", (("Content-Type", PLAIN_UTF8), ("ETag", etag_of(sha256))))

    @app.route("/blobs/<token>/<path:name>", methods=_METHODS)
    @answers(as_text)
    async def blob(self, exchange: Exchange, token: str, name: str) -> Reply | BlobReply:
        """The bytes of one blob, under the name in the token."""
        if exchange.method == "OPTIONS":
            return _PREFLIGHT
        if exchange.method not in ("GET", "HEAD"):
            raise NotAllowed("Fetch the file with GET.")
        try:
            ticket = self.parts.delivery.read_download(token)
        except ValueError as error:
            raise _refused(error) from None
        if name != link_name(ticket.filename):
            raise NotFound("This link is of another file.")
        blob = await self.parts.blobs.open(ticket.sha256)
        file = StoredFile(ticket.sha256, blob.size, ticket.filename, ticket.content_type, ticket.modified)
        return BlobReply(blob, etag_of(ticket.sha256), ticket.modified, file.headers(anonymous=False))

    @app.route("/", methods=_METHODS, branch=True)
    @answers(as_text)
    async def nothing(self, exchange: Exchange) -> Reply:
        raise NotFound("There is nothing at this path.")
