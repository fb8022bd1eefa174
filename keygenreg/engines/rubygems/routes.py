"""The routes of the RubyGems engine: the compact index, the older indexes, and the gems themselves."""

from __future__ import annotations

from klein import Klein

from keygenreg.domain.failures import NotAllowed, NotFound
from keygenreg.engines.rubygems import compact_index, queries, spec_index
from keygenreg.engines.rubygems.continuation import Continuations
from keygenreg.engines.rubygems.documents import binary_reply, text_reply
from keygenreg.engines.rubygems.errors import as_index_reply, as_reply
from keygenreg.engines.rubygems.indexes import Indexes
from keygenreg.engines.rubygems.listed import by_package
from keygenreg.engines.rubygems.lookup import Lookup
from keygenreg.engines.rubygems.merged_lists import MergedLists
from keygenreg.engines.rubygems.passed_on import PassedOn
from keygenreg.engines.rubygems.specifications import Specifications, specification
from keygenreg.engines.rubygems.upstream import RubyGemsUpstream
from keygenreg.formats.accept import require_api_accept
from keygenreg.formats.content_disposition import attachment
from keygenreg.formats.media_types import PLAIN, PLAIN_UTF8
from keygenreg.mirror.mirror import Mirror
from keygenreg.web.artifact_delivery import deliver
from keygenreg.web.edge import answers, answers_unrouted
from keygenreg.web.exchange import Exchange
from keygenreg.web.parts import Parts
from keygenreg.web.reply import BlobReply, Reply
from keygenreg.web.routing import Routed

_READS = ["GET", "HEAD"]
_GEM, _GEMSPEC = ".gem", ".gemspec.rz"
_HOW_TO_PUBLISH = (
    "This registry is read-only for gem: publish with `keygenreg publish FILE --package NAME --engine rubygems "
    "--version VERSION` or with the API. A release is withdrawn with the API."
)


