"""The rules of releases (api.md 1.5): versions, tags, owners, constraints, each fault with its code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from attrs import evolve

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.scope import Scope
from keygenreg.domain.version import Version, channel_disagreement, parse_new_version
from keygenreg.management.call import Call
from keygenreg.management.rules import LONGEST_DESCRIPTION, LONGEST_NAME, Problems

MOST_CONSTRAINTS = 20

VERSION_TAKEN = Query(
    "release version in use",
    """SELECT 1 AS taken FROM releases WHERE product_id = %(product)s AND package_id IS NOT DISTINCT FROM %(package)s
    AND version = %(version)s AND api_version IS DISTINCT FROM '1.0' AND id IS DISTINCT FROM %(id)s LIMIT 1""",
    unscoped="versions are unique in a package, seen or not",
)
TAG_TAKEN = Query(
    "release tag in use",
    """SELECT 1 AS taken FROM releases WHERE product_id = %(product)s AND package_id IS NOT DISTINCT FROM %(package)s
    AND tag = %(tag)s AND id IS DISTINCT FROM %(id)s LIMIT 1""",
    unscoped="tags are unique in a package, seen or not",
)
TAKE_TAG = Query(
    "take a tag from the release that has it",
    """UPDATE releases SET tag = NULL, updated = now() WHERE product_id = %(product)s
    AND package_id IS NOT DISTINCT FROM %(package)s AND tag = %(tag)s AND id <> %(id)s""",
    unscoped="the caller may write every release of the product",
)
PRODUCT = Query("product of a release", "SELECT t.id FROM visible_products t WHERE t.id = %(id)s")
PACKAGE = Query("package of a release", "SELECT t.id, t.product_id FROM visible_packages t WHERE t.id = %(id)s")
ENTITLEMENTS = Query("entitlements by id", "SELECT t.id FROM visible_entitlements t WHERE t.id = ANY(%(ids)s::uuid[])")


def whole_account(call: Call) -> Scope:
    """All records of the account in the selected environment: for references, whose owners are judged apart."""
    return evolve(call.scope, kind="staff", bearer_id=None)


def check_attributes(problems: Problems, values: dict[str, Any]) -> None:
    """The rules that need nothing but the values."""
    problems.longest(values, {"name": LONGEST_NAME, "tag": LONGEST_NAME, "description": LONGEST_DESCRIPTION})
    if values.get("tag") in ("action", "actions"):
        problems.add("tag", "NOT_ALLOWED", "is reserved")
    if values.get("backdated") is not None and values["backdated"] > datetime.now(UTC):
        problems.add("backdated", "INVALID", "must be in the past")
    problems.metadata(values)


def check_version(problems: Problems, text: str, channel: str) -> Version | None:
    """The version in its normal form, if it is one."""
    try:
        version = parse_new_version(text)
    except ValueError as error:
        problems.add("version", "INVALID", f"is {error}" if str(error).startswith("not ") else str(error))
        return None
    disagreement = channel_disagreement(version, channel)
    if disagreement is not None:
        problems.add("version", "CHANNEL_INVALID", disagreement)
    return version


async def check_free(
    problems: Problems,
    transaction: Transaction,
    *,
    product: UUID,
    package: UUID | None,
    version: str | None = None,
    tag: str | None = None,
    release: UUID | None = None,
) -> None:
    """
    Version and tag must be free in the product's package, or among its releases without package.

    :param release: the release that may have them itself.
    """
    place = {"product": product, "package": package, "id": release}
    if version and await transaction.maybe(VERSION_TAKEN, version=version, **place):
        problems.add("version", "TAKEN", "already exists")
    if tag and await transaction.maybe(TAG_TAKEN, tag=tag, **place):
        problems.add("tag", "TAKEN", "has already been taken")


async def check_package(
    problems: Problems, call: Call, transaction: Transaction, package: UUID | None, product: UUID, *, pointer: str
) -> None:
    """A package must exist and belong to the release's product."""
    if package is None:
        return
    row = await transaction.maybe(PACKAGE, scope=whole_account(call), id=package)
    if row is None:
        problems.add("package", "NOT_FOUND", "must exist", pointer=pointer)
    elif row["product_id"] != product:
        problems.add("package", "NOT_ALLOWED", "must belong to the release's product", pointer=pointer)


async def check_entitlements(
    problems: Problems, call: Call, transaction: Transaction, ids: Iterable[UUID], *, prefix: str, place: str
) -> None:
    """
    Demanded entitlements must exist, each named once.

    :param prefix: what codes start with, ``CONSTRAINTS_`` for nested constraints.
    :param place: their array in the body; ``<place>/<n>/relationships/entitlement`` is pointed at.
    """
    ids = list(ids)
    rows = await transaction.rows(ENTITLEMENTS, scope=whole_account(call), ids=ids)
    known, counts = {row["id"] for row in rows}, Counter(ids)
    for n, identifier in enumerate(ids):
        pointer = f"{place}/{n}/relationships/entitlement"
        if identifier not in known:
            problems.add(f"{prefix}entitlement", "NOT_FOUND", "must exist", pointer=pointer)
        elif counts[identifier] > 1:
            problems.add(f"{prefix}entitlement", "CONFLICT", "is demanded more than once", pointer=pointer)
