"""Licenses as rows and documents: how they are found, listed and shown (api.md 1.11, 2.6, 2.8)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.expiry import license_status
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.formats.jsonapi_document import related
from keygenreg.formats.metadata_keys import shown_key
from keygenreg.management import filters
from keygenreg.management.call import Call
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import shown_permissions
from keygenreg.management.resources.policy_attributes import LIMITS
from keygenreg.web.reply import Reply

_POLICY_LIMITS = ", ".join(f"p.{name} AS policy_{name}" for name in LIMITS)
_SELECT = f"""SELECT t.*, now() AS now, p.product_id, p.protected AS policy_protected, p.scheme, p.encrypted, p.strict,
    p.floating, p.require_heartbeat, p.require_check_in, p.duration, p.renewal_basis, p.use_pool,
    o.banned AS owner_banned, {_POLICY_LIMITS},
    (SELECT count(*) FROM license_users lu WHERE lu.license_id = t.id) + (t.owner_id IS NOT NULL)::int AS user_count
FROM visible_licenses t
JOIN policies p ON p.id = t.policy_id
LEFT JOIN users o ON o.id = t.owner_id """

# The same as domain/expiry.py says of one license.
_STATUS = """CASE WHEN o.banned IS NOT NULL THEN 'BANNED' WHEN t.suspended THEN 'SUSPENDED'
    WHEN t.expiry < now() THEN 'EXPIRED' WHEN t.expiry < now() + interval '3 days' THEN 'EXPIRING'
    WHEN greatest(t.created, t.last_validated, t.last_check_in, t.last_check_out) < now() - interval '90 days'
    THEN 'INACTIVE' ELSE 'ACTIVE' END"""

# The user whom a filter names, by id or e-mail.
_USERS = """SELECT u.id FROM users u WHERE u.account_id = %(scope_account)s
    AND (u.id = %({user}_id)s OR lower(u.email) = lower(%({user})s))"""

LICENSES = Listing(
    "licenses",
    _SELECT
    + f"""WHERE (%(product)s::text IS NULL OR p.product_id = %(product_id)s OR p.product_id IN
        (SELECT named.id FROM products named
         WHERE named.account_id = t.account_id AND lower(named.code) = lower(%(product)s)))
    AND (%(policy)s::text IS NULL OR t.policy_id = %(policy_id)s)
    AND (%(owner)s::text IS NULL OR t.owner_id IN ({_USERS.replace("{user}", "owner")}))
    AND (%(user)s::text IS NULL OR t.id IN (
        SELECT owned.id FROM licenses owned WHERE owned.owner_id IN ({_USERS.replace("{user}", "user")})
        UNION ALL
        SELECT lu.license_id FROM license_users lu WHERE lu.user_id IN ({_USERS.replace("{user}", "user")})))
    AND (%(status)s::text IS NULL OR %(status)s = {_STATUS})
    AND (%(suspended)s::boolean IS NULL OR t.suspended = %(suspended)s)
    AND (%(expired)s::boolean IS NULL OR coalesce(t.expiry < now(), false) = %(expired)s)
    AND (%(expiring)s::boolean IS NULL
         OR coalesce(t.expiry >= now() AND t.expiry < now() + interval '3 days', false) = %(expiring)s)
    AND (%(assigned)s::boolean IS NULL OR %(assigned)s = (t.owner_id IS NOT NULL OR EXISTS
        (SELECT 1 FROM license_users lu WHERE lu.license_id = t.id)))
    AND {filters.METADATA_MATCHES}""",
    "licenses",
    "t",
)
LICENSE = Query(
    "license by id or key",
    _SELECT
    + """WHERE t.id = %(id)s OR (t.key_digest = license_key_digest(%(key)s) AND t.key = %(key)s)
    ORDER BY t.created, t.ordinal LIMIT 1""",
)
LICENSE_BY_ID = Query("license by id", _SELECT + "WHERE t.id = %(id)s")
_LOCK = Query(
    "license to change",
    "SELECT id FROM licenses WHERE id = %(id)s FOR UPDATE",
    unscoped="of a license that was found through the scope",
)


def document(call: Call, row: dict) -> dict:
    """One license as a resource object; ``row`` is of one of the queries above."""
    path = f"/licenses/{row['id']}"
    used = [row[name] for name in ("last_validated", "last_check_in", "last_check_out") if row[name] is not None]
    attributes = {
        "name": row["name"],
        "key": row["key"],
        "expiry": row["expiry"],
        "status": license_status(
            owner_banned=row["owner_banned"] is not None,
            suspended=row["suspended"],
            expiry=row["expiry"],
            created=row["created"],
            last_used=max(used, default=None),
            now=row["now"],
        ),
        "protected": is_protected(row),
        **{shown_key(name): _own_or_policys(row, name) for name in LIMITS},
        **{shown_key(name): row[name] for name in _COPIED},
        "nextCheckIn": None,
        "metadata": call.metadata(row["metadata"]),
        **shown_permissions(row),
    }
    relationships = {
        "product": call.one(f"{path}/product", "products", row["product_id"]),
        "policy": call.one(f"{path}/policy", "policies", row["policy_id"]),
        "group": related(None, data=None),
        "owner": call.one(f"{path}/owner", "users", row["owner_id"]),
        "users": related(call.path(f"{path}/users"), meta={"count": row["user_count"]}),
        "machines": related(call.path(f"{path}/machines"), meta={"cores": 0, "count": 0}),
        "tokens": call.related(f"{path}/tokens"),
        "entitlements": call.related(f"{path}/entitlements"),
    }
    return call.resource("licenses", row, attributes, relationships)


_COPIED = (
    "uses", "suspended", "scheme", "encrypted", "strict", "floating", "version", "require_heartbeat",
    "require_check_in", "last_validated", "last_check_in", "last_check_out",
)  # fmt: skip


def is_protected(row: dict) -> bool:
    """Whether plain users must leave the license alone: its own word, else its policy's."""
    return row["policy_protected"] if row["protected"] is None else row["protected"]


