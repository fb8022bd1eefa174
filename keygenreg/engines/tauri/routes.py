"""The routes of the Tauri engine: is there an update, and the static document of the newest release."""

from __future__ import annotations

import time
from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred, maybeDeferred

from keygenreg.domain.channel import CHANNELS, STABLE, included, of_prerelease
from keygenreg.domain.derived import key_of_id
from keygenreg.domain.failures import Denied, NotAllowed, NotFound
from keygenreg.domain.grant import Grant
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.domain.version import Version
from keygenreg.engines.tauri import documents, platforms, queries
from keygenreg.engines.tauri.bundles import Updater, choose
from keygenreg.engines.tauri.errors import VARY, as_reply
from keygenreg.engines.tauri.offers import Row, Search, Signatures, by_target, described
from keygenreg.engines.tauri.requests import Place, Wanted, read_choice, read_path, read_wanted
from keygenreg.formats.accept import require_api_accept
from keygenreg.formats.jsonapi_query import EMPTY, QueryParameters
from keygenreg.formats.media_types import JSON, JSON_UTF8, OCTET_STREAM
from keygenreg.web.artifact_delivery import count_download
from keygenreg.web.artifact_ticket import ticketed_url
from keygenreg.web.edge import answers, answers_unrouted
from keygenreg.web.exchange import Exchange
from keygenreg.web.parts import Parts
from keygenreg.web.reply import Reply
from keygenreg.web.routing import Routed

#: How long an answer may be given again, less than the shortest life of the links in it, in seconds.
_KEPT_SECONDS = 15
_OFFERED = (JSON, OCTET_STREAM)
_HOW_TO_PUBLISH = (
    "Updates are published with `keygenreg publish FILE --package KEY --engine tauri --version VERSION` or with the "
    "API."
)
_NEEDED = ("package.read", "release.read", "artifact.read", "release.upgrade")
# The updater repeats the headers that it was told to send, but not the credentials in an endpoint's own address.
_FORGETFUL = frozenset({"basic"})


