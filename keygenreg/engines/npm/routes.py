"""The routes of the npm engine: documents, tarballs, and the registry's own endpoints below ``/-/``."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from attrs import evolve
from klein import Klein

from keygenreg.domain.failures import NotAllowed, NotFound, Unauthenticated
from keygenreg.engines.npm import documents, paths, queries, search
from keygenreg.engines.npm.entries import Place, entry, first_of_each
from keygenreg.engines.npm.errors import NO_LOG_IN, VARY, as_reply
from keygenreg.engines.npm.lookup import HOW_TO_AUTHENTICATE, Found, Lookup
from keygenreg.engines.npm.passing import PassedOn
from keygenreg.engines.npm.upstream import NpmUpstream
from keygenreg.engines.npm.versions import dist_tags, package_version, tagged
from keygenreg.formats.accept import best_match, require_api_accept
from keygenreg.formats.conditional import format_http_date
from keygenreg.formats.media_types import JSON
from keygenreg.mirror.mirror import Mirror
from keygenreg.web.artifact_delivery import deliver
from keygenreg.web.edge import answers, answers_unrouted
from keygenreg.web.exchange import Exchange
from keygenreg.web.kept_entries import KeptEntries
from keygenreg.web.parts import Parts
from keygenreg.web.reply import BlobReply, Reply
from keygenreg.web.routing import Routed

#: Every use comes back to us, so that new versions and lost rights show at once; mostly it ends with a 304.
_CACHED = "{}, max-age=0, must-revalidate, no-transform"
#: Of entries of documents that are kept.
_ENTRIES_BYTES = 32 * 1024 * 1024
_READS = ["GET", "HEAD"]
_HOW_TO_PUBLISH = (
    "This registry is read-only for npm: publish with `keygenreg publish FILE --package NAME --engine npm --version "
    "VERSION` or with the API. A dist-tag is the tag of a release."
)
# Nothing is known of vulnerabilities here; what npm 6 and pnpm expect as "none found".
_NO_ADVISORIES = {
    "actions": [],
    "advisories": {},
    "muted": [],
    "metadata": {
        "vulnerabilities": {"info": 0, "low": 0, "moderate": 0, "high": 0, "critical": 0},
        "dependencies": 0,
        "devDependencies": 0,
        "optionalDependencies": 0,
        "totalDependencies": 0,
    },
}


class NpmRoutes:
    """The engine's one Klein."""

    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.mirror: Mirror = parts.mirrors.of(NpmUpstream())
        self._entries: KeptEntries[documents.Entry] = KeptEntries(_ENTRIES_BYTES)

    @app.route("/", methods=_READS)
    @answers(as_reply)
    async def root(self, exchange: Exchange) -> Reply:
        """For those who look whether anything is here."""
        await exchange.find_account()
        return _reply(documents.rendered({"engine": "npm", "read_only": True}), "public")

    @app.route("/-/ping", methods=_READS)
    @answers(as_reply)
    async def ping(self, exchange: Exchange) -> Reply:
        exchange.keep()
        await exchange.admit()
        return _reply(documents.rendered({}), "private")

    @app.route("/-/whoami", methods=_READS)
    @answers(as_reply)
    async def whoami(self, exchange: Exchange) -> Reply:
        """The name of whom the credentials stand for."""
        grant = await exchange.admit()
        bearer = grant.bearer
        if bearer is None:
            raise Unauthenticated(_how_to_log_in(exchange), "TOKEN_MISSING")
        row = await self.parts.database.maybe(queries.NAMES[bearer.type], id=bearer.id)
        name = (row and row["name"]) or str(bearer.id)
        return _reply(documents.rendered({"username": name}), "private")

    @app.route("/-/v1/search", methods=_READS)
    @answers(as_reply)
    async def find(self, exchange: Exchange) -> Reply:
        """Packages that the caller may see and install."""
        grant = await exchange.admit()
        grant.require("package.read")
        wanted = search.parse(exchange.query)
        rows = await self.parts.database.rows(
            queries.SEARCH, scope=grant.scope, words=list(wanted.words), prefix=wanted.scope,
            exact=wanted.text, size=wanted.size, start=wanted.start,
        )  # fmt: skip
        return _reply(search.results(rows, datetime.now(UTC)), "private")

    @app.route("/-/package/<path:package>/dist-tags", methods=_READS)
    @answers(as_reply)
    async def tags(self, exchange: Exchange, package: str) -> Reply:
        """Version by tag."""
        exchange.keep()
        lookup = await self._lookup(exchange)
        found = await lookup.package(package)
        if found is None:
            passed = self._passed_on(exchange, lookup)
            return _passed(await passed.tags(package), passed)
        tags = dist_tags(map(tagged, await lookup.tarballs(found, queries.TAGS)))
        return _reply(documents.rendered(tags), _audience(found))

    @app.route("/-/npm/v1/security/advisories/bulk", methods=["POST"])
    @answers(as_reply)
    async def advisories(self, exchange: Exchange) -> Reply:
        """No advisories: a registry of its vendor's packages knows of none."""
        await exchange.find_account()
        return _reply(documents.rendered({}), "private")

    @app.route("/-/npm/v1/security/audits", methods=["POST"])
    @app.route("/-/npm/v1/security/audits/quick", methods=["POST"])
    @answers(as_reply)
    async def audits(self, exchange: Exchange) -> Reply:
        """The same in the older form."""
        await exchange.find_account()
        return _reply(documents.rendered(_NO_ADVISORIES), "private")

    @app.route("/<path:path>", methods=_READS)
    @answers(as_reply)
    async def read(self, exchange: Exchange, path: str) -> Reply | BlobReply:
        """Whatever a package's name starts."""
        target = paths.read_path(path)
        if target is None:
            await exchange.find_account()
            raise NotFound("There is nothing at this path.")
        if isinstance(target, paths.Tarball):
            return await self._tarball(exchange, target)
        accept = exchange.header("Accept")
        require_api_accept(accept, documents.OFFERED)
        media_type = best_match(accept, documents.OFFERED) or JSON
        if isinstance(target, paths.Selected):
            return await self._version(exchange, target, media_type)
        return await self._package(exchange, target.name, media_type)

    @app.route("/-/user/<path:user>", methods=["PUT", "POST", "DELETE"])
    @app.route("/-/v1/login", methods=["PUT", "POST"])
    @answers(as_reply)
    async def log_in(self, exchange: Exchange, user: str = "") -> Reply:
        """``npm login`` and ``npm logout`` are told where credentials go instead."""
        await exchange.find_account()
        raise NotAllowed(_how_to_log_in(exchange), NO_LOG_IN)

    @app.route("/", methods=["POST", "PUT", "PATCH", "DELETE"], branch=True)
    @answers(as_reply)
    async def publish(self, exchange: Exchange) -> Reply:
        """``npm publish`` and its kin are told how to publish instead."""
        await exchange.find_account()
        raise NotAllowed(_HOW_TO_PUBLISH)

    async def _package(self, exchange: Exchange, name: str, media_type: str) -> Reply:
        exchange.keep()
        lookup = await self._lookup(exchange)
        found = await lookup.package(name)
        if found is None:
            passed = self._passed_on(exchange, lookup)
            return _passed(await passed.package(name, media_type), passed)
        place = Place(found.name, _base(exchange), media_type)
        _, entries = await self._entries.of(
            partial(lookup.listed, found),
            partial(lookup.listed_versions, found),
            partial(entry, place=place),
            place.text,
        )
        if not entries:
            raise _unshown(found)
        package = documents.Package(found.name, found.created, first_of_each(entries))
        return _reply(documents.package_document(package, media_type), _audience(found), package.modified)

    async def _version(self, exchange: Exchange, target: paths.Selected, media_type: str) -> Reply:
        exchange.keep()
        lookup = await self._lookup(exchange)
        found = await lookup.package(target.name)
        if found is None:
            passed = self._passed_on(exchange, lookup)
            return _passed(await passed.version(target.name, target.selector, media_type), passed)
        tags = dist_tags(map(tagged, await lookup.tarballs(found, queries.TAGS)))
        wanted = tags.get(target.selector, target.selector)
        rows = await lookup.tarballs(found, queries.VERSIONS, version=wanted, artifacts=None)
        tarball_url = paths.tarball_urls(_base(exchange), found.name)
        for row in rows:
            version = package_version(row["of_version"], found.name, tarball_url)
            if version is not None:
                return _reply(documents.version_document(version, media_type), _audience(found), version.updated)
        raise _unshown(found)

    async def _tarball(self, exchange: Exchange, target: paths.Tarball) -> Reply | BlobReply:
        """The bytes of a version, under the same rules as everywhere (decision 2)."""
        lookup = await self._lookup(exchange)

        async def find() -> dict | None:
            found = await lookup.package(target.name)
            if found is None:
                return None
            lookup.grant.require("release.download")
            row, *_ = await lookup.tarballs(found, queries.TARBALL, version=target.version)
            if not row["blob_sha256"]:
                raise NotFound(f"The file of {found.name}@{target.version} is not in this registry.")
            return row

        row = await exchange.shared(("tarball", target.name, target.version), find)
        if row is None:
            return await self._passed_on(exchange, lookup).tarball(target.name, target.version)
        return await deliver(exchange, self.parts, lookup.grant, row)

    def _passed_on(self, exchange: Exchange, lookup: Lookup) -> PassedOn:
        """For a name that is not carried here; claims and the operator's policy decide."""
        return PassedOn(self.mirror, exchange, lookup, _base(exchange))

    async def _lookup(self, exchange: Exchange) -> Lookup:
        return Lookup(self.parts.database, await exchange.admit(), paths.nerf_dart(_base(exchange)))


