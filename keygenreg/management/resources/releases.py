"""Releases as they are read: documents, lists, look-ups by id, version or tag (api.md 1.5, 2.8, 4)."""

from __future__ import annotations

from functools import lru_cache

from keygenreg.database.query import Query
from keygenreg.domain.failures import Denied, Invalid, Problem
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.domain.version import parse_version
from keygenreg.formats.jsonapi_document import linkage, related
from keygenreg.management.call import Call
from keygenreg.management.listing import Listing
from keygenreg.management.resources import products
from keygenreg.management.resources.catalogue_filters import (
    RELEASE_CONDITIONS,
    Filters,
    release_filters,
    where,
    within_sight,
)
from keygenreg.management.router import Route
from keygenreg.web.reply import Reply

_RELATED = ("entitlements", "constraints", "artifacts", "upgrade")


@lru_cache(maxsize=512)
def _listing(names: tuple[str, ...]) -> Listing:
    """The list of releases narrowed by named conditions."""
    select = f"SELECT r.* FROM visible_releases r WHERE {where(RELEASE_CONDITIONS, names)}"
    return Listing("releases", select, "releases", "r")


@lru_cache(maxsize=512)
def _matches(names: tuple[str, ...]) -> Query:
    """Releases by id, version or tag, narrowed by named conditions; the oldest first."""
    return Query(
        "releases by id, version or tag",
        f"""SELECT r.* FROM visible_releases r
        WHERE (r.id = %(id)s OR r.version = %(alias)s OR r.tag = %(alias)s) AND {where(RELEASE_CONDITIONS, names)}
        ORDER BY (r.id = %(id)s) DESC NULLS LAST, r.created, r.ordinal LIMIT 10""",
    )


def document(call: Call, row: dict) -> dict:
    """One release as a resource object."""
    path = f"/releases/{row['id']}"
    return call.resource(
        "releases",
        row,
        {
            "name": row["name"],
            "description": row["description"],
            "channel": row["channel"],
            "status": row["status"],
            "tag": row["tag"],
            "version": row["version"],
            "semver": parse_version(row["version"]).semver(),
            "metadata": call.metadata(row["metadata"]),
            "backdated": row["backdated"],
            "yanked": row["yanked"],
        },
        {
            "product": call.one(f"{path}/product", "products", row["product_id"]),
            "package": related(call.path(f"{path}/package"), data=linkage("packages", row["package_id"])),
            **{part: call.related(f"{path}/{part}") for part in _RELATED},
        },
    )


async def find(
    call: Call,
    identifier: str,
    *,
    changing: bool = False,
    product: dict | None = None,
    ignoring: frozenset[str] = frozenset(),
) -> dict:
    """
    The release with an id, version or tag in the caller's scope and the request's filters, the oldest of several.

    :param changing: refuse to guess.
    :param product: the product that the request's path names.
    :param ignoring: filters of the request that mean something else here.
    :raises NotFound: there is none. Invalid: a changing call by an alias that several releases have.
    """
    wanted = parse_uuid(identifier)
    filters = await release_filters(call, changing=changing, product=product, ignoring=ignoring)
    query = _matches(filters.names)
    rows = await call.database.rows(query, scope=call.scope, id=wanted, alias=identifier, **filters.values)
    if not rows:
        raise call.not_found("release", identifier)
    if changing and len(rows) > 1 and rows[0]["id"] != wanted:
        names = ", ".join(f"{row['id']} (version {row['version']}, product {row['product_id']})" for row in rows)
        detail = f"Several releases match; use an id or narrow by product and package: {names}."
        raise Invalid.of(Problem("/data/id", "RELEASE_AMBIGUOUS", detail))
    return rows[0]


async def read(
    call: Call, identifier: str, *, product: dict | None = None, ignoring: frozenset[str] = frozenset()
) -> dict:
    """
    The release that the caller wants to read.

    :raises NotFound: it is not in scope. Denied: a permission is missing, or the state of the licenses forbids it.
    """
    row = await find(call, identifier, product=product, ignoring=ignoring)
    call.grant.require("release.read")
    require_permitted(row)
    return row


def require_permitted(row: dict) -> None:
    """:raises Denied: the record is in scope, but the bearer's licenses are in no state to read it (api.md 4.3)."""
    if not row.get("permitted", True):
        raise Denied("Your license does not permit this at the moment (it may be suspended).")


async def index(call: Call) -> Reply:
    call.grant.require("release.read")
    return await _listed(call, "/releases", await release_filters(call))


async def _listed(call: Call, path: str, filters: Filters) -> Reply:
    filters = await within_sight(call, filters)
    return await _listing(filters.names).reply(call, path, document, **filters.values)


async def show(call: Call, release: str) -> Reply:
    return call.ok(document(call, await read(call, release)))


async def index_of_product(call: Call, product: str) -> Reply:
    owner = await products.find(call, product)
    call.grant.require("release.read")
    return await _listed(call, f"/products/{owner['id']}/releases", await release_filters(call, product=owner))


async def show_of_product(call: Call, product: str, release: str) -> Reply:
    owner = await products.find(call, product)
    return call.ok(document(call, await read(call, release, product=owner)))


async def show_product(call: Call, release: str) -> Reply:
    row = await read(call, release)
    call.grant.require("product.read")
    return call.ok(products.document(call, await products.find(call, str(row["product_id"]))))


ROUTES = (
    Route("GET", "/releases", index, credentials=False),
    Route("GET", "/releases/{release*}", show, credentials=False),
    Route("GET", "/releases/{release*}/product", show_product),
    Route("GET", "/products/{product*}/releases", index_of_product),
    Route("GET", "/products/{product*}/releases/{release*}", show_of_product),
)