class TauriRoutes:
    """The engine's one Klein."""

    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.signatures = Signatures(parts.blobs)

    @app.route("/<path:path>", methods=["GET", "HEAD"])
    @answers(as_reply)
    async def check(self, exchange: Exchange, path: str) -> Reply:
        """Whether there is an update, or what the newest release is."""
        require_api_accept(exchange.header("Accept"), _OFFERED)
        # A link in the answer is signed, with a time of its own, for the caller alone.
        exchange.keep(time.time() + _KEPT_SECONDS, shared=False)
        grant = await exchange.admit()
        place = read_path(_own_parts(exchange), exchange.query)
        package = place and await self._package(grant, place)
        if package is None:
            raise NotFound(f"There is no package {path} here, or not for you.")
        for permission in _NEEDED:
            grant.require(permission)
        if place.static:
            return await self._static(exchange, grant, package)
        return await self._update(exchange, grant, package, read_wanted(place, exchange.query))

    @app.route("/", methods=["POST", "PUT", "PATCH", "DELETE"], branch=True)
    @answers(as_reply)
    async def publish(self, exchange: Exchange) -> Reply:
        """Uploaders are told how to publish instead."""
        await exchange.find_account()
        raise NotAllowed(_HOW_TO_PUBLISH)

    async def _package(self, grant: Grant, place: Place) -> Row | None:
        key = place.package
        return await self.parts.database.maybe(queries.PACKAGE, scope=grant.scope, id=parse_uuid(key), key=key)

    async def _update(self, exchange: Exchange, grant: Grant, package: Row, wanted: Wanted) -> Reply:
        channel = await self._channel_of(grant, package, wanted.version)
        if channel is None:
            return _nothing()
        updater = _updater(exchange, wanted.target.bundle)
        search = Search(
            self.parts.database,
            grant,
            package["id"],
            _channels(grant, wanted.channel or channel),
            constraint=wanted.constraint,
            above=wanted.version.sort_key,
            target=wanted.target,
        )
        async for files in search.releases():
            best = choose(files, updater, platform=files[0]["platform"], described=described)
            if best is not None:
                bundle = await self._bundle(exchange, grant, best)
                await count_download(exchange, self.parts, grant)
                return _document(documents.update(_release(best), bundle))
        return _nothing()

    async def _channel_of(self, grant: Grant, package: Row, version: Version | None) -> str | None:
        """
        The channel that an app of this version is on; None for one that is offered nothing.

        A version that is no release, or one not published, is judged by itself, so that its users can move on
        (decision 29); a published one that the caller may not use is not a way to others (engines.md 5, step 2).

        :raises Denied: the state of the caller's licenses forbids it.
        """
        if version is None:
            return None
        with_global = grant.environment is None or grant.environment.shared
        row = await self.parts.database.maybe(
            queries.CURRENT,
            scope=grant.scope,
            package=package["id"],
            version=str(version),
            with_global=with_global,
        )
        if row is None or (row["permitted"] is None and row["status"] != "PUBLISHED"):
            return of_prerelease(version.prerelease)
        if row["permitted"] is None:
            return None
        if not row["permitted"]:
            raise Denied("Your license does not permit updates of this release; it may be suspended.")
        return row["channel"]

    async def _static(self, exchange: Exchange, grant: Grant, package: Row) -> Reply:
        channel, constraint = read_choice(exchange.query)
        channels = _channels(grant, channel or STABLE)
        search = Search(self.parts.database, grant, package["id"], channels, constraint=constraint)
        async for files in search.releases():
            found = {}
            for key, row in platforms.chosen(by_target(files), _updater(exchange)).items():
                bundle = await self._bundle(exchange, grant, row)
                if bundle.signature is not None:
                    found[key] = bundle
            if found:
                return _document(documents.static(_release(files[0]), found))
        return _nothing()

    async def _bundle(self, exchange: Exchange, grant: Grant, row: Row) -> documents.Bundle:
        url = ticketed_url(
            exchange,
            self.parts.delivery,
            grant,
            row["id"],
            row["filename"],
            query=_environment(exchange),
            forgetful=_FORGETFUL,
            seconds=self.parts.delivery.link_seconds,
        )

        def run(*call: Any) -> Deferred[bytes]:
            disk = exchange.request.site.disk
            return maybeDeferred(*call) if disk is None else disk.run(*call)

        return documents.Bundle(url, await self.signatures.of(row, run))


def _own_parts(exchange: Exchange) -> tuple[str, ...]:
    """The segments below the engine's root, each decoded: Klein joins them, and a slash within one is lost."""
    request = exchange.request
    return tuple(part.decode("utf-8") for part in (*request.prepath, *request.postpath))


def _environment(exchange: Exchange) -> QueryParameters:
    """The parameter that selects an environment, for the link: the updater repeats the header, not the parameter."""
    selector = exchange.query.text("environment")
    return QueryParameters((("environment", selector),)) if selector else EMPTY


def _updater(exchange: Exchange, bundle: str | None = None) -> Updater:
    return Updater.of(exchange.header("User-Agent"), exchange.query.text("bundle_type") or bundle)


def _channels(grant: Grant, channel: str) -> tuple[str, ...]:
    """The channels that a channel's key or id stands for: none for an unknown one."""
    identifier = parse_uuid(channel)
    if identifier is not None:
        channel = key_of_id(grant.account.id, "channels", identifier, CHANNELS) or ""
    return tuple(sorted(included(channel.strip().lower())))


def _release(row: Row) -> documents.Release:
    return documents.Release(row["release_version"], row["release_created"], row["description"])


def _document(body: bytes) -> Reply:
    return Reply(200, body, (("Content-Type", JSON_UTF8), VARY))


def _nothing() -> Reply:
    return Reply(204, b"", (VARY,))


answers_unrouted(TauriRoutes.app, as_reply, refusal=_HOW_TO_PUBLISH)


def resource(parts: Parts) -> Routed:
    """The engine's resource, built once."""
    return Routed(TauriRoutes(parts).app)
