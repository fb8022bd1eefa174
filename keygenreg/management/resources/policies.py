"""Policies: the terms that licenses share (api.md 1.10, 2.9)."""

from __future__ import annotations

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.changes import delete, insert, update
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import (
    LICENSORS,
    adopt_environment,
    require_reader,
    require_writable,
    require_writer,
)
from keygenreg.management.resources import policy_attributes, products
from keygenreg.management.router import Route
from keygenreg.management.schema import Attribute, Relationship, Schema
from keygenreg.web.reply import Reply

POLICIES = Listing(
    "policies",
    """SELECT t.* FROM visible_policies t LEFT JOIN products p ON p.id = t.product_id
    WHERE (%(product)s::text IS NULL OR t.product_id = %(product_id)s OR lower(p.code) = lower(%(product)s))""",
    "policies",
    "t",
)
POLICY = Query("policy by id", "SELECT t.* FROM visible_policies t WHERE t.id = %(id)s")
PRODUCT = Query("product of a new policy", "SELECT id FROM visible_products WHERE id = %(id)s")

#: Sales agents make policies but do not delete them (POL-08).
_REMOVERS = tuple(role for role in LICENSORS if role != "sales-agent")

CREATE = Schema(
    "policies",
    {"name": Attribute(required=True, blank=False), **policy_attributes.ATTRIBUTES},
    {
        "product": Relationship(("products",), required=True),
        "environment": Relationship(("environments",), nullable=True),
    },
)
UPDATE = Schema("policies", {"name": Attribute(blank=False), **policy_attributes.ATTRIBUTES})


def document(call: Call, row: dict) -> dict:
    """One policy as a resource object."""
    path = f"/policies/{row['id']}"
    relationships = {
        "product": call.one(f"{path}/product", "products", row["product_id"]),
        "pool": call.related(f"{path}/pool"),
        "licenses": call.related(f"{path}/licenses"),
        "entitlements": call.related(f"{path}/entitlements"),
    }
    return call.resource("policies", row, policy_attributes.shown(call, row), relationships)


async def find(call: Call, identifier: str) -> dict:
    """The policy with an id, in the caller's scope. :raises NotFound: there is none."""
    row = await call.database.maybe(POLICY, scope=call.scope, id=parse_uuid(identifier))
    if row is None:
        raise call.not_found("policy", identifier)
    return row


async def find_to_read(call: Call, identifier: str) -> dict:
    """As :func:`find`, for a caller who may read policies at all."""
    call.grant.require("policy.read")
    return await find(call, identifier)


async def listed(call: Call, product: str | None, path: str) -> Reply:
    """The policies of a product (all for ``None``), under the list's own path."""
    call.grant.require("policy.read")
    return await POLICIES.reply(call, path, document, product=product, product_id=parse_uuid(product))


async def index(call: Call) -> Reply:
    return await listed(call, call.query.text("product"), "/policies")


async def index_of_product(call: Call, product: str) -> Reply:
    require_reader(call)
    row = await products.find_to_read(call, product)
    return await listed(call, str(row["id"]), f"/products/{row['id']}/policies")


async def show(call: Call, policy: str) -> Reply:
    return call.ok(document(call, await find_to_read(call, policy)))


async def show_product(call: Call, policy: str) -> Reply:
    row = await find_to_read(call, policy)
    return await products.show(call, str(row["product_id"]))


async def create(call: Call) -> Reply:
    body = read_resource(CREATE, call.body)
    call.grant.require("policy.create")
    require_writer(call, body.reference("product"), LICENSORS)
    environment = adopt_environment(call, body)
    values = {"protected": call.grant.account.protected} | body.attributes
    if values.get("max_machines") is None and not values.get("floating"):
        values["max_machines"] = 1

    async def work(transaction: Transaction) -> dict:
        problems = policy_attributes.problems_of(values)
        product = await transaction.maybe(PRODUCT, scope=call.account_scope, id=body.reference("product"))
        if product is None:
            problems.relationship("product", "NOT_FOUND", "must exist")
        problems.raise_any()
        owned = {"account_id": call.account_id, "product_id": product["id"], "environment_id": environment}
        return await insert(transaction, "policies", owned | values)

    return call.created(document(call, await call.database.transact(work)))


async def change(call: Call, policy: str) -> Reply:
    row = await find(call, policy)
    call.grant.require("policy.update")
    require_writable(call, row, product_id=row["product_id"], roles=LICENSORS)
    values = read_resource(UPDATE, call.body).attributes
    policy_attributes.problems_of(values).raise_any()
    changed = await call.database.transact(lambda transaction: update(transaction, "policies", row["id"], values))
    if changed is None:
        raise call.not_found("policy", policy)
    return call.ok(document(call, changed))


async def remove(call: Call, policy: str) -> Reply:
    """Its licenses go with it."""
    row = await find(call, policy)
    call.grant.require("policy.delete")
    require_writable(call, row, product_id=row["product_id"], roles=_REMOVERS)
    await call.database.transact(lambda transaction: delete(transaction, "policies", row["id"]))
    return call.no_content()


ROUTES = (
    Route("GET", "/policies", index),
    Route("POST", "/policies", create),
    Route("GET", "/policies/{policy}", show),
    Route("PATCH", "/policies/{policy}", change),
    Route("DELETE", "/policies/{policy}", remove),
    Route("GET", "/policies/{policy}/product", show_product),
    Route("GET", "/products/{product*}/policies", index_of_product),
)
