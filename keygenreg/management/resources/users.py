"""Users: a vendor's people and its customers (api.md 1.12, 2.9)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Denied
from keygenreg.domain.roles import RANK
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.changes import delete, insert, update
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import (
    MANAGERS,
    adopt_environment,
    require_grantable,
    require_permissions_grantable,
    require_reader,
    require_same_environment,
)
from keygenreg.management.resources import license_records, products, user_attributes, user_records
from keygenreg.management.resources.administrators import require_another_administrator
from keygenreg.management.router import Route
from keygenreg.management.rules import Problems
from keygenreg.management.schema import Parsed
from keygenreg.web.reply import Reply

#: Who makes and changes users; all but the first two only plain ones.
EDITORS = ("admin", "developer", "sales-agent", "product", "environment")

EMAIL_TAKEN = Query(
    "e-mail in use",
    """SELECT 1 AS taken FROM users WHERE account_id = %(account)s AND lower(email) = lower(%(email)s)
    AND id IS DISTINCT FROM %(id)s LIMIT 1""",
    unscoped="addresses are unique in the whole account, seen or not",
)
PRODUCTS_OF_USER = Query(
    "products that a user has licenses of",
    """SELECT DISTINCT p.product_id FROM policies p JOIN licenses l ON l.policy_id = p.id
    WHERE l.owner_id = %(user)s OR l.id IN (SELECT lu.license_id FROM license_users lu WHERE lu.user_id = %(user)s)""",
    unscoped="of a user that was found through the scope",
)
REVOKE_TOKENS = Query(
    "revoke the tokens of a user",
    "DELETE FROM tokens WHERE bearer_user_id = %(user)s AND id IS DISTINCT FROM %(but)s",
    unscoped="of a user that was found through the scope",
)
PRODUCTS = Listing(
    "products of a user",
    """SELECT t.* FROM visible_products t WHERE t.id IN (
        SELECT p.product_id FROM policies p JOIN licenses l ON l.policy_id = p.id WHERE l.owner_id = %(user)s
        OR l.id IN (SELECT lu.license_id FROM license_users lu WHERE lu.user_id = %(user)s))""",
    "products",
    "t",
)


def is_self(call: Call, row: dict) -> bool:
    """Whether a user is the caller."""
    bearer = call.grant.bearer
    return bearer is not None and bearer.type == "users" and bearer.id == row["id"]


def require_over(call: Call, verb: str, role: str, roles: tuple[str, ...]) -> None:
    """
    The caller may do ``verb`` to users of a role.

    :param roles: who may do it to plain users; to staff only administrators and developers, and not above their rank.
    :raises Denied: it may not.
    """
    call.grant.require(f"{'user' if role == 'user' else 'admin'}.{verb}")
    if call.grant.role not in roles:
        raise Denied("Your role does not permit this.")
    if role != "user" and (call.grant.role not in ("admin", "developer") or RANK[call.grant.role] < RANK[role]):
        raise Denied("You may not act on a user of this role.")


async def find_to_read(call: Call, identifier: str) -> dict:
    """The user with an id or e-mail address, for a caller who may read it."""
    row = await user_records.find(call, identifier)
    call.grant.require("user.read")
    if row["role"] != "user" and not is_self(call, row):
        call.grant.require("admin.read")
    return row


async def index(call: Call) -> Reply:
    call.grant.require("user.read")
    roles = call.query.many("roles") or ("user",)
    if not call.grant.may("admin.read"):
        roles = [role for role in roles if role == "user"]
    return await user_records.listed(call, "/users", roles=roles)


async def index_of_product(call: Call, product: str) -> Reply:
    require_reader(call)
    call.grant.require("user.read")
    row = await products.find_to_read(call, product)
    return await user_records.listed(call, f"/products/{row['id']}/users", roles=None, product=row["id"])


async def show(call: Call, user: str) -> Reply:
    return call.ok(user_records.document(call, await find_to_read(call, user)))


async def index_licenses(call: Call, user: str) -> Reply:
    row = await find_to_read(call, user)
    return await license_records.listed(call, f"/users/{row['id']}/licenses", user=row["id"])


async def index_products(call: Call, user: str) -> Reply:
    row = await find_to_read(call, user)
    call.grant.require("product.read")
    return await PRODUCTS.reply(call, f"/users/{row['id']}/products", products.document, user=row["id"])


async def create(call: Call) -> Reply:
    body = read_resource(user_attributes.for_create(call), call.body)
    role = body.attributes.get("role", "user")
    if call.grant.bearer is None:
        if call.grant.account.protected:
            raise Denied("This account does not let people sign themselves up.")
    else:
        require_over(call, "create", role, EDITORS)
        if role != "user" or "permissions" in body.attributes:
            require_grantable(call, role, body.attributes.get("permissions"))
    environment = adopt_environment(call, body)
    values = await _columns(call, body, role, None)
    owned = {"account_id": call.account_id, "environment_id": environment}

    async def work(transaction: Transaction) -> dict:
        made = await insert(transaction, "users", owned | values)
        return await transaction.one(user_records.USER_BY_ID, scope=call.account_scope, id=made["id"])

    return call.created(user_records.document(call, await call.database.transact(work)))


async def change(call: Call, user: str) -> Reply:
    row = await user_records.find(call, user)
    if is_self(call, row):
        call.grant.require("user.update")
    else:
        require_over(call, "update", row["role"], EDITORS)
    require_same_environment(call, row)
    body = read_resource(user_attributes.for_update(call, is_self(call, row)), call.body)
    role = body.attributes.get("role", row["role"])
    if role != row["role"]:
        require_over(call, "update", role, EDITORS)
        require_grantable(call, role, body.attributes.get("permissions", row["permissions"]))
    require_permissions_grantable(call, role, body)
    values = await _columns(call, body, role, row["id"])

    async def work(transaction: Transaction) -> dict | None:
        await require_another_administrator(call, transaction, row["id"], after=row | values)
        await update(transaction, "users", row["id"], values)
        if role != row["role"]:
            await transaction.execute(REVOKE_TOKENS, user=row["id"], but=None)
        return await transaction.maybe(user_records.USER_BY_ID, scope=call.account_scope, id=row["id"])

    changed = await call.database.transact(work)
    if changed is None:
        raise call.not_found("user", user)
    return call.ok(user_records.document(call, changed))


async def remove(call: Call, user: str) -> Reply:
    """The licenses that the user owns go too."""
    row = await user_records.find(call, user)
    require_over(call, "delete", row["role"], (*MANAGERS, "product"))
    require_same_environment(call, row)
    if call.grant.role == "product":
        owners = [each["product_id"] for each in await call.database.rows(PRODUCTS_OF_USER, user=row["id"])]
        if owners != [call.grant.bearer.id]:
            raise Denied("The user does not belong to your product alone.")

    async def work(transaction: Transaction) -> None:
        await require_another_administrator(call, transaction, row["id"], after=None)
        await delete(transaction, "users", row["id"])

    await call.database.transact(work)
    return call.no_content()


async def _columns(call: Call, body: Parsed, role: str, identifier: UUID | None) -> dict[str, Any]:
    """What a body says, checked, as columns; its password is hashed in a thread, before any transaction."""
    values = user_attributes.normal(body.attributes)
    problems: Problems = user_attributes.problems_of(values, role)
    email = values.get("email")
    if email and await call.database.maybe(EMAIL_TAKEN, account=call.account_id, email=email, id=identifier):
        problems.add("email", "TAKEN", "has already been taken")
    problems.raise_any()
    if "password" in values:
        password = values.pop("password")
        values["password_hash"] = None if password is None else await call.parts.passwords.hash(password)
    return values


ROUTES = (
    Route("GET", "/users", index),
    Route("POST", "/users", create, credentials=False),
    Route("GET", "/users/{user}", show),
    Route("PATCH", "/users/{user}", change),
    Route("DELETE", "/users/{user}", remove),
    Route("GET", "/users/{user}/licenses", index_licenses),
    Route("GET", "/users/{user}/products", index_products),
    Route("GET", "/products/{product*}/users", index_of_product),
)
