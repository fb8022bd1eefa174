"""Entitlements: what licenses hold and releases ask for (api.md 1.9, 2.8)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.changes import delete, insert, update
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import MANAGERS, adopt_environment, require_writable, require_writer
from keygenreg.management.router import Route
from keygenreg.management.rules import LONGEST_NAME, Problems
from keygenreg.management.schema import Attribute, Relationship, Schema
from keygenreg.web.reply import Reply

ENTITLEMENTS = Listing("entitlements", "SELECT t.* FROM visible_entitlements t WHERE true", "entitlements", "t")
ENTITLEMENT = Query(
    "entitlement by id or code",
    """SELECT t.* FROM visible_entitlements t WHERE t.id = %(id)s OR t.code = %(code)s
    ORDER BY t.created, t.ordinal LIMIT 1""",
)
CODE_TAKEN = Query(
    "entitlement code in use",
    """SELECT 1 AS taken FROM entitlements WHERE account_id = %(account)s AND lower(code) = lower(%(code)s)
    AND id IS DISTINCT FROM %(id)s LIMIT 1""",
    unscoped="codes are unique in the whole account, seen or not",
)

_METADATA = {"metadata": Attribute("metadata")}
CREATE = Schema(
    "entitlements",
    {"name": Attribute(required=True, blank=False), "code": Attribute(required=True, blank=False), **_METADATA},
    {"environment": Relationship(("environments",), nullable=True)},
)
UPDATE = Schema("entitlements", {"name": Attribute(blank=False), "code": Attribute(blank=False), **_METADATA})


def document(call: Call, row: dict) -> dict:
    """One entitlement as a resource object."""
    shown = {"name": row["name"], "code": row["code"], "metadata": call.metadata(row["metadata"])}
    return call.resource("entitlements", row, shown, {})


async def find(call: Call, identifier: str) -> dict:
    """The entitlement with an id or code, in the caller's scope. :raises NotFound: there is none."""
    row = await call.database.maybe(ENTITLEMENT, scope=call.scope, id=parse_uuid(identifier), code=identifier)
    if row is None:
        raise call.not_found("entitlement", identifier)
    return row


async def index(call: Call) -> Reply:
    call.grant.require("entitlement.read")
    return await ENTITLEMENTS.reply(call, "/entitlements", document)


async def show(call: Call, entitlement: str) -> Reply:
    row = await find(call, entitlement)
    call.grant.require("entitlement.read")
    return call.ok(document(call, row))


async def create(call: Call) -> Reply:
    body = read_resource(CREATE, call.body)
    call.grant.require("entitlement.create")
    require_writer(call, None, MANAGERS)
    owned = {"account_id": call.account_id, "environment_id": adopt_environment(call, body)}

    async def work(transaction: Transaction) -> dict:
        await _check(call, transaction, body.attributes, None)
        return await insert(transaction, "entitlements", owned | body.attributes)

    return call.created(document(call, await call.database.transact(work)))


async def change(call: Call, entitlement: str) -> Reply:
    row = await find(call, entitlement)
    call.grant.require("entitlement.update")
    require_writable(call, row, roles=MANAGERS)
    values = read_resource(UPDATE, call.body).attributes

    async def work(transaction: Transaction) -> dict | None:
        await _check(call, transaction, values, row["id"])
        return await update(transaction, "entitlements", row["id"], values)

    changed = await call.database.transact(work)
    if changed is None:
        raise call.not_found("entitlement", entitlement)
    return call.ok(document(call, changed))


async def remove(call: Call, entitlement: str) -> Reply:
    """Its links and the constraints of releases go with it."""
    row = await find(call, entitlement)
    call.grant.require("entitlement.delete")
    require_writable(call, row, roles=MANAGERS)
    await call.database.transact(lambda transaction: delete(transaction, "entitlements", row["id"]))
    return call.no_content()


async def _check(call: Call, transaction: Transaction, values: dict[str, Any], identifier: UUID | None) -> None:
    problems = Problems()
    problems.longest(values, {"name": LONGEST_NAME, "code": LONGEST_NAME})
    problems.alias(values, "code")
    problems.metadata(values)
    code = values.get("code")
    if code and await transaction.maybe(CODE_TAKEN, account=call.account_id, code=code, id=identifier):
        problems.add("code", "TAKEN", "has already been taken")
    problems.raise_any()


ROUTES = (
    Route("GET", "/entitlements", index),
    Route("POST", "/entitlements", create),
    Route("GET", "/entitlements/{entitlement*}", show),
    Route("PATCH", "/entitlements/{entitlement*}", change),
    Route("DELETE", "/entitlements/{entitlement*}", remove),
)
