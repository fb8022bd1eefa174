"""What is done to licenses: renewing, suspending, and changes of policy and owner (api.md 2.9)."""

from __future__ import annotations

from functools import partial
from typing import Any

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.expiry import at_renewal, at_transfer
from keygenreg.domain.failures import Denied, Source, Unprocessable
from keygenreg.management.body import read_linkage
from keygenreg.management.call import Call
from keygenreg.management.changes import update
from keygenreg.management.ownership import LICENSORS
from keygenreg.management.resources import license_records, licenses, user_records
from keygenreg.management.router import Route
from keygenreg.management.rules import Problems
from keygenreg.web.reply import Reply

NEW_POLICY = Query(
    "new policy of a license",
    """SELECT t.id, t.product_id, t.protected, t.duration, t.transfer_strategy, t.scheme, t.encrypted, t.use_pool
    FROM visible_policies t WHERE t.id = %(id)s""",
)
IS_USER = Query(
    "user of a license",
    "SELECT 1 AS attached FROM license_users WHERE license_id = %(license)s AND user_id = %(user)s",
    unscoped="of a license that was found through the scope",
)
SUSPENDERS = (*LICENSORS, "support-agent")


async def renew(call: Call, license: str) -> Reply:
    row = await license_records.find(call, license)
    licenses.require_license_writer(call, row, "license.renew")

    async def work(transaction: Transaction) -> dict:
        now = await license_records.stored(call, transaction, row["id"], locked=True)
        expiry = at_renewal(
            now["expiry"], basis=now["renewal_basis"], duration=now["duration"], now=now["now"]
        )
        return await _changed(call, transaction, row, {"expiry": expiry})

    return call.ok(license_records.document(call, await call.database.transact(work)))


async def _set_suspended(suspended: bool, permission: str, call: Call, license: str) -> Reply:
    row = await license_records.find(call, license)
    licenses.require_license_writer(call, row, permission, SUSPENDERS, owner_too=False)

    async def work(transaction: Transaction) -> dict:
        now = await license_records.stored(call, transaction, row["id"], locked=True)
        if now["suspended"] == suspended:
            word = "is already suspended" if suspended else "is not suspended"
            raise Unprocessable(word, source=Source(pointer="/data/attributes/suspended"))
        return await _changed(call, transaction, row, {"suspended": suspended})

    return call.ok(license_records.document(call, await call.database.transact(work)))


async def change_policy(call: Call, license: str) -> Reply:
    """The license's product follows its policy; the answer is the license."""
    row = await license_records.find(call, license)
    licenses.require_license_writer(call, row, "license.policy.update")
    identifier = read_linkage(call.body, "policies")

    async def work(transaction: Transaction) -> dict:
        now = await license_records.stored(call, transaction, row["id"], locked=True)
        policy = await transaction.maybe(NEW_POLICY, scope=call.account_scope, id=identifier)
        _require_transferable(call, now, policy)
        expiry = at_transfer(
            now["expiry"], strategy=policy["transfer_strategy"], duration=policy["duration"], now=now["now"]
        )
        return await _changed(call, transaction, row, {"policy_id": policy["id"], "expiry": expiry})

    return call.ok(license_records.document(call, await call.database.transact(work)))


def _require_transferable(call: Call, license: dict, policy: dict | None) -> None:
    problems = Problems()
    if policy is None:
        problems.relationship("policy", "NOT_FOUND", "must exist")
        problems.raise_any()
    if call.grant.role == "product" and policy["product_id"] != call.grant.bearer.id:
        raise Denied("The policy belongs to another product.")
    if call.grant.role == "user" and policy["protected"]:
        raise Denied("The policy is protected.")
    # How a key was made cannot change after it was given out.
    if any(policy[name] != license[name] for name in ("scheme", "encrypted", "use_pool")):
        problems.relationship("policy", "NOT_COMPATIBLE", "makes keys in another way than the current policy")
        problems.raise_any()


async def show_owner(call: Call, license: str) -> Reply:
    row = await license_records.find_to_read(call, license)
    call.grant.require("user.read")
    if row["owner_id"] is None:
        return call.ok(None)
    return call.ok(user_records.document(call, await user_records.find(call, str(row["owner_id"]))))


async def change_owner(call: Call, license: str) -> Reply:
    row = await license_records.find(call, license)
    licenses.require_license_writer(call, row, "license.owner.update", owner_too=False)
    identifier = read_linkage(call.body, "users", nullable=True)

    async def work(transaction: Transaction) -> dict | None:
        await license_records.stored(call, transaction, row["id"], locked=True)
        owner = None
        if identifier is not None:
            owner = await transaction.maybe(user_records.USER_BY_ID, scope=call.account_scope, id=identifier)
            problems = Problems()
            if owner is None:
                problems.relationship("owner", "NOT_FOUND", "must exist")
            elif await transaction.maybe(IS_USER, license=row["id"], user=identifier):
                problems.relationship("owner", "INVALID", "is already one of the license's users")
            problems.raise_any()
        await update(transaction, "licenses", row["id"], {"owner_id": identifier})
        return owner

    owner = await call.database.transact(work)
    return call.ok(owner and user_records.document(call, owner))


async def _changed(call: Call, transaction: Transaction, row: dict, values: dict[str, Any]) -> dict:
    await update(transaction, "licenses", row["id"], values)
    return await license_records.stored(call, transaction, row["id"])


ROUTES = (
    Route("POST", "/licenses/{license*}/actions/renew", renew),
    Route("POST", "/licenses/{license*}/actions/suspend", partial(_set_suspended, True, "license.suspend")),
    Route("POST", "/licenses/{license*}/actions/reinstate", partial(_set_suspended, False, "license.reinstate")),
    Route("PUT", "/licenses/{license*}/policy", change_policy),
    Route("GET", "/licenses/{license*}/owner", show_owner),
    Route("PUT", "/licenses/{license*}/owner", change_owner),
    # What the owner is called up to API 1.5.
    Route("GET", "/licenses/{license*}/user", show_owner),
    Route("PUT", "/licenses/{license*}/user", change_owner),
)
