"""Entitlements of a license: its own and its policy's (api.md 2.9)."""

from __future__ import annotations

from uuid import UUID

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Denied, Source
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.management.body import read_linkages
from keygenreg.management.call import Call
from keygenreg.management.joins import Joins
from keygenreg.management.listing import Listing
from keygenreg.management.resources import entitlements, license_records, licenses, policy_entitlements
from keygenreg.management.router import Route
from keygenreg.web.reply import Reply

JOINS = Joins("license_entitlements", "license-entitlements", "license", "licenses", "entitlement", "entitlements")

_OF_LICENSE = """SELECT t.* FROM visible_entitlements t WHERE t.id IN (
    SELECT le.entitlement_id FROM license_entitlements le WHERE le.license_id = %(license)s
    UNION SELECT pe.entitlement_id FROM policy_entitlements pe WHERE pe.policy_id = %(policy)s)"""
ENTITLEMENTS = Listing("entitlements of a license", _OF_LICENSE, "entitlements", "t")
ENTITLEMENT = Query("entitlement of a license", _OF_LICENSE + " AND (t.id = %(id)s OR t.code = %(code)s)")


async def index(call: Call, license: str) -> Reply:
    row = await license_records.find_to_read(call, license)
    call.grant.require("entitlement.read")
    path = f"/licenses/{row['id']}/entitlements"
    return await ENTITLEMENTS.reply(
        call, path, entitlements.document, license=row["id"], policy=row["policy_id"]
    )


async def show(call: Call, license: str, entitlement: str) -> Reply:
    row = await license_records.find_to_read(call, license)
    call.grant.require("entitlement.read")
    found = await call.database.maybe(
        ENTITLEMENT,
        scope=call.scope,
        license=row["id"],
        policy=row["policy_id"],
        id=parse_uuid(entitlement),
        code=entitlement,
    )
    if found is None:
        raise call.not_found("entitlement", entitlement)
    return call.ok(entitlements.document(call, found))


async def attach(call: Call, license: str) -> Reply:
    row = await license_records.find(call, license)
    licenses.require_license_writer(call, row, "license.entitlements.attach", owner_too=False)
    identifiers = read_linkages(call.body, "entitlements")

    async def work(transaction: Transaction) -> list[dict]:
        return await JOINS.attach(call, transaction, row, identifiers)

    made = await call.database.transact(work)
    return call.reply(200, {"data": [JOINS.document(call, each) for each in made]})


async def detach(call: Call, license: str) -> Reply:
    row = await license_records.find(call, license)
    licenses.require_license_writer(call, row, "license.entitlements.detach", owner_too=False)
    identifiers = read_linkages(call.body, "entitlements")

    async def work(transaction: Transaction) -> None:
        own = await JOINS.attached(transaction, row["id"])
        inherited = await policy_entitlements.JOINS.attached(transaction, row["policy_id"])
        _require_own(identifiers, inherited - own)
        await JOINS.detach(transaction, row["id"], identifiers)

    await call.database.transact(work)
    return call.no_content()


def _require_own(identifiers: list[UUID], inherited: set[UUID]) -> None:
    for place, identifier in enumerate(identifiers):
        if identifier in inherited:
            raise Denied(
                f"cannot detach entitlement '{identifier}' (entitlement is attached through policy)",
                source=Source(pointer=f"/data/{place}"),
            )


ROUTES = (
    Route("GET", "/licenses/{license*}/entitlements", index),
    Route("GET", "/licenses/{license*}/entitlements/{entitlement}", show),
    Route("POST", "/licenses/{license*}/entitlements", attach),
    Route("DELETE", "/licenses/{license*}/entitlements", detach),
)
