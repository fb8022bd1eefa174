"""Tokens below their bearers: ``/products/<id>/tokens`` and the like (api.md 2.9, 3.5); creation answers 200."""

from __future__ import annotations

from keygenreg.domain.failures import Denied
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.ownership import LICENSORS, MANAGERS, require_reader, require_writable
from keygenreg.management.resources import license_records, licenses, products, token_making, token_records, users
from keygenreg.management.resources.tokens import belongs_to_product
from keygenreg.management.router import Route
from keygenreg.management.schema import Parsed
from keygenreg.web.reply import Reply


async def index_of_product(call: Call, product: str) -> Reply:
    require_reader(call)
    row = await products.find_to_read(call, product)
    return await token_records.listed(call, f"/products/{row['id']}/tokens", type="products", bearer=row["id"])


async def create_for_product(call: Call, product: str) -> Reply:
    row = await products.find(call, product)
    call.grant.require("product.tokens.generate")
    require_writable(call, row, roles=MANAGERS)
    return await created(call, "products", row)


async def index_of_license(call: Call, license: str) -> Reply:
    row = await license_records.find_to_read(call, license)
    return await token_records.listed(call, f"/licenses/{row['id']}/tokens", type="licenses", bearer=row["id"])


async def create_for_license(call: Call, license: str) -> Reply:
    row = await license_records.find(call, license)
    licenses.require_license_writer(call, row, "license.tokens.generate", LICENSORS, owner_too=False)
    return await created(call, "licenses", row)


async def index_of_user(call: Call, user: str) -> Reply:
    row = await users.find_to_read(call, user)
    return await token_records.listed(call, f"/users/{row['id']}/tokens", type="users", bearer=row["id"])


async def create_for_user(call: Call, user: str) -> Reply:
    row = await users.find_to_read(call, user)
    call.grant.require("user.tokens.generate")
    if call.grant.role not in (*MANAGERS, "product"):
        raise Denied("Your role does not permit this.")
    if row["role"] != "user" and not users.is_self(call, row):
        raise Denied("Only plain users are given tokens by others.")
    return await created(call, "users", row)


async def created(call: Call, type: str, row: dict) -> Reply:
    """Make a token for a bearer that the caller may make tokens for, and show it with its secret."""
    body = read_resource(token_making.NESTED, call.body) if call.has_body else Parsed()
    holder = await token_making.holder(call, type, row["id"])
    if holder is None:
        raise call.not_found("bearer", row["id"])
    if holder.banned:
        raise Denied("The user is banned.")
    if type == "users" and call.grant.role == "product" and not await belongs_to_product(call, holder):
        raise Denied("The user does not belong to your product.")
    made, secret = await token_making.make(call, holder, body)
    return call.ok(token_records.document(call, made, secret))


ROUTES = (
    Route("GET", "/products/{product*}/tokens", index_of_product),
    Route("POST", "/products/{product*}/tokens", create_for_product),
    Route("GET", "/licenses/{license*}/tokens", index_of_license),
    Route("POST", "/licenses/{license*}/tokens", create_for_license),
    Route("GET", "/users/{user}/tokens", index_of_user),
    Route("POST", "/users/{user}/tokens", create_for_user),
)
