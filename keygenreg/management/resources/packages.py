"""Packages: what an engine serves under one name (api.md 1.4, 2.8; decision 10)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from twisted.logger import Logger

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.derived import ENGINES, derived_id, key_of_id
from keygenreg.domain.failures import Invalid, Problem
from keygenreg.domain.identifiers import parse_uuid, pypi_key
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.changes import delete, insert, update
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import adopt_environment, require_writable, require_writer
from keygenreg.management.resources import products
from keygenreg.management.router import Route
from keygenreg.management.rules import LONGEST_NAME, Problems
from keygenreg.management.schema import Attribute, Relationship, Schema
from keygenreg.web.reply import Reply

_log = Logger()

#: Engines that look names up in other registries (schema 0004).
_CLAIMING = frozenset({"pypi", "npm", "rubygems"})

PACKAGES = Listing(
    "packages",
    """SELECT t.* FROM visible_packages t
    LEFT JOIN products p ON p.id = t.product_id
    WHERE (%(product)s::text IS NULL OR t.product_id = %(product_id)s OR lower(p.code) = lower(%(product)s))
    AND (NOT %(by_engine)s OR t.engine IS NOT DISTINCT FROM %(engine)s)""",
    "packages",
    "t",
)
MATCHES = Query(
    "packages by id or key",
    """SELECT t.* FROM visible_packages t WHERE t.id = %(id)s OR t.key = %(key)s
    OR t.pypi_name = lower(regexp_replace(%(key)s, '[-_.]+', '-', 'g'))
    ORDER BY (t.id = %(id)s) DESC NULLS LAST, (t.key = %(key)s) DESC, t.created, t.ordinal LIMIT 10""",
)
KEY_TAKEN = Query(
    "package key in use",
    """SELECT 1 AS taken FROM packages WHERE account_id = %(account)s AND engine IS NOT DISTINCT FROM %(engine)s
    AND (key = %(key)s OR (engine = 'pypi' AND pypi_name = lower(regexp_replace(%(key)s, '[-_.]+', '-', 'g'))))
    AND id IS DISTINCT FROM %(id)s LIMIT 1""",
    unscoped="keys are unique in the whole account, seen or not",
)
PRODUCT_EXISTS = Query("product of a new package", "SELECT id, environment_id FROM visible_products WHERE id = %(id)s")

_ATTRIBUTES = {
    "engine": Attribute(nullable=True, choices=ENGINES),
    "metadata": Attribute("metadata"),
}
CREATE = Schema(
    "packages",
    {"name": Attribute(required=True, blank=False), "key": Attribute(required=True, blank=False), **_ATTRIBUTES},
    {
        "product": Relationship(("products",), required=True),
        "environment": Relationship(("environments",), nullable=True),
    },
)
UPDATE = Schema("packages", {"name": Attribute(blank=False), "key": Attribute(blank=False), **_ATTRIBUTES})


def document(call: Call, row: dict) -> dict:
    """One package as a resource object."""
    path = f"/packages/{row['id']}"
    engine = row["engine"]
    identifier = derived_id(call.account_id, "engines", engine) if engine else None
    return call.resource(
        "packages",
        row,
        {
            "name": row["name"],
            "key": row["key"],
            "engine": engine,
            "metadata": call.metadata(row["metadata"]),
        },
        {
            "product": call.one(f"/products/{row['product_id']}", "products", row["product_id"]),
            "engine": call.one(f"/engines/{identifier}", "engines", identifier),
            "releases": call.related(f"/releases?package={row['id']}"),
        },
        path=path,
        link="related",
    )


async def find(call: Call, identifier: str, *, changing: bool = False) -> dict:
    """
    The package with an id or key in the caller's scope: the oldest where engines share the key.

    :param changing: refuse to guess.
    :raises NotFound: there is none; Invalid: a changing call by a key that several packages have.
    """
    rows = await call.database.rows(MATCHES, scope=call.scope, id=parse_uuid(identifier), key=identifier)
    if not rows:
        raise call.not_found("package", identifier)
    exact = [row for row in rows if row["key"] == identifier] if rows[0]["id"] != parse_uuid(identifier) else []
    if changing and len(exact) > 1:
        names = ", ".join(f"{row['id']} ({row['engine'] or 'no engine'})" for row in exact)
        raise Invalid.of(Problem("/data/id", "KEY_AMBIGUOUS", f"Several packages have this key; use an id: {names}."))
    return rows[0]


def engine_filter(call: Call) -> dict[str, Any]:
    """
    The ``engine`` filter as parameters ``by_engine`` and ``engine``: a key or an id; empty means "none".
    """
    text = call.query.text("engine")
    if text is None:
        return {"by_engine": False, "engine": None}
    identifier = parse_uuid(text)
    if identifier is not None:
        text = key_of_id(call.account_id, "engines", identifier, ENGINES) or "?"
    return {"by_engine": True, "engine": text.lower() or None}


async def index(call: Call) -> Reply:
    product = call.query.text("product")
    return await listed(call, product, "/packages")


async def listed(call: Call, product: str | None, path: str) -> Reply:
    """The packages of a product (all for ``None``), under the list's own path."""
    call.grant.require("package.read")
    return await PACKAGES.reply(
        call, path, document, product=product, product_id=parse_uuid(product), **engine_filter(call)
    )


