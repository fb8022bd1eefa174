"""A release's package: reading it, and moving a release into another or out of all (api.md 2.8)."""

from __future__ import annotations

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Denied
from keygenreg.management.body import read_linkage
from keygenreg.management.call import Call
from keygenreg.management.changes import update
from keygenreg.management.ownership import require_writable
from keygenreg.management.resources import packages, releases
from keygenreg.management.resources.release_rules import PACKAGE, check_free, check_package, whole_account
from keygenreg.management.router import Route
from keygenreg.management.rules import Problems
from keygenreg.web.reply import Reply

STORED = Query(
    "stored package of a release",
    "SELECT t.* FROM packages t WHERE t.id = %(id)s",
    unscoped="the release was found through the scope",
)


async def show(call: Call, release: str) -> Reply:
    row = await releases.read(call, release)
    call.grant.require("package.read")
    return await _reply(call, row)


async def change(call: Call, release: str) -> Reply:
    row = await releases.find(call, release, changing=True)
    call.grant.require("release.package.update")
    require_writable(call, row, product_id=row["product_id"])
    package = read_linkage(call.body, "packages", nullable=True)

    async def work(transaction: Transaction) -> dict | None:
        problems = Problems()
        await check_package(problems, call, transaction, package, row["product_id"], pointer="/data")
        if call.grant.role == "product":
            await _require_own(call, transaction, package)
        await check_free(
            problems,
            transaction,
            product=row["product_id"],
            package=package,
            version=row["version"],
            tag=row["tag"],
            release=row["id"],
        )
        problems.raise_any()
        return await update(transaction, "releases", row["id"], {"package_id": package})

    changed = await call.database.transact(work)
    if changed is None:
        raise call.not_found("release", release)
    return await _reply(call, changed)


async def _require_own(call: Call, transaction: Transaction, package: object) -> None:
    """:raises Denied: the package is another product's."""
    found = await transaction.maybe(PACKAGE, scope=whole_account(call), id=package)
    if found is not None and found["product_id"] != call.grant.bearer.id:
        raise Denied("The package belongs to another product.")


async def _reply(call: Call, release: dict) -> Reply:
    if release["package_id"] is None:
        return call.ok(None)
    row = await call.database.maybe(STORED, id=release["package_id"])
    return call.ok(row and packages.document(call, row))


ROUTES = (
    Route("GET", "/releases/{release*}/package", show, credentials=False),
    Route("PUT", "/releases/{release*}/package", change),
)
