"""The routes of the Raw engine: redirects to files, their checksums, and lists of files."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from klein import Klein

from keygenreg.domain.failures import NotAllowed, NotFound
from keygenreg.domain.grant import Grant
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.domain.version import parse_version
from keygenreg.engines.raw import listing, queries, side_files
from keygenreg.engines.raw.errors import VARY, as_reply
from keygenreg.engines.raw.paths import Target, file_url, read_path
from keygenreg.formats.media_types import PLAIN_UTF8
from keygenreg.web.artifact_ticket import ticketed_url
from keygenreg.web.edge import answers, answers_unrouted
from keygenreg.web.exchange import Exchange
from keygenreg.web.parts import Parts
from keygenreg.web.reply import Reply
from keygenreg.web.resource_tree import path_parts
from keygenreg.web.routing import Routed

_HOW_TO_PUBLISH = (
    "Files are published with `keygenreg publish FILE --package KEY --engine raw --version VERSION` or with the "
    "API."
)
_LATEST = "latest"
#: What clients that follow a redirect need, with much to spare; in seconds.
_TICKET_SECONDS = 300
_CACHED = ("Cache-Control", "private, no-cache, no-transform")


class RawRoutes:
    """The engine's one Klein."""

    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @app.route("/<path:path>", methods=["GET", "HEAD"])
    @answers(as_reply)
    async def read(self, exchange: Exchange, path: str) -> Reply:
        """A file, its checksum, or the list of a release's files."""
        exchange.keep()
        grant = await exchange.admit()
        target = read_path(_own_parts(exchange))
        if target is None:
            raise NotFound("Files are at /<product>/<release>/<file>, or /<product>/@<package>/<release>/<file>.")
        releases = await self._releases(grant, target)
        for permission in ("release.read", "artifact.read", *(["package.read"] if target.package else [])):
            grant.require(permission)
        if target.artifact is None:
            return await self._list(exchange, grant, target, releases[0])
        return await self._file(exchange, grant, target, releases)

    @app.route("/", methods=["POST", "PUT", "PATCH", "DELETE"], branch=True)
    @answers(as_reply)
    async def publish(self, exchange: Exchange) -> Reply:
        """Uploaders are told how to publish instead."""
        await exchange.find_account()
        raise NotAllowed(_HOW_TO_PUBLISH)

    async def _releases(self, grant: Grant, target: Target) -> list[dict[str, Any]]:
        """
        The releases that a path means, highest version first; at least one.

        :raises NotFound: there is none for the caller.
        """
        wanted = {
            "product": target.product,
            "product_id": parse_uuid(target.product),
            "package": target.package,
            "package_id": parse_uuid(target.package),
            "release": target.release,
        }
        rows = await self.parts.database.rows(
            queries.RELEASES,
            scope=grant.scope,
            release_id=parse_uuid(target.release),
            versions=_versions(target.release),
            **wanted,
        )
        if not rows and target.release == _LATEST:
            rows = await self.parts.database.rows(queries.LATEST, scope=grant.scope, **wanted)
        if not rows:
            hint = "" if target.package else " A release of a package is at /<product>/@<package>/<release>."
            raise NotFound(f"There is no {target.words} here, or not for you.{hint}")
        return rows

    async def _file(
        self, exchange: Exchange, grant: Grant, target: Target, releases: list[dict[str, Any]]
    ) -> Reply:
        about = side_files.described(target.artifact) or (None, None)
        row = await self.parts.database.maybe(
            queries.ARTIFACT,
            scope=grant.scope,
            releases=[release["id"] for release in releases],
            id=parse_uuid(target.artifact),
            filename=target.artifact,
            about_id=parse_uuid(about[0]),
            about=about[0],
        )
        if row is not None and row["literal"]:
            return self._redirect(exchange, grant, row)
        if row is not None and row["status"] == "UPLOADED":
            found = side_files.digest(row, about[1])
            if found is not None:
                return _text(side_files.line(found, row["filename"].rpartition("/")[2]))
        algorithm = side_files.summed(target.artifact)
        if algorithm is not None:
            rows = await self.parts.database.rows(queries.FILES, scope=grant.scope, release=releases[0]["id"])
            if text := side_files.sums(rows, algorithm):
                return _text(text)
        raise NotFound(f"There is no file {target.artifact} in {target.words}, or not for you.")

    def _redirect(self, exchange: Exchange, grant: Grant, row: dict[str, Any]) -> Reply:
        """To the artifact itself, which judges again, counts the download, and knows ``prefer`` and ``ttl``."""
        url = ticketed_url(
            exchange,
            self.parts.delivery,
            grant,
            row["id"],
            row["filename"],
            query=exchange.query,
            seconds=_TICKET_SECONDS,
        )
        return Reply(303, b"", (("Location", url), VARY))

    async def _list(self, exchange: Exchange, grant: Grant, target: Target, release: dict[str, Any]) -> Reply:
        rows = await self.parts.database.rows(queries.FILES, scope=grant.scope, release=release["id"])
        base = _base(exchange)

        def url_of(row: dict[str, Any]) -> str:
            return file_url(base, target, release["version"], row["filename"], row["id"])

        page = listing.page(release, rows, url_of, exchange.header("Accept"))
        headers = (("Content-Type", page.content_type), ("ETag", page.etag), _CACHED, VARY)
        return Reply(200, page.body, headers)


def _own_parts(exchange: Exchange) -> tuple[str, ...]:
    """The segments below the engine's root, each decoded: Klein joins them, and a slash within one is lost."""
    request = exchange.request
    return tuple(part.decode("utf-8") for part in (*request.prepath, *request.postpath))


def _base(exchange: Exchange) -> str:
    """The engine's root as the client spelled it, without a slash at its end."""
    parts = path_parts(exchange.raw_target.partition(b"?")[0])
    prefix = parts[: len(parts) - len(_own_parts(exchange))]
    return "/".join((exchange.base_url, *(quote(part, safe="@:") for part in prefix)))


def _versions(text: str) -> list[str]:
    """A version as it was written and in its normal form, if it is one; a leading ``v`` is what tags have."""
    written = [text, text[1:]] if text[:1] in ("v", "V") else [text]
    for each in tuple(written):
        try:
            written.append(str(parse_version(each)))
        except ValueError:
            continue
    return written


def _text(text: str) -> Reply:
    body = text.encode("utf-8")
    return Reply(200, body, (("Content-Type", PLAIN_UTF8), ("ETag", listing.Page(body, "").etag), _CACHED, VARY))


answers_unrouted(RawRoutes.app, as_reply, refusal=_HOW_TO_PUBLISH)


def resource(parts: Parts) -> Routed:
    """The engine's resource, built once."""
    return Routed(RawRoutes(parts).app)
