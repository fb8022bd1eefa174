"""Entitlements that all licenses of a policy inherit (api.md 2.9)."""

from __future__ import annotations

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.management.body import read_linkages
from keygenreg.management.call import Call
from keygenreg.management.joins import Joins
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import LICENSORS, require_writable
from keygenreg.management.resources import entitlements, policies
from keygenreg.management.router import Route
from keygenreg.web.reply import Reply

JOINS = Joins("policy_entitlements", "policy-entitlements", "policy", "policies", "entitlement", "entitlements")

_OF_POLICY = """SELECT t.* FROM visible_entitlements t
WHERE t.id IN (SELECT pe.entitlement_id FROM policy_entitlements pe WHERE pe.policy_id = %(policy)s)"""
ENTITLEMENTS = Listing("entitlements of a policy", _OF_POLICY, "entitlements", "t")
ENTITLEMENT = Query("entitlement of a policy", _OF_POLICY + " AND (t.id = %(id)s OR t.code = %(code)s)")


async def index(call: Call, policy: str) -> Reply:
    row = await policies.find_to_read(call, policy)
    call.grant.require("entitlement.read")
    path = f"/policies/{row['id']}/entitlements"
    return await ENTITLEMENTS.reply(call, path, entitlements.document, policy=row["id"])


async def show(call: Call, policy: str, entitlement: str) -> Reply:
    row = await policies.find_to_read(call, policy)
    call.grant.require("entitlement.read")
    found = await call.database.maybe(
        ENTITLEMENT, scope=call.scope, policy=row["id"], id=parse_uuid(entitlement), code=entitlement
    )
    if found is None:
        raise call.not_found("entitlement", entitlement)
    return call.ok(entitlements.document(call, found))


async def attach(call: Call, policy: str) -> Reply:
    row = await _writable(call, policy, "policy.entitlements.attach")
    identifiers = read_linkages(call.body, "entitlements")

    async def work(transaction: Transaction) -> list[dict]:
        return await JOINS.attach(call, transaction, row, identifiers)

    made = await call.database.transact(work)
    return call.reply(200, {"data": [JOINS.document(call, each) for each in made]})


async def detach(call: Call, policy: str) -> Reply:
    row = await _writable(call, policy, "policy.entitlements.detach")
    identifiers = read_linkages(call.body, "entitlements")
    await call.database.transact(lambda transaction: JOINS.detach(transaction, row["id"], identifiers))
    return call.no_content()


async def _writable(call: Call, policy: str, permission: str) -> dict:
    row = await policies.find(call, policy)
    call.grant.require(permission)
    require_writable(call, row, product_id=row["product_id"], roles=LICENSORS)
    return row


ROUTES = (
    Route("GET", "/policies/{policy}/entitlements", index),
    Route("POST", "/policies/{policy}/entitlements", attach),
    Route("DELETE", "/policies/{policy}/entitlements", detach),
    Route("GET", "/policies/{policy}/entitlements/{entitlement*}", show),
)