def _base(exchange: Exchange) -> str:
    request = exchange.request
    return paths.registry_base(exchange.base_url, exchange.raw_target, len(request.prepath) + len(request.postpath))


def _how_to_log_in(exchange: Exchange) -> str:
    how = HOW_TO_AUTHENTICATE.format(registry=paths.nerf_dart(_base(exchange)))
    return f"This registry has no log-in. If you have a license key or token, {how}."


def _unshown(found: Found) -> NotFound:
    return NotFound(f"No version of {found.name} can be shown.")


def _audience(found: Found) -> str:
    return "public" if found.public else "private"


def _passed(document: documents.Document, passed: PassedOn) -> Reply:
    return evolve(_reply(document, "private").with_headers(*passed.warnings), packed=passed.packed)


def _reply(document: documents.Document, audience: str, modified: datetime | None = None) -> Reply:
    headers = [
        ("Content-Type", document.content_type),
        ("ETag", document.etag),
        ("Cache-Control", _CACHED.format(audience)),
        VARY,
    ]
    if modified is not None:
        headers.append(("Last-Modified", format_http_date(modified.timestamp())))
    return Reply(200, document.body, headers)


answers_unrouted(NpmRoutes.app, as_reply, refusal=_HOW_TO_PUBLISH)


def resource(parts: Parts) -> Routed:
    """The engine's resource, built once."""
    return Routed(NpmRoutes(parts).app)
