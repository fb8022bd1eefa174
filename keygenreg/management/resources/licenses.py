"""Licenses: what customers hold (api.md 1.11, 2.9)."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.expiry import at_creation
from keygenreg.domain.failures import Denied
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.domain.license_key import MAX_LENGTH, MIN_LENGTH, new_license_key
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.changes import delete, insert, update
from keygenreg.management.ownership import (
    GRANTORS,
    LICENSORS,
    adopt_environment,
    require_permissions_grantable,
    require_reader,
    require_writable,
    require_writer,
)
from keygenreg.management.resources import license_records, policies, products
from keygenreg.management.resources.policy_attributes import LIMITS
from keygenreg.management.router import Route
from keygenreg.management.rules import Problems
from keygenreg.management.schema import Attribute, Parsed, Relationship, Schema
from keygenreg.web.reply import Reply

LONGEST_LICENSE_NAME = 1024

POLICY = Query(
    "policy of a new license",
    """SELECT t.id, t.product_id, t.protected, t.duration, t.expiration_basis, now() AS now FROM visible_policies t
    WHERE t.id = %(id)s""",
)
OWNER = Query("owner of a license", "SELECT t.id FROM visible_users t WHERE t.id = %(id)s")
KEY_TAKEN = Query(
    "license key in use",
    """SELECT 1 AS taken FROM licenses
    WHERE account_id = %(account)s AND key_digest = license_key_digest(%(key)s) AND key = %(key)s""",
    unscoped="keys are unique in the whole account, seen or not",
)
ID_TAKEN = Query(
    "license id in use",
    "SELECT 1 AS taken FROM licenses WHERE account_id = %(account)s AND id = %(id)s",
    unscoped="ids are unique, seen or not",
)

_STAFF_ONLY = {
    "expiry": Attribute("time", nullable=True),
    "suspended": Attribute("boolean"),
    "protected": Attribute("boolean", nullable=True),
    **{name: Attribute("integer", nullable=True) for name in LIMITS},
    "permissions": Attribute("strings", nullable=True),
}
_NAME = {"name": Attribute(nullable=True)}
_METADATA = {"metadata": Attribute("metadata")}
_RELATIONSHIPS = {
    "policy": Relationship(("policies",), required=True),
    "owner": Relationship(("users",), nullable=True),
    "user": Relationship(("users",), nullable=True),
    "environment": Relationship(("environments",), nullable=True),
}
CREATE = Schema(
    "licenses", {"key": Attribute(blank=False), **_NAME, **_METADATA, **_STAFF_ONLY}, _RELATIONSHIPS, client_id=True
)
CREATE_BY_USER = Schema("licenses", {"key": Attribute(blank=False), **_NAME, **_METADATA}, _RELATIONSHIPS)
UPDATE = Schema("licenses", {**_NAME, **_METADATA, **_STAFF_ONLY})
UPDATE_BY_USER = Schema("licenses", _NAME)
UPDATERS = (*LICENSORS, "support-agent")


def _schema(call: Call, full: Schema, roles: tuple[str, ...], rest: Schema) -> Schema:
    if call.grant.role in GRANTORS:
        return full
    return full.but(without=("permissions",)) if call.grant.role in roles else rest


def require_license_writer(
    call: Call, row: dict, permission: str, roles: tuple[str, ...] = LICENSORS, *, owner_too: bool = True
) -> None:
    """
    The caller may change a license: those who make licenses, and its owner where nothing is protected.

    :raises Denied: it may not.
    """
    call.grant.require(permission)
    if call.grant.role != "user" or not owner_too:
        require_writable(call, row, product_id=row["product_id"], roles=roles)
        return
    if row["owner_id"] != call.grant.bearer.id:
        raise Denied("Only the license's owner may do this.")
    if license_records.is_protected(row):
        raise Denied("The license is protected.")
    require_writable(call, row, roles=("user",))


async def index(call: Call) -> Reply:
    if call.grant.role == "license":
        raise Denied("A license does not list licenses.")
    return await license_records.listed(call, "/licenses")


async def index_of_product(call: Call, product: str) -> Reply:
    require_reader(call)
    row = await products.find_to_read(call, product)
    return await license_records.listed(call, f"/products/{row['id']}/licenses", product=row["id"])


async def index_of_policy(call: Call, policy: str) -> Reply:
    row = await policies.find_to_read(call, policy)
    return await license_records.listed(call, f"/policies/{row['id']}/licenses", policy=row["id"])


async def show(call: Call, license: str) -> Reply:
    return call.ok(license_records.document(call, await license_records.find_to_read(call, license)))


async def show_product(call: Call, license: str) -> Reply:
    row = await license_records.find_to_read(call, license)
    return await products.show(call, str(row["product_id"]))


async def show_policy(call: Call, license: str) -> Reply:
    row = await license_records.find_to_read(call, license)
    return await policies.show(call, str(row["policy_id"]))


async def create(call: Call) -> Reply:
    body = read_resource(_schema(call, CREATE, LICENSORS, CREATE_BY_USER), call.body)
    call.grant.require("license.create")
    require_permissions_grantable(call, "license", body)
    owner = body.reference("owner") or body.reference("user")
    if call.grant.role == "user":
        owner = owner or call.grant.bearer.id
    environment = adopt_environment(call, body)

    async def work(transaction: Transaction) -> dict:
        policy = await transaction.maybe(POLICY, scope=call.account_scope, id=body.reference("policy"))
        _require_creator(call, policy, owner)
        values = await _new_values(call, transaction, body, policy, owner)
        made = await insert(transaction, "licenses", {"environment_id": environment, "owner_id": owner} | values)
        return await license_records.stored(call, transaction, made["id"])

    return call.created(license_records.document(call, await call.database.transact(work)))


def _require_creator(call: Call, policy: dict | None, owner: UUID | None) -> None:
    if call.grant.role != "user":
        # A product that names an unknown policy hears the same as everybody: it does not exist.
        require_writer(call, policy["product_id"] if policy else call.grant.bearer.id, LICENSORS)
    elif owner != call.grant.bearer.id:
        raise Denied("You can make licenses for yourself only.")
    elif policy is not None and policy["protected"]:
        raise Denied("The policy is protected.")


async def _new_values(
    call: Call, transaction: Transaction, body: Parsed, policy: dict | None, owner: UUID | None
) -> dict[str, Any]:
    values = {"key": new_license_key(secrets.token_hex)} | body.attributes | {"account_id": call.account_id}
    problems = _problems_of(values)
    if policy is None:
        problems.relationship("policy", "NOT_FOUND", "must exist")
    if owner and await transaction.maybe(OWNER, scope=call.account_scope, id=owner) is None:
        problems.relationship("owner", "NOT_FOUND", "must exist")
    key = values["key"]
    if await transaction.maybe(KEY_TAKEN, account=call.account_id, key=key):
        problems.add("key", "TAKEN", "has already been taken")
    if parse_uuid(key) and await transaction.maybe(ID_TAKEN, account=call.account_id, id=parse_uuid(key)):
        problems.add("key", "CONFLICT", "must not be another license's id")
    if body.id:
        values["id"] = body.id
        if await transaction.maybe(ID_TAKEN, account=call.account_id, id=body.id):
            problems.add("id", "CONFLICT", "must not be another license's id", pointer="/data/id")
    problems.raise_any()
    values["policy_id"] = policy["id"]
    if "expiry" not in values:
        basis, duration = policy["expiration_basis"], policy["duration"]
        values["expiry"] = at_creation(basis=basis, duration=duration, now=policy["now"])
    return values


def _problems_of(values: dict[str, Any]) -> Problems:
    problems = Problems()
    problems.longest(values, {"name": LONGEST_LICENSE_NAME, "key": MAX_LENGTH})
    problems.between(values, LIMITS, 0)
    problems.metadata(values)
    problems.permissions(values, "license")
    problems.reserved(values, "key")
    if "key" in values and len(values["key"]) < MIN_LENGTH:
        problems.add("key", "TOO_SHORT", f"is too short (at least {MIN_LENGTH} characters)")
    return problems


async def change(call: Call, license: str) -> Reply:
    row = await license_records.find(call, license)
    require_license_writer(call, row, "license.update", UPDATERS)
    body = read_resource(_schema(call, UPDATE, UPDATERS, UPDATE_BY_USER), call.body)
    require_permissions_grantable(call, "license", body)
    _problems_of(body.attributes).raise_any()

    async def work(transaction: Transaction) -> dict:
        await update(transaction, "licenses", row["id"], body.attributes)
        return await license_records.stored(call, transaction, row["id"])

    return call.ok(license_records.document(call, await call.database.transact(work)))


async def remove(call: Call, license: str) -> Reply:
    return await _remove(call, license, "license.delete")


async def revoke(call: Call, license: str) -> Reply:
    return await _remove(call, license, "license.revoke")


async def _remove(call: Call, license: str, permission: str) -> Reply:
    row = await license_records.find(call, license)
    require_license_writer(call, row, permission)
    await call.database.transact(lambda transaction: delete(transaction, "licenses", row["id"]))
    return call.no_content()


ROUTES = (
    Route("GET", "/licenses", index),
    Route("POST", "/licenses", create),
    Route("GET", "/licenses/{license*}", show),
    Route("PATCH", "/licenses/{license*}", change),
    Route("DELETE", "/licenses/{license*}", remove),
    Route("DELETE", "/licenses/{license*}/actions/revoke", revoke),
    Route("GET", "/licenses/{license*}/product", show_product),
    Route("GET", "/licenses/{license*}/policy", show_policy),
    Route("GET", "/products/{product*}/licenses", index_of_product),
    Route("GET", "/policies/{policy}/licenses", index_of_policy),
)
