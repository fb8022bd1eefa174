"""Products: what a vendor sells (api.md 1.3, 2.8)."""

from __future__ import annotations

from typing import Any

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.identifiers import is_web_url, parse_uuid
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.changes import delete, insert, update
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import (
    MANAGERS,
    adopt_environment,
    require_permissions_grantable,
    require_writable,
    require_writer,
    shown_permissions,
)
from keygenreg.management.router import Route
from keygenreg.management.rules import LONGEST_NAME, Problems
from keygenreg.management.schema import Attribute, Relationship, Schema
from keygenreg.web.reply import Reply

STRATEGIES = ("LICENSED", "OPEN", "CLOSED")

PRODUCTS = Listing("products", "SELECT t.* FROM visible_products t WHERE true", "products", "t")
PRODUCT = Query(
    "product by id or code",
    """SELECT t.* FROM visible_products t WHERE t.id = %(id)s OR lower(t.code) = lower(%(alias)s)
    ORDER BY (t.id = %(id)s) DESC NULLS LAST, t.created, t.ordinal LIMIT 1""",
)
CODE_TAKEN = Query(
    "product code in use",
    """SELECT 1 AS taken FROM products WHERE account_id = %(account)s AND lower(code) = lower(%(code)s)
    AND id IS DISTINCT FROM %(id)s LIMIT 1""",
    unscoped="codes are unique in the whole account, seen or not",
)

_ATTRIBUTES = {
    "code": Attribute(nullable=True, blank=False),
    "distribution_strategy": Attribute(nullable=True),
    "url": Attribute(nullable=True, blank=False),
    "platforms": Attribute("strings", nullable=True),
    "metadata": Attribute("metadata"),
    "permissions": Attribute("strings", nullable=True),
}
CREATE = Schema(
    "products",
    {"name": Attribute(required=True, blank=False), **_ATTRIBUTES},
    {"environment": Relationship(("environments",), nullable=True)},
)
UPDATE = Schema("products", {"name": Attribute(blank=False), **_ATTRIBUTES})


def document(call: Call, row: dict) -> dict:
    """One product as a resource object."""
    path = f"/products/{row['id']}"
    parts = ("policies", "licenses", "machines", "users", "tokens", "packages", "releases", "artifacts", "platforms",
             "arches", "channels", "engines")  # fmt: skip
    return call.resource(
        "products",
        row,
        {
            "name": row["name"],
            "code": row["code"],
            "distributionStrategy": row["distribution_strategy"],
            "url": row["url"],
            "platforms": row["platforms"],
            "metadata": call.metadata(row["metadata"]),
            **shown_permissions(row),
        },
        {part: call.related(f"{path}/{part}") for part in parts},
    )


async def find(call: Call, identifier: str) -> dict:
    """The product with an id or code, in the caller's scope. :raises NotFound: there is none."""
    row = await call.database.maybe(PRODUCT, scope=call.scope, id=parse_uuid(identifier), alias=identifier)
    if row is None:
        raise call.not_found("product", identifier)
    return row


async def index(call: Call) -> Reply:
    call.grant.require("product.read")
    return await PRODUCTS.reply(call, "/products", document)


async def find_to_read(call: Call, identifier: str) -> dict:
    """As :func:`find`, for a caller who may read products at all."""
    call.grant.require("product.read")
    return await find(call, identifier)


async def show(call: Call, product: str) -> Reply:
    return call.ok(document(call, await find_to_read(call, product)))


async def create(call: Call) -> Reply:
    body = read_resource(CREATE, call.body)
    call.grant.require("product.create")
    require_writer(call, None, MANAGERS)
    require_permissions_grantable(call, "product", body)
    values = dict(body.attributes)
    values["environment_id"] = adopt_environment(call, body)

    async def work(transaction: Transaction) -> dict:
        await _check(call, transaction, values, None)
        return await insert(transaction, "products", {"account_id": call.account_id, **_columns(values)})

    return call.created(document(call, await call.database.transact(work)))


async def change(call: Call, product: str) -> Reply:
    row = await find(call, product)
    call.grant.require("product.update")
    require_writable(call, row, product_id=row["id"])
    body = read_resource(UPDATE, call.body)
    require_permissions_grantable(call, "product", body)
    values = body.attributes

    async def work(transaction: Transaction) -> dict | None:
        await _check(call, transaction, values, row["id"])
        return await update(transaction, "products", row["id"], _columns(values))

    changed = await call.database.transact(work)
    if changed is None:
        raise call.not_found("product", product)
    return call.ok(document(call, changed))


async def remove(call: Call, product: str) -> Reply:
    row = await find(call, product)
    call.grant.require("product.delete")
    require_writable(call, row, roles=MANAGERS)
    await call.database.transact(lambda transaction: delete(transaction, "products", row["id"]))
    return call.no_content()


async def _check(call: Call, transaction: Transaction, values: dict[str, Any], identifier: Any) -> None:
    problems = Problems()
    problems.longest(values, {"name": LONGEST_NAME, "code": LONGEST_NAME})
    problems.alias(values, "code")
    problems.among(values, "distribution_strategy", STRATEGIES)
    problems.metadata(values)
    problems.permissions(values, "product")
    if values.get("url") is not None and not is_web_url(values["url"]):
        problems.add("url", "INVALID", "must be an http or https URL with a host")
    code = values.get("code")
    if code and await transaction.maybe(CODE_TAKEN, account=call.account_id, code=code, id=identifier):
        problems.add("code", "TAKEN", "has already been taken")
    problems.raise_any()


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    if "distribution_strategy" in values and values["distribution_strategy"] is None:
        return values | {"distribution_strategy": "LICENSED"}
    return values


ROUTES = (
    Route("GET", "/products", index),
    Route("POST", "/products", create),
    Route("GET", "/products/{product*}", show),
    Route("PATCH", "/products/{product*}", change),
    Route("DELETE", "/products/{product*}", remove),
)
