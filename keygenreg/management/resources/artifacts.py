"""Artifacts as they are read: documents, lists, look-ups by id or file name (api.md 1.6, 2.8, 5.4)."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from keygenreg.database.queries.artifacts import READABLE_BY_ALL
from keygenreg.database.query import Query
from keygenreg.domain.failures import Invalid, Problem
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.management.call import Call
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import WRITERS
from keygenreg.management.resources import products, releases
from keygenreg.management.resources.catalogue_filters import (
    ARTIFACT_CONDITIONS,
    Filters,
    artifact_filters,
    where,
    within_sight,
)
from keygenreg.management.router import Route
from keygenreg.web.reply import Reply

#: Filters that narrow the artifacts of a release, not the release in the path.
_OF_ARTIFACTS = frozenset({"channel", "status"})


@lru_cache(maxsize=512)
def _listing(names: tuple[str, ...]) -> Listing:
    """The list of artifacts narrowed by named conditions."""
    select = f"SELECT a.* FROM visible_artifacts a WHERE {where(ARTIFACT_CONDITIONS, names)}"
    return Listing("artifacts", select, "artifacts", "a")


@lru_cache(maxsize=512)
def _matches(names: tuple[str, ...]) -> Query:
    """Artifacts by id or file name, narrowed by named conditions; that of the highest version first."""
    return Query(
        "artifacts by id or file name",
        f"""SELECT a.*, {READABLE_BY_ALL} FROM visible_artifacts a
        WHERE (a.id = %(id)s OR a.filename = %(filename)s) AND {where(ARTIFACT_CONDITIONS, names)}
        ORDER BY (a.id = %(id)s) DESC NULLS LAST, a.version_key DESC, a.created DESC, a.ordinal DESC
        LIMIT %(limit)s""",
    )


def document(call: Call, row: dict, *, redirect: str | None = None) -> dict:
    """
    One artifact as a resource object.

    :param redirect: an absolute URL to its bytes, or for them.
    """
    path = f"/artifacts/{row['id']}"
    release = row["release_id"]
    attributes = {name: row[name] for name in ("filename", "filetype", "filesize", "platform", "arch")}
    attributes |= {name: row[name] for name in ("signature", "checksum", "status")}
    attributes["metadata"] = call.metadata(row["metadata"])
    if call.grant.role in WRITERS:
        attributes["failureReason"] = row["failure_reason"]
    made = call.resource(
        "artifacts", row, attributes, {"release": call.one(f"/releases/{release}", "releases", release)}
    )
    made["links"]["related"] = call.path(f"{path}/{quote(row['filename'], safe='')}")
    if redirect is not None:
        made["links"]["redirect"] = redirect
    return made


async def find(
    call: Call,
    identifier: str,
    *,
    changing: bool = False,
    product: dict | None = None,
    release: dict | None = None,
) -> dict:
    """
    The artifact with an id or file name in the caller's scope and the request's filters: that of the highest version.

    :param changing: refuse to guess.
    :param product, release: those that the request's path names.
    :raises NotFound: there is none. Invalid: a changing call by a name that several artifacts have.
    """
    wanted = parse_uuid(identifier)
    filters = await artifact_filters(call, changing=changing, product=product, release=release)
    if wanted is None:
        filters = await within_sight(call, filters)
    query, limit = _matches(filters.names), 10 if changing else 1
    rows = await call.database.rows(
        query, scope=call.scope, id=wanted, filename=identifier, limit=limit, **filters.values
    )
    if not rows:
        raise call.not_found("artifact", identifier)
    if changing and len(rows) > 1 and rows[0]["id"] != wanted:
        names = ", ".join(f"{row['id']} (version {row['release_version']})" for row in rows)
        detail = f"Several artifacts have this name; use an id or narrow by release and product: {names}."
        raise Invalid.of(Problem("/data/id", "ARTIFACT_AMBIGUOUS", detail))
    return rows[0]


async def release_of_path(call: Call, release: str) -> dict:
    """The release in whose path artifacts are asked for. :raises NotFound: it is not in scope."""
    return await releases.find(call, release, ignoring=_OF_ARTIFACTS)


async def _listed(call: Call, path: str, filters: Filters) -> Reply:
    filters = await within_sight(call, filters)
    return await _listing(filters.names).reply(call, path, document, **filters.values)


async def index(call: Call) -> Reply:
    call.grant.require("artifact.read")
    return await _listed(call, "/artifacts", await artifact_filters(call))


async def index_of_release(call: Call, release: str) -> Reply:
    owner = await release_of_path(call, release)
    call.grant.require("artifact.read")
    releases.require_permitted(owner)
    return await _listed(call, f"/releases/{owner['id']}/artifacts", await artifact_filters(call, release=owner))


async def index_of_product(call: Call, product: str) -> Reply:
    owner = await products.find(call, product)
    call.grant.require("artifact.read")
    return await _listed(call, f"/products/{owner['id']}/artifacts", await artifact_filters(call, product=owner))


ROUTES = (
    Route("GET", "/artifacts", index, credentials=False),
    Route("GET", "/releases/{release*}/artifacts", index_of_release, credentials=False),
    Route("GET", "/products/{product*}/artifacts", index_of_product),
)
