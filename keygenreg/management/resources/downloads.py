"""Showing one artifact: its bytes, a link to them, or only its document (api.md 5.4, decision 2)."""

from __future__ import annotations

from uuid import UUID

from keygenreg.database.queries.artifacts import ARTIFACT, MANIFEST_AT, PART_AT
from keygenreg.domain.failures import BadRequest, NotFound, Source
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.formats.accept import json_answer
from keygenreg.formats.media_types import OCTET_STREAM, PLAIN_UTF8
from keygenreg.management.call import Call
from keygenreg.management.preferences import NO_DOWNLOAD, NO_REDIRECT, preferences
from keygenreg.management.resources import artifacts, products, releases
from keygenreg.management.router import Route
from keygenreg.web.artifact_delivery import StoredFile, count_download, link, stream
from keygenreg.web.artifact_ticket import TICKET, read_ticket
from keygenreg.web.reply import BlobReply, Reply

#: Roles that may say how long a link lives (api.md 5.4).
_CHOOSING = frozenset({"admin", "developer", "sales-agent", "support-agent", "product", "environment"})
#: A distribution's metadata beside it (PEP 658): the suffix of its URL, and the path of the manifest behind it.
_SIDECAR, _SIDECAR_MANIFEST = ".metadata", "METADATA"


async def show(call: Call, artifact: str) -> Reply | BlobReply:
    """By id, or by file name, which may hold slashes; ``<id>/<path>`` names a stored object of the artifact."""
    head, slash, rest = artifact.partition("/")
    identifier = parse_uuid(head) if slash else None
    if identifier is not None:
        return await _vanity(await _with_ticket(call, identifier), identifier, rest)
    return await _answer(call, await artifacts.find(call, artifact))


async def _with_ticket(call: Call, artifact: UUID) -> Call:
    """The call as whom its ticket stands for; credentials of its own come first (decision 3)."""
    text = call.query.text(TICKET)
    if text is None or call.grant.bearer is not None:
        return call
    credential = read_ticket(call.parts.delivery, text, artifact)
    call.exchange.keeping.lasts_until(0)  # the ticket ends, and no two are the same
    grant = await call.exchange.admit(credentials=lambda: credential)
    return Call(call.exchange, call.parts, grant, call.media_type, call.dialect)


async def show_of_release(call: Call, release: str, artifact: str) -> Reply | BlobReply:
    owner = await artifacts.release_of_path(call, release)
    return await _answer(call, await artifacts.find(call, artifact, release=owner))


async def show_of_product(call: Call, product: str, artifact: str) -> Reply | BlobReply:
    owner = await products.find(call, product)
    return await _answer(call, await artifacts.find(call, artifact, product=owner))


def _require_readable(call: Call, row: dict) -> None:
    """:raises Denied: a permission is missing, or the state of the licenses forbids it."""
    call.grant.require("artifact.read")
    releases.require_permitted(row)


async def _answer(call: Call, row: dict) -> Reply | BlobReply:
    _require_readable(call, row)
    seconds = _link_life(call)
    file, preferred = StoredFile.of(row), preferences(call.exchange)
    if file is None or NO_DOWNLOAD in preferred:
        return call.ok(artifacts.document(call, row))
    call.grant.require("release.download")
    if NO_REDIRECT not in preferred and not _wants_document(call) and not call.parts.delivery.redirects(file.size):
        return await stream(call.exchange, call.parts, call.grant, file)
    await count_download(call.exchange, call.parts, call.grant)
    url = link(call.exchange, call.parts, file, seconds)
    shown = {"data": artifacts.document(call, row, redirect=url)}
    return call.reply(200 if NO_REDIRECT in preferred else 303, shown, ("Location", url))


def _wants_document(call: Call) -> bool:
    """Whether the client names a JSON type: package clients, which want the bytes, do not."""
    return json_answer(call.exchange.header("Accept"), default="") != ""


def _link_life(call: Call) -> int | None:
    """The ``ttl`` in seconds of those who may choose it. :raises BadRequest: it is no number."""
    text = call.query.text("ttl")
    if text is None or call.grant.role not in _CHOOSING:
        return None
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 18:
        raise BadRequest("must be a whole number of seconds", source=Source(parameter="ttl"))
    return int(text)


async def _vanity(call: Call, identifier: UUID, path: str) -> Reply | BlobReply:
    """The object at a path of an artifact: its own file, a part taken out of it, or its metadata (decision 4)."""

    async def find() -> dict:
        row = await call.database.maybe(ARTIFACT, scope=call.scope, id=identifier)
        if row is None:
            raise call.not_found("artifact", identifier)
        return row

    row = await call.exchange.shared(("artifact", identifier), find)
    if path == row["filename"]:
        return await _answer(call, row)
    _require_readable(call, row)
    if StoredFile.of(row) is not None:
        call.grant.require("release.download")
        if path == row["filename"] + _SIDECAR:
            return await _sidecar(call, row)
        part = await call.database.maybe(PART_AT, scope=call.scope, artifact=identifier, path=path)
        if part is not None:
            return await _part(call, row, part)
    raise NotFound("The artifact has no file of this name.")


async def _part(call: Call, row: dict, part: dict) -> Reply | BlobReply:
    file = StoredFile(
        part["blob_sha256"],
        part["content_length"] or 0,
        part["content_path"],
        part["content_type"] or OCTET_STREAM,
        part["updated"].timestamp(),
        row["public"],
    )
    if _wants_document(call) or call.parts.delivery.redirects(file.size):
        url = link(call.exchange, call.parts, file, _link_life(call))
        return call.reply(303, {"data": artifacts.document(call, row, redirect=url)}, ("Location", url))
    return await stream(call.exchange, call.parts, call.grant, file, counted=False)


async def _sidecar(call: Call, row: dict) -> Reply:
    found = await call.database.maybe(MANIFEST_AT, scope=call.scope, artifact=row["id"], path=_SIDECAR_MANIFEST)
    if found is None:
        raise NotFound("The file has no metadata beside it.")
    headers = [("Content-Type", found["content_type"] or PLAIN_UTF8), ("Cache-Control", "private, no-cache")]
    if found["content_digest"]:
        headers.append(("ETag", f'"{found["content_digest"]}"'))
    return Reply(200, found["content"].encode("utf-8"), tuple(headers))


ROUTES = (
    Route("GET", "/artifacts/{artifact*}", show, credentials=False, any_accept=True),
    Route("GET", "/releases/{release*}/artifacts/{artifact*}", show_of_release, credentials=False, any_accept=True),
    Route("GET", "/products/{product*}/artifacts/{artifact*}", show_of_product, any_accept=True),
)
