"""What a release demands: its constraints, and the entitlements behind them (api.md 1.9, 2.8)."""

from __future__ import annotations

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Denied, Source, Unprocessable
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.management.body import read_linkages, read_resources
from keygenreg.management.call import Call
from keygenreg.management.changes import delete, insert
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import require_writable
from keygenreg.management.resources import entitlements, releases
from keygenreg.management.resources.release_rules import check_entitlements
from keygenreg.management.resources.release_writing import CONSTRAINT
from keygenreg.management.router import Route
from keygenreg.management.rules import Problems
from keygenreg.web.reply import Reply

CONSTRAINTS = Listing(
    "constraints of a release",
    "SELECT t.* FROM visible_constraints t WHERE t.release_id = %(release)s",
    "constraints",
    "t",
)
ENTITLEMENTS = Listing(
    "entitlements of a release",
    """SELECT e.* FROM entitlements e WHERE e.id IN
    (SELECT t.entitlement_id FROM visible_constraints t WHERE t.release_id = %(release)s)""",
    "entitlements",
    "e",
)
CONSTRAINT_OF = Query(
    "constraint of a release",
    "SELECT t.* FROM visible_constraints t WHERE t.release_id = %(release)s AND t.id = %(id)s",
)
ENTITLEMENT_OF = Query(
    "entitlement of a release",
    """SELECT e.* FROM entitlements e JOIN visible_constraints t ON t.entitlement_id = e.id
    WHERE t.release_id = %(release)s AND (e.id = %(id)s OR e.code = %(code)s)
    ORDER BY (e.id = %(id)s) DESC NULLS LAST, e.created, e.ordinal LIMIT 1""",
)
DEMANDED = Query(
    "entitlements that a release demands already",
    "SELECT c.entitlement_id FROM constraints c WHERE c.release_id = %(release)s",
    unscoped="the release was found through the scope",
)
ATTACHED = Query(
    "constraints to be detached",
    "SELECT c.id FROM constraints c WHERE c.release_id = %(release)s AND c.id = ANY(%(ids)s::uuid[]) FOR UPDATE",
    unscoped="the release was found through the scope",
)
LICENSED = Query(
    "license for a product",
    """SELECT EXISTS (SELECT 1 FROM visible_licenses t JOIN policies p ON p.id = t.policy_id
    WHERE p.product_id = %(product)s) AS licensed""",
)


def document(call: Call, row: dict) -> dict:
    """One constraint as a resource object."""
    entitlement, release = row["entitlement_id"], row["release_id"]
    return call.resource(
        "constraints",
        row,
        {},
        {
            "entitlement": call.one(f"/entitlements/{entitlement}", "entitlements", entitlement),
            "release": call.one(f"/releases/{release}", "releases", release),
        },
        path=f"/releases/{release}/constraints/{row['id']}",
        link="related",
    )


async def _read(call: Call, release: str, permission: str) -> dict:
    """The release whose demands the caller wants to know: vendors, and customers of its product (api.md 4.5)."""
    row = await releases.read(call, release)
    call.grant.require(permission)
    if call.grant.role in ("license", "user"):
        found = await call.database.one(LICENSED, scope=call.scope, product=row["product_id"])
        if not found["licensed"]:
            raise Denied("You have no license for this product.")
    return row


async def index(call: Call, release: str) -> Reply:
    row = await _read(call, release, "constraint.read")
    return await CONSTRAINTS.reply(call, f"/releases/{row['id']}/constraints", document, release=row["id"])


async def show(call: Call, release: str, constraint: str) -> Reply:
    row = await _read(call, release, "constraint.read")
    found = await call.database.maybe(CONSTRAINT_OF, scope=call.scope, release=row["id"], id=parse_uuid(constraint))
    if found is None:
        raise call.not_found("constraint", constraint)
    return call.ok(document(call, found))


async def entitlement_index(call: Call, release: str) -> Reply:
    row = await _read(call, release, "entitlement.read")
    path = f"/releases/{row['id']}/entitlements"
    return await ENTITLEMENTS.reply(call, path, entitlements.document, release=row["id"])


async def entitlement_show(call: Call, release: str, entitlement: str) -> Reply:
    row = await _read(call, release, "entitlement.read")
    found = await call.database.maybe(
        ENTITLEMENT_OF, scope=call.scope, release=row["id"], id=parse_uuid(entitlement), code=entitlement
    )
    if found is None:
        raise call.not_found("entitlement", entitlement)
    return call.ok(entitlements.document(call, found))


async def attach(call: Call, release: str) -> Reply:
    row = await releases.find(call, release, changing=True)
    call.grant.require("release.constraints.attach")
    require_writable(call, row, product_id=row["product_id"])
    wanted = [given.reference("entitlement") for given in read_resources(CONSTRAINT, call.body)]

    async def work(transaction: Transaction) -> list[dict]:
        problems = Problems()
        await check_entitlements(problems, call, transaction, wanted, prefix="", place="/data")
        taken = {row["entitlement_id"] for row in await transaction.rows(DEMANDED, release=row["id"])}
        for n, entitlement in enumerate(wanted):
            if entitlement in taken:
                pointer = f"/data/{n}/relationships/entitlement"
                problems.add("entitlement", "TAKEN", "is demanded already", pointer=pointer)
        problems.raise_any()
        owned = {"account_id": call.account_id, "environment_id": row["environment_id"], "release_id": row["id"]}
        return [await insert(transaction, "constraints", owned | {"entitlement_id": one}) for one in wanted]

    rows = await call.database.transact(work)
    return call.reply(200, {"data": [document(call, made) for made in rows]})


async def detach(call: Call, release: str) -> Reply:
    row = await releases.find(call, release, changing=True)
    call.grant.require("release.constraints.detach")
    require_writable(call, row, product_id=row["product_id"])
    ids = read_linkages(call.body, "constraints")

    async def work(transaction: Transaction) -> None:
        known = {found["id"] for found in await transaction.rows(ATTACHED, release=row["id"], ids=ids)}
        for n, identifier in enumerate(ids):
            if identifier not in known:
                detail = f"The release has no constraint {identifier}; nothing was detached."
                raise Unprocessable(detail, source=Source(pointer=f"/data/{n}"))
        for identifier in known:
            await delete(transaction, "constraints", identifier)

    await call.database.transact(work)
    return call.no_content()


ROUTES = (
    Route("GET", "/releases/{release*}/constraints", index),
    Route("POST", "/releases/{release*}/constraints", attach),
    Route("DELETE", "/releases/{release*}/constraints", detach),
    Route("GET", "/releases/{release*}/constraints/{constraint}", show),
    Route("GET", "/releases/{release*}/entitlements", entitlement_index),
    Route("GET", "/releases/{release*}/entitlements/{entitlement}", entitlement_show),
)
