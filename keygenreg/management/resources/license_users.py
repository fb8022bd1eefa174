"""Users of a license: its owner and those attached to it (api.md 2.9)."""

from __future__ import annotations

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Denied, Source
from keygenreg.management.body import read_linkages
from keygenreg.management.call import Call
from keygenreg.management.joins import Joins
from keygenreg.management.resources import license_records, licenses, user_records
from keygenreg.management.router import Route
from keygenreg.web.reply import Reply

JOINS = Joins("license_users", "license-users", "license", "licenses", "user", "users")
IN_LICENSE = Query(
    "is a user of a license",
    """SELECT 1 AS found FROM licenses l WHERE l.id = %(license)s AND (l.owner_id = %(user)s
    OR EXISTS (SELECT 1 FROM license_users lu WHERE lu.license_id = l.id AND lu.user_id = %(user)s))""",
    unscoped="of a license that was found through the scope",
)


async def index(call: Call, license: str) -> Reply:
    row = await license_records.find_to_read(call, license)
    call.grant.require("user.read")
    path = f"/licenses/{row['id']}/users"
    return await user_records.listed(call, path, license=row["id"], roles=None)


async def show(call: Call, license: str, user: str) -> Reply:
    row = await license_records.find_to_read(call, license)
    call.grant.require("user.read")
    found = await user_records.find(call, user)
    if await call.database.maybe(IN_LICENSE, license=row["id"], user=found["id"]) is None:
        raise call.not_found("user", user)
    return call.ok(user_records.document(call, found))


async def attach(call: Call, license: str) -> Reply:
    row = await license_records.find(call, license)
    licenses.require_license_writer(call, row, "license.users.attach")
    identifiers = read_linkages(call.body, "users")

    async def work(transaction: Transaction) -> list[dict]:
        now = await license_records.stored(call, transaction, row["id"], locked=True)
        owner = [now["owner_id"]] if now["owner_id"] else []
        return await JOINS.attach(call, transaction, now, identifiers, taken=owner)

    made = await call.database.transact(work)
    return call.reply(200, {"data": [JOINS.document(call, each) for each in made]})


async def detach(call: Call, license: str) -> Reply:
    row = await license_records.find(call, license)
    licenses.require_license_writer(call, row, "license.users.detach")
    identifiers = read_linkages(call.body, "users")
    for place, identifier in enumerate(identifiers):
        if identifier == row["owner_id"]:
            raise Denied(f"cannot detach user '{identifier}' (user is the owner)", source=Source(f"/data/{place}"))
    await call.database.transact(lambda transaction: JOINS.detach(transaction, row["id"], identifiers))
    return call.no_content()


ROUTES = (
    Route("GET", "/licenses/{license*}/users", index),
    Route("GET", "/licenses/{license*}/users/{user}", show),
    Route("POST", "/licenses/{license*}/users", attach),
    Route("DELETE", "/licenses/{license*}/users", detach),
)
