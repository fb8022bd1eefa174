"""Artifacts as they are read: documents, lists, look-ups by id or file name (api.md 1.6, 2.8, 5.4)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from keygenreg.database.queries.artifacts import READABLE_BY_ALL
from keygenreg.database.query import Query
from keygenreg.domain.failures import Invalid, Problem
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.management.call import Call
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import WRITERS
from keygenreg.management.resources import products, releases
from keygenreg.management.resources.catalogue_filters import ARTIFACT_FILTERS, artifact_filters
from keygenreg.management.router import Route
from keygenreg.web.reply import Reply

ARTIFACTS = Listing("artifacts", f"SELECT a.* FROM visible_artifacts a WHERE {ARTIFACT_FILTERS}", "artifacts", "a")
MATCHES = Query(
    "artifacts by id or file name",
    f"""SELECT a.*, {READABLE_BY_ALL} FROM visible_artifacts a
    WHERE (a.id = %(id)s OR a.filename = %(filename)s) AND {ARTIFACT_FILTERS}
    ORDER BY (a.id = %(id)s) DESC NULLS LAST, a.version_key DESC, a.created DESC, a.ordinal DESC LIMIT %(limit)s""",
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


async def find(call: Call, identifier: str, *, changing: bool = False, **narrowing: Any) -> dict:
    """
    The artifact with an id or file name in the caller's scope and the request's filters: that of the highest version.

    :param changing: refuse to guess.
    :param narrowing: filter parameters in place of the request's.
    :raises NotFound: there is none. Invalid: a changing call by a name that several artifacts have.
    """
    wanted = parse_uuid(identifier)
    filters = await artifact_filters(call, changing=changing) | narrowing
    rows = await call.database.rows(
        MATCHES, scope=call.scope, id=wanted, filename=identifier, limit=10 if changing else 1, **filters
    )
    if not rows:
        raise call.not_found("artifact", identifier)
    if changing and len(rows) > 1 and rows[0]["id"] != wanted:
        names = ", ".join(f"{row['id']} (version {row['release_version']})" for row in rows)
        detail = f"Several artifacts have this name; use an id or narrow by release and product: {names}."
        raise Invalid.of(Problem("/data/id", "ARTIFACT_AMBIGUOUS", detail))
    return rows[0]


def of_release(release: dict) -> dict[str, Any]:
    """The filter parameters for one release."""
    return {"release": str(release["id"]), "release_id": release["id"]}


async def index(call: Call) -> Reply:
    call.grant.require("artifact.read")
    return await ARTIFACTS.reply(call, "/artifacts", document, **await artifact_filters(call))


async def index_of_release(call: Call, release: str) -> Reply:
    owner = await releases.find(call, release, status=None, channels=None)
    call.grant.require("artifact.read")
    releases.require_permitted(owner)
    filters = await artifact_filters(call) | of_release(owner)
    return await ARTIFACTS.reply(call, f"/releases/{owner['id']}/artifacts", document, **filters)


async def index_of_product(call: Call, product: str) -> Reply:
    owner = await products.find(call, product)
    call.grant.require("artifact.read")
    filters = await artifact_filters(call) | releases.of_product(owner)
    return await ARTIFACTS.reply(call, f"/products/{owner['id']}/artifacts", document, **filters)


ROUTES = (
    Route("GET", "/artifacts", index, credentials=False),
    Route("GET", "/releases/{release*}/artifacts", index_of_release, credentials=False),
    Route("GET", "/products/{product*}/artifacts", index_of_product),
)
