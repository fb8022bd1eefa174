"""What is done to users: banning, and their changing of passwords (api.md 2.9)."""

from __future__ import annotations

from functools import partial
from typing import Any

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import BadRequest, Denied, Source, Unauthenticated
from keygenreg.formats.metadata_keys import shown_key
from keygenreg.management.body import member_name
from keygenreg.management.call import Call
from keygenreg.management.changes import update
from keygenreg.management.ownership import require_same_environment
from keygenreg.management.resources import user_attributes, user_records, users
from keygenreg.management.router import Route
from keygenreg.management.rules import Problems
from keygenreg.web.reply import Reply

SET_BANNED = Query(
    "ban or unban a user",
    """UPDATE users SET banned = CASE WHEN %(banned)s THEN coalesce(banned, now()) END, updated = now()
    WHERE id = %(id)s""",
    unscoped="of a user that was found through the scope",
)
BANNERS = ("admin", "developer", "sales-agent", "support-agent", "product", "environment")


async def _set_banned(banned: bool, permission: str, call: Call, user: str) -> Reply:
    row = await user_records.find(call, user)
    call.grant.require(permission)
    if call.grant.role not in BANNERS or row["role"] != "user":
        raise Denied("Only plain users can be banned, and not by your role." if row["role"] == "user" else
                     "Only plain users can be banned.")  # fmt: skip
    require_same_environment(call, row)

    async def work(transaction: Transaction) -> dict | None:
        await transaction.execute(SET_BANNED, id=row["id"], banned=banned)
        return await transaction.maybe(user_records.USER_BY_ID, scope=call.account_scope, id=row["id"])

    changed = await call.database.transact(work)
    if changed is None:
        raise call.not_found("user", user)
    return call.ok(user_records.document(call, changed))


async def update_password(call: Call, user: str) -> Reply:
    """The user's other tokens are revoked: whoever stole one is out."""
    row = await user_records.find(call, user)
    call.grant.require("user.password.update")
    if not users.is_self(call, row):
        raise Denied("Only the user can change the password this way.")
    require_same_environment(call, row)
    old, new = _passwords(call.body)
    problems = Problems()
    user_attributes.check_password(problems, new, pointer="/meta/newPassword")
    problems.raise_any()
    await call.parts.edge.authenticator.limit_password_attempts(
        call.grant.account, call.exchange.client_address, row["email"]
    )
    if not await call.parts.passwords.verify(row["password_hash"], old):
        raise Unauthenticated("The old password is wrong.", source=Source(pointer="/meta/oldPassword"))
    hashed = await call.parts.passwords.hash(new)

    async def work(transaction: Transaction) -> dict:
        await update(transaction, "users", row["id"], {"password_hash": hashed})
        await transaction.execute(users.REVOKE_TOKENS, user=row["id"], but=call.grant.token_id)
        return await transaction.one(user_records.USER_BY_ID, scope=call.account_scope, id=row["id"])

    return call.ok(user_records.document(call, await call.database.transact(work)))


def _passwords(document: Any) -> tuple[str, str]:
    """``meta.oldPassword`` and ``meta.newPassword``. :raises BadRequest: one is missing or no text."""

    def refuse(pointer: str, detail: str) -> BadRequest:
        return BadRequest(detail, source=Source(pointer=pointer))

    meta = document.get("meta") if isinstance(document, dict) else None
    if not isinstance(meta, dict):
        raise refuse("/meta", "must be an object with the old and the new password")
    found: dict[str, str] = {}
    for name, value in meta.items():
        stored = member_name(name, "/meta")
        if stored not in ("old_password", "new_password"):
            raise refuse(f"/meta/{shown_key(stored)}", "is unpermitted")
        if not isinstance(value, str):
            raise refuse(f"/meta/{shown_key(stored)}", "must be a string")
        found[stored] = value
    for name in ("old_password", "new_password"):
        if name not in found:
            raise refuse(f"/meta/{shown_key(name)}", "is missing")
    return found["old_password"], found["new_password"]


ROUTES = (
    Route("POST", "/users/{user}/actions/ban", partial(_set_banned, True, "user.ban")),
    Route("POST", "/users/{user}/actions/unban", partial(_set_banned, False, "user.unban")),
    Route("POST", "/users/{user}/actions/update-password", update_password),
)
