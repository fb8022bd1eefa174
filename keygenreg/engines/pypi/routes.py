"""The routes of the PyPI engine: pages, project documents, and names that belong to upstream."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from urllib.parse import quote

from attrs import evolve
from klein import Klein
from packaging.version import InvalidVersion, Version

from keygenreg.domain.failures import Failure, NotAllowed, NotFound
from keygenreg.domain.grant import Grant
from keygenreg.engines.pypi import queries, render
from keygenreg.engines.pypi.entries import Entry, Place, entry, first_of_each
from keygenreg.engines.pypi.errors import VARY, as_reply
from keygenreg.engines.pypi.files import project_files
from keygenreg.engines.pypi.lookup import Lookup
from keygenreg.engines.pypi.mirrored import page_rendering
from keygenreg.engines.pypi.names import is_valid, normalize
from keygenreg.engines.pypi.negotiation import Representation, choose_representation
from keygenreg.engines.pypi.project import ProjectLink
from keygenreg.engines.pypi.project_json import Described, chosen_version, project_document, version_document
from keygenreg.engines.pypi.upstream import PypiUpstream
from keygenreg.formats.conditional import format_http_date
from keygenreg.formats.media_types import JSON_UTF8
from keygenreg.mirror.adapter import RemoteFile
from keygenreg.mirror.documents.renderings import Rendering
from keygenreg.mirror.mirror import Mirror
from keygenreg.web.edge import answers, answers_unrouted
from keygenreg.web.exchange import Exchange
from keygenreg.web.kept_entries import KeptEntries
from keygenreg.web.parts import Parts
from keygenreg.web.reply import BlobReply, Reply
from keygenreg.web.routing import Routed

#: Pages of OPEN products are the same for everybody; a short life lets uv share one request between its processes.
_PUBLIC = "public, max-age=60, no-transform"
#: Clients key their caches by URL without credentials, so every use of a gated page must come back to us.
_PRIVATE = "private, max-age=0, must-revalidate, no-transform"
#: Of entries of pages that are kept: those of some ten thousand files.
ENTRIES_BYTES = 32 * 1024 * 1024
_HOW_TO_PUBLISH = (
    "This index is read-only: publish with `keygenreg publish FILE --package NAME --version VERSION`, "
    "or with the API, not with an uploader."
)


class PypiRoutes:
    """The engine's one Klein."""

    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.mirror: Mirror = parts.mirrors.of(PypiUpstream())
        self._entries: KeptEntries[Entry] = KeptEntries(ENTRIES_BYTES)

    @app.route("/", methods=["GET", "HEAD"])
    @app.route("/simple", methods=["GET", "HEAD"])
    @answers(as_reply)
    async def project_list(self, exchange: Exchange) -> Reply:
        """Every project that the caller may see, with or without files."""
        representation = choose_representation(exchange.header("Accept"), exchange.query.text("format"))
        exchange.keep()
        grant = await exchange.admit()
        grant.require("package.read")
        rows = await self.parts.database.rows(queries.PROJECTS, scope=grant.scope)
        links = [
            ProjectLink(row["key"], self._page_url(exchange, grant, row["pypi_name"]), row["metadata"]) for row in rows
        ]
        page = render.project_list(links, account=_title(grant), representation=representation)
        return _reply(page, public=grant.bearer is None)

    @app.route("/simple/<project>", methods=["GET", "HEAD"])
    @answers(as_reply)
    async def project_detail(self, exchange: Exchange, project: str) -> Reply:
        """One project's files; a name that was never carried here goes upstream."""
        representation = choose_representation(exchange.header("Accept"), exchange.query.text("format"))
        exchange.keep()
        grant = await exchange.admit()
        lookup = Lookup(self.parts.database, grant)
        found = await lookup.project(project)
        if found is None:
            return await self._upstream(exchange, grant, normalize(project), representation)
        place = Place(found.project.name, exchange.base_url, str(grant.account.id), representation.is_json)
        listed, entries = await self._entries.of(
            partial(lookup.listed, found), partial(lookup.listed_files, found), partial(entry, place=place), place.text
        )
        page = render.project_page(
            found.project, first_of_each(entries), account=_title(grant), representation=representation
        )
        return _reply(page, public=found.public, updated=listed.updated)

    @app.route("/pypi/<project>/json", methods=["GET", "HEAD"])
    @app.route("/pypi/<project>/<version>/json", methods=["GET", "HEAD"])
    @answers(as_reply)
    async def project_json(self, exchange: Exchange, project: str, version: str | None = None) -> Reply:
        """What tools read of a project without its pages; nothing for projects that are not carried here."""
        exchange.keep()
        grant = await exchange.admit()
        lookup = Lookup(self.parts.database, grant)
        found = await lookup.project(project)
        if found is None:
            raise NotFound(f"There is no project {project!r} here.")
        rows = await lookup.files(found)
        files = project_files(rows, found.project.name, exchange.artifact_url)
        whole = evolve(found.project, files=files)
        asked = None if version is None else _version(version)
        facts = await lookup.facts(found, str(chosen_version(whole) if version is None else asked))
        described = Described(project=whole, facts=facts, project_url=self._page_url(exchange, grant, whole.name))
        if version is None:
            body = project_document(described)
        else:
            body = None if asked is None else version_document(described, asked)
        if body is None:
            raise NotFound(f"The project {project!r} has no file of version {version!r}.")
        updated = max((row["updated"] for row in rows), default=None)
        return _reply(render.page(body, JSON_UTF8), public=found.public, updated=updated)

    @app.route("/files/<project>/<digest>/<filename>", methods=["GET", "HEAD"])
    @answers(as_reply)
    async def mirrored_file(self, exchange: Exchange, project: str, digest: str, filename: str) -> Reply | BlobReply:
        """A file of another index, or its metadata, under the URL that our page of the project gives it."""
        grant = await exchange.admit()
        grant.require("package.read")
        head = exchange.method == "HEAD"
        return await self.mirror.reply(
            grant,
            project,
            filename,
            digest=digest,
            head=head,
            header=exchange.header,
            remember=exchange.shared,
            keep=exchange.keep,
        )

    @app.route("/", methods=["POST", "PUT", "PATCH", "DELETE"], branch=True)
    @answers(as_reply)
    async def publish(self, exchange: Exchange) -> Reply:
        """Uploaders are told how to publish instead."""
        await exchange.find_account()
        raise NotAllowed(_HOW_TO_PUBLISH)

    async def _upstream(self, exchange: Exchange, grant: Grant, name: str, representation: Representation) -> Reply:
        """The page of a name that this account never had, as the operator's policy for it says."""
        policy = await self.mirror.policy(grant, exchange.shared)
        if not is_valid(name):
            raise NotFound(f"There is no project {name!r} here.")
        policy.judge(name)
        if policy.mode == "redirect":
            policy.admit(grant)
            # Never 301 or 308: pip keeps those for ever, and a later claim of the name must count (packages.md 1.9).
            location = f"{policy.upstream}{quote(name, safe='')}/"
            return Reply(307, b"", (("Location", location), ("Cache-Control", "no-store"), VARY))
        try:
            document = await self.mirror.document(grant, name, remember=exchange.shared)
        except Failure:
            exchange.keep(0)  # what upstream lacks or fails at now, it may have in a moment
            raise
        exchange.keep(document.fresh_until)
        base, account = exchange.base_url, _title(grant)

        def made() -> Rendering:
            urls = partial(_mirrored_url, base, grant, name)
            return page_rendering(document.listing, policy, urls, account=account, representation=representation)

        form = (base, account, representation, policy)
        found = await self.mirror.documents.renderings.get(document, form, made)
        reply = _reply(found.document, public=False).with_headers(*self.mirror.warnings(document))
        return evolve(reply, packed=found.gzip)

    @staticmethod
    def _page_url(exchange: Exchange, grant: Grant, name: str) -> str:
        return f"{exchange.base_url}/v1/accounts/{grant.account.id}/engines/pypi/simple/{quote(name, safe='')}/"


def _mirrored_url(base_url: str, grant: Grant, name: str, file: RemoteFile) -> str:
    place = f"{quote(name, safe='')}/{file.digest}/{quote(file.key, safe='')}"
    return f"{base_url}/v1/accounts/{grant.account.id}/engines/pypi/files/{place}"


def _title(grant: Grant) -> str:
    return grant.account.name or grant.account.slug


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except (InvalidVersion, ValueError):
        return None


def _reply(page: render.Page, *, public: bool, updated: datetime | None = None) -> Reply:
    headers = [
        ("Content-Type", page.content_type),
        ("ETag", page.etag),
        ("Cache-Control", _PUBLIC if public else _PRIVATE),
        VARY,
    ]
    if updated is not None:
        headers.append(("Last-Modified", format_http_date(updated.timestamp())))
    return Reply(200, page.body, headers)


answers_unrouted(PypiRoutes.app, as_reply, refusal=_HOW_TO_PUBLISH)


def resource(parts: Parts) -> Routed:
    """The engine's resource, built once."""
    return Routed(PypiRoutes(parts).app)