class RubyGemsRoutes:
    """The engine's one Klein."""

    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._specifications = Specifications(parts.database)
        self._indexes = Indexes(parts.database, self._specifications)
        self._continuations = Continuations()
        folder = parts.settings.storage.data_dir
        self._mirror: Mirror = parts.mirrors.of(RubyGemsUpstream(folder))
        self._lists = MergedLists(folder, parts.mirrors.in_thread, parts.mirrors.background)

    @app.route("/", methods=_READS)
    @app.route("/ping", methods=_READS)
    @answers(as_index_reply)
    async def root(self, exchange: Exchange) -> Reply:
        """Says that there is a compact index; credentials that are sent must be good ones."""
        require_api_accept(exchange.header("Accept"), (PLAIN,))
        exchange.keep()
        await exchange.admit()
        return Reply(200, b"Gems are served here.\n", (("Content-Type", PLAIN_UTF8),))

    @app.route("/versions", methods=_READS)
    @answers(as_index_reply)
    async def versions(self, exchange: Exchange) -> Reply | BlobReply:
        """All gems with their versions. Who sees none at all, but would with a key, is asked for one."""
        # What the client has already decides about the answer.
        lookup = await self._text_lookup(exchange, shared=False)
        stamp = await lookup.stamp()
        passed = await self._passed(exchange, lookup)
        if not stamp and not passed.open:
            await self._require_credentials(lookup, passed)
        current = await self._indexes.versions(lookup, stamp)
        if passed.open:
            return await passed.all("versions", current.partition(b"---\n")[2])
        body = self._continuations.answer(lookup.grant.scope, current, exchange.header)
        return text_reply(exchange, body, public=lookup.grant.bearer is None)

    @app.route("/info/<gem>", methods=_READS)
    @answers(as_index_reply)
    async def info(self, exchange: Exchange, gem: str) -> Reply:
        """What installers must know of one gem's versions."""
        lookup = await self._text_lookup(exchange)
        try:
            package = await lookup.package(gem)
        except NotFound:
            return await (await self._passed(exchange, lookup)).info(gem)
        rows = await lookup.gems(package)
        gems, _ = await self._specifications.listed(lookup.grant.scope, rows)
        return text_reply(exchange, compact_index.info(by_package(gems).get(package.name, [])), public=package.public)

    @app.route("/names", methods=_READS)
    @answers(as_index_reply)
    async def names(self, exchange: Exchange) -> Reply | BlobReply:
        """All gems by name, those without a version for the caller included."""
        lookup = await self._text_lookup(exchange)
        row = await self.parts.database.one(queries.NAMES, scope=lookup.grant.scope)
        passed = await self._passed(exchange, lookup)
        if passed.open:
            return await passed.all("names", row["names"].encode())
        return text_reply(exchange, compact_index.names(row["names"]), public=lookup.grant.bearer is None)

    @app.route("/specs.4.8.gz", methods=_READS)
    @answers(as_reply)
    async def specs(self, exchange: Exchange) -> Reply | BlobReply:
        """Every version that is no prerelease."""
        return await self._specs(exchange, "specs.4.8.gz")

    @app.route("/latest_specs.4.8.gz", methods=_READS)
    @answers(as_reply)
    async def latest_specs(self, exchange: Exchange) -> Reply | BlobReply:
        """The highest of each gem and platform."""
        return await self._specs(exchange, "latest_specs.4.8.gz")

    @app.route("/prerelease_specs.4.8.gz", methods=_READS)
    @answers(as_reply)
    async def prerelease_specs(self, exchange: Exchange) -> Reply | BlobReply:
        """
        Every prerelease. Nobody is asked for a key here: gem looks here first, and says why only of the others.
        """
        return await self._specs(exchange, "prerelease_specs.4.8.gz", challenging=False)

    @app.route("/quick/Marshal.4.8/<file>", methods=_READS)
    @answers(as_reply)
    async def quick(self, exchange: Exchange, file: str) -> Reply:
        """One gem's specification."""
        exchange.keep()
        lookup = await self._lookup(exchange)
        stem = _stem(file, _GEMSPEC)
        try:
            row = await lookup.file(stem + _GEM, read=True)
        except NotFound:
            return await (await self._passed(exchange, lookup)).specification(stem)
        gemspec = await specification(row)
        if gemspec is None:
            raise NotFound(f"The specification of {file} cannot be read.")
        public = row["public"] and lookup.grant.bearer is None
        return binary_reply(exchange, spec_index.quick(gemspec), attachment(file), public=public)

    @app.route("/gems/<file>", methods=_READS)
    @answers(as_reply)
    async def gem(self, exchange: Exchange, file: str) -> Reply | BlobReply:
        """
        The bytes of a gem, from this very address: gem sends credentials to no other (decision 2).
        """
        lookup = await self._lookup(exchange)
        lookup.grant.require("release.download")
        stem = _stem(file, _GEM)
        name = stem + _GEM
        try:
            row = await exchange.shared(("gem", name), lambda: lookup.file(name, read=False))
        except NotFound:
            return await (await self._passed(exchange, lookup)).gem(stem)
        return await deliver(exchange, self.parts, lookup.grant, row)

    @app.route("/", methods=["POST", "PUT", "PATCH", "DELETE"], branch=True)
    @answers(as_reply)
    async def publish(self, exchange: Exchange) -> Reply:
        """``gem push`` and its kin are told how to publish instead."""
        await exchange.find_account()
        raise NotAllowed(_HOW_TO_PUBLISH)

    async def _specs(self, exchange: Exchange, name: str, *, challenging: bool = True) -> Reply | BlobReply:
        exchange.keep()
        lookup = await self._lookup(exchange)
        stamp = await lookup.stamp()
        passed = await self._passed(exchange, lookup)
        if not stamp and challenging and not passed.open:
            await self._require_credentials(lookup, passed)
        body = await self._indexes.specs(lookup, stamp, name)
        if passed.open:
            return await passed.all(name, body)
        return binary_reply(exchange, body, attachment(name), public=lookup.grant.bearer is None)

    async def _passed(self, exchange: Exchange, lookup: Lookup) -> PassedOn:
        policy = await self._mirror.policy(lookup.grant, exchange.shared)
        return PassedOn(self._mirror, policy, self._lists, self.parts.database, exchange, lookup.grant)

    @staticmethod
    async def _require_credentials(lookup: Lookup, passed: PassedOn) -> None:
        """:raises Unauthenticated: nobody said who is asking, and there is more for those who do."""
        await lookup.require_credentials_for_hidden()
        if passed.on:
            passed.policy.admit(lookup.grant)

    async def _text_lookup(self, exchange: Exchange, *, shared: bool = True) -> Lookup:
        require_api_accept(exchange.header("Accept"), (PLAIN,))
        exchange.keep(shared=shared)
        return await self._lookup(exchange)

    async def _lookup(self, exchange: Exchange) -> Lookup:
        return Lookup(self.parts.database, await exchange.admit())


def _stem(file: str, suffix: str) -> str:
    stem = file.removesuffix(suffix)
    if stem == file or not stem:
        raise NotFound("There is nothing at this path.")
    return stem


answers_unrouted(RubyGemsRoutes.app, as_reply, refusal=_HOW_TO_PUBLISH)


def resource(parts: Parts) -> Routed:
    """The engine's resource, built once."""
    return Routed(RubyGemsRoutes(parts).app)
