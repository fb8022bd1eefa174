"""Releases as they are made, changed, published, yanked and deleted (api.md 1.5, 2.8, 5.5)."""

from __future__ import annotations

from typing import Any

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.channel import CHANNELS
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.changes import delete, insert, update
from keygenreg.management.ownership import adopt_environment, require_writable, require_writer
from keygenreg.management.resources.release_rules import (
    MOST_CONSTRAINTS,
    PRODUCT,
    TAKE_TAG,
    check_attributes,
    check_entitlements,
    check_free,
    check_package,
    check_version,
    whole_account,
)
from keygenreg.management.resources.releases import document, find
from keygenreg.management.router import Route
from keygenreg.management.rules import Problems
from keygenreg.management.schema import Attribute, Parsed, Relationship, Schema
from keygenreg.web.reply import Reply

PUBLISH = Query(
    "publish a release",
    "UPDATE releases SET status = 'PUBLISHED', updated = now() WHERE id = %(id)s RETURNING *",
    unscoped="the release was found through the scope",
)
YANK = Query(
    "yank a release",
    """UPDATE releases SET status = 'YANKED', updated = now(),
        yanked = CASE WHEN status = 'YANKED' THEN coalesce(yanked, now()) ELSE now() END
    WHERE id = %(id)s RETURNING *""",
    unscoped="the release was found through the scope",
)

CONSTRAINT = Schema("constraints", {}, {"entitlement": Relationship(("entitlements",), required=True)})
CREATE = Schema(
    "releases",
    {
        "version": Attribute(required=True),
        "channel": Attribute(required=True, choices=CHANNELS),
        "status": Attribute(choices=("DRAFT", "PUBLISHED")),
        "name": Attribute(nullable=True),
        "description": Attribute(nullable=True, blank=False),
        "tag": Attribute(nullable=True),
        "backdated": Attribute("time", nullable=True),
        "metadata": Attribute("metadata"),
    },
    {
        "product": Relationship(("products",), required=True),
        "package": Relationship(("packages",), nullable=True),
        "constraints": Relationship(("constraints",), nested=CONSTRAINT),
        "environment": Relationship(("environments",), nullable=True),
    },
)
UPDATE = Schema(
    "releases",
    {
        "name": Attribute(nullable=True),
        "description": Attribute(nullable=True),
        "tag": Attribute(nullable=True),
        "backdated": Attribute("time", nullable=True),
        "metadata": Attribute("metadata"),
    },
)


async def create(call: Call) -> Reply:
    body = read_resource(CREATE, call.body)
    demands = [nested.reference("entitlement") for nested in body.relationships.get("constraints", ())]
    call.grant.require("release.create")
    if demands:
        call.grant.require("release.constraints.attach")
    require_writer(call, body.reference("product"))
    environment = adopt_environment(call, body)

    async def work(transaction: Transaction) -> dict:
        values = await _checked(call, transaction, body, demands)
        owned = {"account_id": call.account_id, "environment_id": environment}
        row = await insert(transaction, "releases", owned | values)
        for entitlement in demands:
            await insert(transaction, "constraints", owned | {"release_id": row["id"], "entitlement_id": entitlement})
        return row

    return call.created(document(call, await call.database.transact(work)))


async def _checked(call: Call, transaction: Transaction, body: Parsed, demands: list) -> dict[str, Any]:
    """The columns of a new release. :raises Invalid: with everything that is wrong."""
    values, problems = dict(body.attributes), Problems()
    product, package = body.reference("product"), body.reference("package")
    check_attributes(problems, values)
    version = check_version(problems, values["version"], values["channel"])
    if await transaction.maybe(PRODUCT, scope=whole_account(call), id=product) is None:
        problems.relationship("product", "NOT_FOUND", "must exist")
    else:
        pointer = "/data/relationships/package"
        await check_package(problems, call, transaction, package, product, pointer=pointer)
        await check_free(
            problems,
            transaction,
            product=product,
            package=package,
            version=version and str(version),
            tag=values.get("tag"),
        )
    if len(demands) > MOST_CONSTRAINTS:
        problems.relationship("constraints", "TOO_LONG", f"are too many (at most {MOST_CONSTRAINTS})")
    elif demands:
        place = "/data/relationships/constraints/data"
        await check_entitlements(problems, call, transaction, demands, prefix="constraints_", place=place)
    problems.raise_any()
    placed = {"product_id": product, "package_id": package}
    return values | placed | {"version": str(version), "version_key": version.sort_key}


async def _writable(call: Call, release: str, permission: str) -> dict:
    """The release that the caller wants to write, if it may."""
    row = await find(call, release, changing=True)
    call.grant.require(permission)
    require_writable(call, row, product_id=row["product_id"])
    return row


async def change(call: Call, release: str) -> Reply:
    row = await _writable(call, release, "release.update")
    values = read_resource(UPDATE, call.body).attributes
    # Our own addition: one request moves a tag from one release to another (api.md 5.7).
    moving = (call.query.text("move") or "").lower() == "true"

    async def work(transaction: Transaction) -> dict | None:
        problems = Problems()
        check_attributes(problems, values)
        place = {"product": row["product_id"], "package": row["package_id"]}
        tag = values.get("tag")
        if tag and not moving:
            await check_free(problems, transaction, tag=tag, release=row["id"], **place)
        problems.raise_any()
        if tag and moving:
            await transaction.execute(TAKE_TAG, tag=tag, id=row["id"], **place)
        return await update(transaction, "releases", row["id"], values)

    return _shown(call, release, await call.database.transact(work))


async def publish(call: Call, release: str) -> Reply:
    row = await _writable(call, release, "release.publish")
    return _shown(call, release, await call.database.maybe(PUBLISH, id=row["id"]))


async def yank(call: Call, release: str) -> Reply:
    row = await _writable(call, release, "release.yank")
    return _shown(call, release, await call.database.maybe(YANK, id=row["id"]))


async def remove(call: Call, release: str) -> Reply:
    row = await _writable(call, release, "release.delete")
    await call.database.transact(lambda transaction: delete(transaction, "releases", row["id"]))
    return call.no_content()


def _shown(call: Call, release: str, row: dict | None) -> Reply:
    if row is None:
        raise call.not_found("release", release)
    return call.ok(document(call, row))


ROUTES = (
    Route("POST", "/releases", create),
    Route("PATCH", "/releases/{release*}", change),
    Route("DELETE", "/releases/{release*}", remove),
    Route("POST", "/releases/{release*}/actions/publish", publish),
    Route("POST", "/releases/{release*}/actions/yank", yank),
)