async def show(call: Call, package: str) -> Reply:
    row = await find(call, package)
    call.grant.require("package.read")
    return call.ok(document(call, row))


async def index_of_product(call: Call, product: str) -> Reply:
    row = await products.find(call, product)
    return await listed(call, str(row["id"]), f"/products/{row['id']}/packages")


async def show_of_product(call: Call, product: str, package: str) -> Reply:
    owner = await products.find(call, product)
    rows = await call.database.rows(MATCHES, scope=call.scope, id=parse_uuid(package), key=package)
    call.grant.require("package.read")
    for row in rows:
        if row["product_id"] == owner["id"]:
            return call.ok(document(call, row))
    raise call.not_found("package", package)


async def create(call: Call) -> Reply:
    body = read_resource(CREATE, call.body)
    call.grant.require("package.create")
    require_writer(call, body.reference("product"))
    values = _stored(body.attributes, body.attributes.get("engine"))
    environment = adopt_environment(call, body)
    product = await call.database.maybe(PRODUCT_EXISTS, scope=call.scope, id=body.reference("product"))

    async def work(transaction: Transaction) -> dict:
        problems = await _problems(call, transaction, values, values.get("engine"), None)
        if product is None:
            problems.relationship("product", "NOT_FOUND", "must exist")
        problems.raise_any()
        owned = {"account_id": call.account_id, "product_id": product["id"], "environment_id": environment}
        return await insert(transaction, "packages", owned | values)

    made = await call.database.transact(work)
    _note_claim(call, made)
    return call.created(document(call, made))


async def change(call: Call, package: str) -> Reply:
    row = await find(call, package, changing=True)
    call.grant.require("package.update")
    require_writable(call, row, product_id=row["product_id"])
    given = read_resource(UPDATE, call.body).attributes
    engine = given.get("engine", row["engine"])
    if engine != row["engine"] and "key" not in given:
        given = given | {"key": row["key"]}
    values = _stored(given, engine)

    async def work(transaction: Transaction) -> dict | None:
        (await _problems(call, transaction, values, engine, row["id"])).raise_any()
        return await update(transaction, "packages", row["id"], values)

    changed = await call.database.transact(work)
    if changed is None:
        raise call.not_found("package", package)
    if (changed["engine"], changed["key"]) != (row["engine"], row["key"]):
        _note_claim(call, changed)
    return call.ok(document(call, changed))


async def remove(call: Call, package: str) -> Reply:
    row = await find(call, package, changing=True)
    call.grant.require("package.delete")
    require_writable(call, row, product_id=row["product_id"])
    await call.database.transact(lambda transaction: delete(transaction, "packages", row["id"]))
    return call.no_content()


def _note_claim(call: Call, package: dict[str, Any]) -> None:
    """Write down that a name is not passed through from upstream any more: lock files may know upstream's package."""
    if package["engine"] in _CLAIMING:
        _log.info(
            "The {engine} name {key!r} is claimed by account {account}; made by {type} {id}, upstream's copies removed",
            engine=package["engine"],
            key=package["key"],
            account=call.grant.account.slug,
            type=call.grant.bearer.type,
            id=call.grant.bearer.id,
        )


def _stored(values: dict[str, Any], engine: str | None) -> dict[str, Any]:
    """A PyPI key has one separator only: that is how its users spell it (api.md 1.4)."""
    if engine == "pypi" and "key" in values:
        return values | {"key": pypi_key(values["key"])}
    return dict(values)


async def _problems(
    call: Call, transaction: Transaction, values: dict[str, Any], engine: str | None, identifier: UUID | None
) -> Problems:
    problems = Problems()
    problems.longest(values, {"name": LONGEST_NAME, "key": LONGEST_NAME})
    problems.alias(values, "key")
    problems.metadata(values)
    key = values.get("key")
    if key and await transaction.maybe(KEY_TAKEN, account=call.account_id, engine=engine, key=key, id=identifier):
        problems.add("key", "TAKEN", "has already been taken")
    return problems


ROUTES = (
    Route("GET", "/packages", index, credentials=False),
    Route("POST", "/packages", create),
    Route("GET", "/packages/{package*}", show, credentials=False),
    Route("PATCH", "/packages/{package*}", change),
    Route("DELETE", "/packages/{package*}", remove),
    Route("GET", "/products/{product*}/packages", index_of_product),
    Route("GET", "/products/{product*}/packages/{package*}", show_of_product),
)
