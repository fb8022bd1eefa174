"""The routes of the OCI engine: the pull side of the distribution protocol, and its token endpoint."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

from attrs import evolve, frozen
from klein import Klein
from twisted.web.http import Request

from keygenreg.domain.failures import BadRequest, NotAllowed, NotFound, Unauthenticated
from keygenreg.domain.grant import Grant
from keygenreg.engines.oci import media_types, pages, queries, render, token_request
from keygenreg.engines.oci.admission import Admission
from keygenreg.engines.oci.errors import VERSION, as_reply
from keygenreg.engines.oci.lookup import Lookup
from keygenreg.engines.oci.names import Asked, asked, digest_prefix, is_digest
from keygenreg.engines.oci.registry_token import TokenSigner
from keygenreg.engines.oci.token_owners import TokenOwners
from keygenreg.formats.conditional import Outcome, evaluate
from keygenreg.formats.media_types import JSON, OCTET_STREAM
from keygenreg.web.artifact_delivery import StoredFile, count_download, link
from keygenreg.web.edge import AnyReply, answers_unrouted
from keygenreg.web.exchange import Exchange
from keygenreg.web.parts import Parts
from keygenreg.web.reply import BlobReply, Reply
from keygenreg.web.routing import Routed

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_READS = ("GET", "HEAD")
_PREFIX = "v2"
#: Kinds of what is asked for whose answers are documents, the same for all who see the same.
_DOCUMENTS = frozenset({"manifests", "tags", "referrers"})
_TOKEN = "token"
_CATALOG = "_catalog"
#: What a digest names never changes; a tag is asked for again at each use.
_FOR_EVER = "private, max-age=31536000, immutable, no-transform"
_ASK_AGAIN = "private, no-cache, no-transform"
_MOST_BYTES = 4 * 1024 * 1024
#: What follows a repository's name in paths that are only written to.
_WRITTEN = re.compile(r"/(?:blobs|tags)/")
_HOW_TO_PUBLISH = (
    "This registry is read-only for docker, oras and the like: publish an image with `keygenreg publish IMAGE.tar "
    "--package NAME --engine oci --version VERSION` or with the API, as the archive of an OCI image layout."
)


@frozen
class _Place:
    """A request's path: ``rest`` below the registry's root; ``in_path``: the account is part of repository names."""

    rest: str
    in_path: bool


class OciRoutes:
    """The engine's one Klein: it has one route, since repositories' names may hold slashes."""

    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        seconds = parts.settings.security.registry_token_seconds
        signer = TokenSigner(parts.delivery.key, seconds)
        self.admission = Admission(parts, signer, TokenOwners(parts.database), time.time)

    @app.route("/", methods=_METHODS)
    @app.route("/<path:path>", methods=_METHODS)
    def any(self, request: Request, path: str = "") -> Any:
        place = _place(request, path)
        return self.parts.edge.answer(
            request, lambda exchange: self._answer(exchange, place), as_reply, lambda _exchange, reply: _finished(reply)
        )

    async def _answer(self, exchange: Exchange, place: _Place) -> AnyReply:
        if place.in_path and place.rest == _TOKEN:
            return await self._token(exchange)
        wanted = asked(place.rest)
        if exchange.method not in _READS:
            return await self._refuse_write(exchange, place, wanted)
        if wanted is not None:
            if wanted.kind in _DOCUMENTS:
                exchange.keep()
            grant, keys = await self.admission.to_repository(exchange, wanted.repository, in_path=place.in_path)
            lookup = Lookup(self.parts.database, grant, wanted.repository, keys)
            return await getattr(self, f"_{wanted.kind}")(exchange, lookup, wanted)
        exchange.keep(shared=False)
        if place.in_path:
            grant = await self.admission.to_registry(exchange)
        else:
            grant = await exchange.admit()
        if place.rest == _CATALOG:
            return await self._catalog(exchange, grant)
        if place.rest:
            raise NotFound("There is nothing at this path.", code="NAME_UNKNOWN")
        return Reply(200, b"{}", (("Content-Type", JSON),))

    # Pulling

    async def _manifests(self, exchange: Exchange, lookup: Lookup, wanted: Asked) -> Reply:
        accept = exchange.header("Accept")
        try:
            row = await lookup.manifest(wanted.reference, accept)
        except NotFound:
            listed = await self._fallback(lookup, wanted.reference)
            if listed is None:
                raise
            return listed
        content = row["content"].encode("utf-8")
        etag = f'"{row["content_digest"]}"'
        headers = (
            ("Content-Type", row["content_type"]),
            ("Docker-Content-Digest", row["content_digest"]),
            ("ETag", etag),
            ("Cache-Control", _FOR_EVER if ":" in wanted.reference else _ASK_AGAIN),
            ("Vary", "Accept, Authorization"),
        )
        outcome = evaluate(exchange.header, method=exchange.method, etag=etag, last_modified=None)
        if outcome is Outcome.NOT_MODIFIED:
            return Reply(304, b"", headers)
        await self._count(exchange, lookup, row)
        return Reply(200, content, headers)

    async def _blobs(self, exchange: Exchange, lookup: Lookup, wanted: Asked) -> AnyReply:
        name = ("blob", lookup.name, *lookup.keys, wanted.reference)
        row = await exchange.shared(name, lambda: lookup.blob(wanted.reference))
        digest = row["content_digest"]
        headers = (("Docker-Content-Digest", digest), ("Cache-Control", _FOR_EVER), ("Vary", "Authorization"))
        if exchange.method == "GET" and self.parts.delivery.redirects(row["content_length"]):
            await self._count(exchange, lookup, row)
            file = StoredFile(row["blob_sha256"], row["content_length"], digest.replace(":", "-"), OCTET_STREAM)
            headers = (("Location", link(exchange, self.parts, file)), ("Cache-Control", "private, no-store"))
            return Reply(303, b"", (*headers, ("Docker-Content-Digest", digest)))
        try:
            blob = await self.parts.blobs.open(row["blob_sha256"])
        except NotFound:
            raise NotFound(f"The bytes of {digest} are not in the registry.", code="BLOB_UNKNOWN") from None
        try:
            await self._count(exchange, lookup, row)
        except BaseException:
            blob.close()
            raise
        exchange.keep(shared=False)
        # A media type of the publisher's choosing would let a browser run the blob on our host.
        return BlobReply(blob, f'"{digest}"', None, (("Content-Type", OCTET_STREAM), *headers))

    async def _count(self, exchange: Exchange, lookup: Lookup, row: dict[str, Any]) -> None:
        if row["untimed"]:
            await count_download(exchange, self.parts, lookup.grant)

    # Looking around

    async def _tags(self, exchange: Exchange, lookup: Lookup, wanted: Asked) -> Reply:
        repository = await lookup.repository()
        page = pages.of_query(exchange.query, most=pages.MOST_TAGS)
        found = await lookup.tags(repository, last=page.last, limit=page.size + 1) if page.size else []
        headers = [("Content-Type", JSON), ("Cache-Control", _ASK_AGAIN)]
        if len(found) > page.size:
            found = found[: page.size]
            headers.append(pages.next_link(_path(exchange), exchange.query, found[-1], page.size))
        return Reply(200, render.tags(repository.key, found), tuple(headers))

    async def _catalog(self, exchange: Exchange, grant: Grant | None) -> Reply:
        """Whoever is known sees what it may read; names are nobody else's business."""
        if grant is None or grant.bearer is None:
            raise Unauthenticated("The list of repositories needs credentials.")
        grant.require("package.read")
        page = pages.of_query(exchange.query, most=pages.MOST_REPOSITORIES)
        prefix = "" if self.parts.edge.accounts.singleplayer else f"{grant.account.slug}/"
        rows = await self.parts.database.rows(
            queries.CATALOG, scope=grant.scope, prefix=prefix, last=page.last, limit=page.size + 1
        )
        found = [row["name"] for row in rows[: page.size]]
        headers = [("Content-Type", JSON), ("Cache-Control", _ASK_AGAIN)]
        if found and len(found) < len(rows):
            headers.append(pages.next_link(_path(exchange), exchange.query, found[-1], page.size))
        return Reply(200, render.catalog(found), tuple(headers))

    async def _referrers(self, exchange: Exchange, lookup: Lookup, wanted: Asked) -> Reply:
        if not is_digest(wanted.reference):
            await lookup.repository()
            raise BadRequest("That is not a digest.", "DIGEST_INVALID")
        repository = await lookup.repository()
        query = exchange.query
        # A plus sign that was not encoded arrives as a space, which no media type has.
        types = [value.replace(" ", "+") for name, value in query.pairs if name == "artifactType" and value]
        page = pages.of_query(query, most=pages.MOST_REFERRERS)
        rows = await lookup.referrers(
            repository, wanted.reference, types=types or None, last=page.last, limit=page.size + 1
        )
        kept = _within(rows[: page.size])
        headers = [("Content-Type", media_types.OCI_INDEX), ("Cache-Control", _ASK_AGAIN)]
        if types:
            headers.append(("OCI-Filters-Applied", "artifactType"))
        if kept and len(kept) < len(rows):
            size = page.size if "n" in query else None
            headers.append(pages.next_link(_path(exchange), query, kept[-1]["content_digest"], size))
        return Reply(200, render.referrers(kept), tuple(headers))

    async def _fallback(self, lookup: Lookup, reference: str) -> Reply | None:
        """The referrers of a digest under the tag that clients of older registries look for."""
        prefix = digest_prefix(reference)
        if prefix is None:
            return None
        repository = await lookup.repository()
        subject = await lookup.subject(repository, prefix)
        if subject is None:
            return None
        rows = await lookup.referrers(repository, subject, types=None, last="", limit=pages.MOST_REFERRERS)
        content = render.referrers(_within(rows))
        digest = render.digest(content)
        headers = (("Docker-Content-Digest", digest), ("ETag", f'"{digest}"'), ("Cache-Control", _ASK_AGAIN))
        return Reply(200, content, (("Content-Type", media_types.OCI_INDEX), *headers))

    # Everything else

    async def _token(self, exchange: Exchange) -> Reply:
        """A registry token: by GET with credentials in the header, or by POST with a form."""
        if exchange.method not in (*_READS, "POST"):
            raise NotAllowed("Ask for a token with GET or POST.", allow=("GET", "POST"))
        if exchange.method == "POST":
            request = token_request.by_form(exchange.request.content.getvalue(), exchange.authorization)
        else:
            request = token_request.by_query(exchange.query, exchange.authorization)
        token = await self.admission.issue(exchange, request)
        body = token_request.answer(
            token,
            seconds=self.admission.signer.seconds,
            issued=datetime.now(UTC),
            repositories=request.repositories,
        )
        return Reply(200, body, (("Content-Type", JSON), ("Cache-Control", "no-store")))

    async def _refuse_write(self, exchange: Exchange, place: _Place, wanted: Asked | None) -> Reply:
        """Pushing is refused, after authentication (decision 26)."""
        name = wanted.repository if wanted else _WRITTEN.split(place.rest)[0]
        grant: Grant | None
        if name and (name != place.rest or wanted):
            grant, _ = await self.admission.to_repository(exchange, name, in_path=place.in_path)
        elif place.in_path:
            grant = await self.admission.to_registry(exchange)
        else:
            grant = await exchange.admit()
        if grant is None or grant.bearer is None:
            raise Unauthenticated("This needs credentials, and is refused with them: the registry is read-only.")
        raise NotAllowed(_HOW_TO_PUBLISH, "UNSUPPORTED")