def _own_or_policys(row: dict, name: str) -> int | None:
    return row[f"policy_{name}"] if row[name] is None else row[name]


async def find(call: Call, identifier: str) -> dict:
    """The license with an id or key, in the caller's scope. :raises NotFound: there is none."""
    row = await call.database.maybe(LICENSE, scope=call.scope, id=parse_uuid(identifier), key=identifier)
    if row is None:
        raise call.not_found("license", identifier)
    return row


async def find_to_read(call: Call, identifier: str) -> dict:
    """As :func:`find`, for a caller who may read licenses at all."""
    row = await find(call, identifier)
    call.grant.require("license.read")
    return row


async def stored(call: Call, transaction: Transaction, identifier: UUID, *, locked: bool = False) -> dict:
    """
    A license as it stands in a transaction, whoever asks.

    :param locked: nobody else changes it until the transaction ends.
    :raises NotFound: it is gone.
    """
    if locked:
        await transaction.maybe(_LOCK, id=identifier)
    row = await transaction.maybe(LICENSE_BY_ID, scope=call.account_scope, id=identifier)
    if row is None:
        raise call.not_found("license", identifier)
    return row


async def listed(call: Call, path: str, **fixed: UUID) -> Reply:
    """
    Licenses under the list's own path, filtered as the query says.

    :param fixed: ids that replace filters: ``product``, ``policy``, ``owner`` or ``user``.
    """
    call.grant.require("license.read")
    parameters: dict[str, Any] = {}
    for name in ("product", "policy", "owner", "user"):
        value = str(fixed[name]) if name in fixed else call.query.text(name)
        parameters |= filters.as_reference(name, value)
    unassigned = filters.flag(call, "unassigned")
    assigned = filters.flag(call, "assigned")
    return await LICENSES.reply(
        call,
        path,
        document,
        status=filters.status(call),
        suspended=filters.flag(call, "suspended"),
        expired=filters.flag(call, "expired"),
        expiring=filters.flag(call, "expiring"),
        assigned=assigned if unassigned is None else not unassigned,
        **parameters,
        **filters.metadata_filter(call),
    )
