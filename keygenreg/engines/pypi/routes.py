"""The routes of the PyPI engine: pages, project documents, and names that belong to upstream."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from attrs import evolve, frozen
from klein import Klein
from packaging.version import InvalidVersion, Version

from keygenreg.domain.failures import Denied, Failure, NotAllowed, NotFound, Unauthenticated
from keygenreg.domain.grant import Grant
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.engines.pypi import queries, render
from keygenreg.engines.pypi.entries import Entries, Entry, Place
from keygenreg.engines.pypi.errors import VARY, as_reply
from keygenreg.engines.pypi.files import project_files
from keygenreg.engines.pypi.mirrored import page_rendering
from keygenreg.engines.pypi.names import is_valid, normalize
from keygenreg.engines.pypi.negotiation import Representation, choose_representation
from keygenreg.engines.pypi.project import STATUSES, Project, ProjectLink, ProjectStatus
from keygenreg.engines.pypi.project_json import Described, chosen_version, project_document, version_document
from keygenreg.engines.pypi.upstream import PypiUpstream
from keygenreg.formats.conditional import format_http_date
from keygenreg.formats.media_types import JSON_UTF8
from keygenreg.mirror.adapter import RemoteFile
from keygenreg.mirror.documents.renderings import Rendering
from keygenreg.mirror.mirror import Mirror
from keygenreg.web.edge import answers, answers_unrouted
from keygenreg.web.exchange import Exchange
from keygenreg.web.parts import Parts
from keygenreg.web.reply import BlobReply, Reply
from keygenreg.web.routing import Routed
from keygenreg.web.turns import in_turns

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


@frozen
class Found:
    """A project that the caller may read, without its files, the rows of these, and whether everybody may."""

    project: Project
    package: dict
    rows: list[dict]
    public: bool


class PypiRoutes:
    """The engine's one Klein."""

    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.mirror: Mirror = parts.mirrors.of(PypiUpstream())
        self._entries = Entries(ENTRIES_BYTES)

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
        found = await self._find(grant, project)
        if found is None:
            return await self._upstream(exchange, grant, normalize(project), representation)
        entries: dict[str, Entry] = {}
        place = Place(found.project.name, exchange.base_url, str(grant.account.id), representation.is_json)
        await in_turns(self._entries.fill(entries, found.rows, place))
        page = render.project_page(
            found.project, list(entries.values()), account=_title(grant), representation=representation
        )
        return _reply(page, public=found.public, rows=found.rows)

    @app.route("/pypi/<project>/json", methods=["GET", "HEAD"])
    @app.route("/pypi/<project>/<version>/json", methods=["GET", "HEAD"])
    @answers(as_reply)
    async def project_json(self, exchange: Exchange, project: str, version: str | None = None) -> Reply:
        """What tools read of a project without its pages; nothing for projects that are not carried here."""
        exchange.keep()
        grant = await exchange.admit()
        found = await self._find(grant, project)
        if found is None:
            raise NotFound(f"There is no project {project!r} here.")
        files = project_files(found.rows, found.project.name, exchange.artifact_url)
        found = evolve(found, project=evolve(found.project, files=files))
        asked = None if version is None else _version(version)
        described = await self._described(exchange, grant, found, asked)
        if version is None:
            body = project_document(described)
        else:
            body = None if asked is None else version_document(described, asked)
        if body is None:
            raise NotFound(f"The project {project!r} has no file of version {version!r}.")
        return _reply(render.page(body, JSON_UTF8), public=found.public, rows=found.rows)

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

    async def _find(self, grant: Grant, name: str) -> Found | None:
        """
        The project for the caller; ``None`` for a name that this account never had.

        :raises Unauthenticated, Denied, NotFound: it is here, and not for the caller (decisions 7 and 17).
        """
        normal = normalize(name)
        database = self.parts.database
        package = await database.maybe(queries.PACKAGE, scope=grant.scope, name=normal, id=parse_uuid(name))
        if package is None:
            if await database.maybe(queries.CLAIMED, account=grant.account.id, name=normal):
                raise NotFound(f"The project {normal!r} is not available here.")
            return None
        if not package["visible"]:
            raise _refused(grant, normal)
        grant.require("package.read")
        rows = await database.rows(queries.FILES, scope=grant.scope, package=package["id"])
        if rows and not any(row["permitted"] for row in rows):
            raise Denied(f"Your license does not permit access to {normal!r}; it may be suspended.")
        rows = [row for row in rows if row["permitted"]]
        project = Project(
            name=package["pypi_name"], display_name=package["key"], status=_status(package["metadata"])
        )
        return Found(project, package, rows, package["open"] and grant.bearer is None)

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

    async def _described(self, exchange: Exchange, grant: Grant, found: Found, version: Version | None) -> Described:
        wanted = chosen_version(found.project) if version is None else version
        row = await self.parts.database.maybe(
            queries.FACTS, scope=grant.scope, package=found.package["id"], version=str(wanted)
        )
        url = self._page_url(exchange, grant, found.project.name)
        return Described(project=found.project, facts=row["metadata"] if row else {}, project_url=url)

    @staticmethod
    def _page_url(exchange: Exchange, grant: Grant, name: str) -> str:
        return f"{exchange.base_url}/v1/accounts/{grant.account.id}/engines/pypi/simple/{quote(name, safe='')}/"


def _refused(grant: Grant, name: str) -> Exception:
    """Installers only look for credentials after a 401; a bearer that may not see it is told so (decision 7)."""
    if grant.bearer is None:
        return Unauthenticated(f"The project {name!r} needs a license key or token.", "TOKEN_MISSING")
    return Denied(f"Your credentials do not give access to {name!r}.")


def _mirrored_url(base_url: str, grant: Grant, name: str, file: RemoteFile) -> str:
    place = f"{quote(name, safe='')}/{file.digest}/{quote(file.key, safe='')}"
    return f"{base_url}/v1/accounts/{grant.account.id}/engines/pypi/files/{place}"


def _title(grant: Grant) -> str:
    return grant.account.name or grant.account.slug


def _status(metadata: dict) -> ProjectStatus:
    """PEP 792, as the vendor's metadata of the package says."""
    stated = metadata.get("project_status")
    if not isinstance(stated, str) or stated not in STATUSES:
        return ProjectStatus()
    reason = metadata.get("project_status_reason")
    return ProjectStatus(stated, reason if isinstance(reason, str) else None)


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except (InvalidVersion, ValueError):
        return None


def _reply(page: render.Page, *, public: bool, rows: list[dict] = ()) -> Reply:
    headers = [
        ("Content-Type", page.content_type),
        ("ETag", page.etag),
        ("Cache-Control", _PUBLIC if public else _PRIVATE),
        VARY,
    ]
    if rows:
        headers.append(("Last-Modified", format_http_date(max(row["updated"] for row in rows).timestamp())))
    return Reply(200, page.body, headers)


answers_unrouted(PypiRoutes.app, as_reply, refusal=_HOW_TO_PUBLISH)


def resource(parts: Parts) -> Routed:
    """The engine's resource, built once."""
    return Routed(PypiRoutes(parts).app)