def _place(request: Request, path: str) -> _Place:
    """``/v2/...`` on any host, or ``.../engines/oci/...`` (with another ``v2`` for tools that insist on one)."""
    parts = path.strip("/").split("/")
    in_path = request.uri.partition(b"?")[0].lstrip(b"/").startswith(_PREFIX.encode())
    rest = "/".join(parts[1:] if parts[0] == _PREFIX and (in_path or len(parts) > 3) else parts)
    return _Place(rest, in_path)


def _path(exchange: Exchange) -> str:
    # Two slashes at its beginning would make a host of what follows.
    return "/" + exchange.raw_target.partition(b"?")[0].decode("latin-1").lstrip("/")


def _within(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many as fit into what clients read of one answer, one at least."""
    total, kept = 0, []
    for row in rows:
        total += row["content_length"]
        if kept and total > _MOST_BYTES:
            break
        kept.append(row)
    return kept


def _finished(reply: AnyReply) -> AnyReply:
    return evolve(reply, headers=(*reply.headers, VERSION))


# Only methods that HTTP does not have come here.
answers_unrouted(OciRoutes.app, as_reply, refusal=_HOW_TO_PUBLISH)


def resource(parts: Parts) -> Routed:
    """The engine's resource, built once."""
    return Routed(OciRoutes(parts).app)
