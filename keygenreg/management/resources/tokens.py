"""Tokens: made, shown, given new secrets and revoked (api.md 2.10, 3.5)."""

from __future__ import annotations

import secrets

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Denied, NotFound
from keygenreg.domain.roles import STAFF_ROLES
from keygenreg.domain.token import digest_of, kind_of, new_secret, regenerated_expiry
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.changes import delete, update
from keygenreg.management.resources import token_making, token_records
from keygenreg.management.resources.token_making import Holder
from keygenreg.management.router import Route
from keygenreg.management.schema import Parsed
from keygenreg.web.reply import Reply

IS_USER_OF_PRODUCT = Query(
    "user with a license of a product",
    """SELECT 1 AS found FROM licenses l JOIN policies p ON p.id = l.policy_id WHERE p.product_id = %(product)s
    AND (l.owner_id = %(user)s
         OR EXISTS (SELECT 1 FROM license_users lu WHERE lu.license_id = l.id AND lu.user_id = %(user)s)) LIMIT 1""",
    unscoped="of the calling product",
)


async def index(call: Call) -> Reply:
    return await token_records.listed(call, "/tokens")


async def show(call: Call, token: str) -> Reply:
    row = await token_records.find(call, token)
    call.grant.require("token.read")
    return call.ok(token_records.document(call, row))


async def create(call: Call) -> Reply:
    body = read_resource(token_making.WITH_BEARER, call.body) if call.has_body else Parsed()
    call.grant.require("token.generate")
    bearer = call.grant.bearer
    named = body.relationships.get("bearer")
    holder = await token_making.holder(
        call, named.type if named else bearer.type, named.id if named else bearer.id
    )
    if not await _may_generate(call, holder):
        raise Denied("You may not make a token for this bearer.")
    row, secret = await token_making.make(call, holder, body)
    return call.created(token_records.document(call, row, secret))


async def _may_generate(call: Call, holder: Holder | None) -> bool:
    """The table of api.md 3.5."""
    role = call.grant.role
    if holder is None or holder.banned or role in ("license", "anonymous"):
        return False
    if token_making.is_own(call, holder):
        return role != "product"
    if role in ("admin", "developer", "environment"):
        return holder.role == "user"
    if role == "product":
        return await belongs_to_product(call, holder)
    return False


async def belongs_to_product(call: Call, holder: Holder) -> bool:
    """Whether a bearer is a license of the calling product, or a plain user who has one."""
    product = call.grant.bearer.id
    if holder.type == "licenses":
        return holder.product_id == product
    if holder.role != "user":
        return False
    return await call.database.maybe(IS_USER_OF_PRODUCT, product=product, user=holder.id) is not None


def require_circle(call: Call, row: dict, permission: str) -> None:
    """
    The caller may change or revoke a token in its scope (api.md 2.10).

    :raises Denied: it may not.
    """
    call.grant.require(permission)
    bearer = call.grant.bearer
    own = (row["bearer_type"], row["bearer_id"]) == (bearer.type, bearer.id)
    if own:
        return
    role = call.grant.role
    if role not in ("admin", "developer", "environment", "product"):
        raise Denied("You may only do this to your own tokens.")
    if row["user_role"] in STAFF_ROLES:
        raise Denied("Nobody but its bearer may touch the token of a member of staff.")
    if row["environment_id"] != call.grant.environment_id and not (
        row["bearer_type"] == "environments" and token_records.manages_environments(call)
    ):
        raise Denied("The token belongs to another environment.")


async def regenerate(call: Call, token: str) -> Reply:
    row = await token_records.find(call, token)
    require_circle(call, row, "token.regenerate")
    return await _regenerated(call, row)


async def regenerate_current(call: Call) -> Reply:
    if call.grant.token_id is None:
        raise NotFound("These credentials are not a token's.")
    return await regenerate(call, str(call.grant.token_id))


async def _regenerated(call: Call, row: dict) -> Reply:
    if row["id"] != call.grant.token_id:
        token_making.require_within(await token_making.own_limit(call), row["permissions"])
    secret = new_secret(kind_of(row["bearer_type"], row["user_role"]), secrets.token_hex)
    values = {
        "digest": digest_of(call.grant.account.secret_key, secret),
        "expiry": regenerated_expiry(row["expiry"], row["now"]),
    }

    async def work(transaction: Transaction) -> dict | None:
        return await update(transaction, "tokens", row["id"], values)

    changed = await call.database.transact(work)
    if changed is None:
        raise call.not_found("token", row["id"])
    return call.ok(token_records.document(call, row | changed, secret))


async def revoke(call: Call, token: str) -> Reply:
    """A token can always revoke itself: that is how one signs out."""
    row = await token_records.find(call, token)
    if row["id"] != call.grant.token_id:
        require_circle(call, row, "token.revoke")
    await call.database.transact(lambda transaction: delete(transaction, "tokens", row["id"]))
    return call.no_content()


ROUTES = (
    Route("GET", "/tokens", index),
    Route("POST", "/tokens", create, password_login=True),
    Route("PUT", "/tokens", regenerate_current),
    Route("GET", "/tokens/{token}", show),
    Route("PUT", "/tokens/{token}", regenerate),
    Route("DELETE", "/tokens/{token}", revoke),
)
