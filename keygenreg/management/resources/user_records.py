"""Users as rows and documents: how they are found, listed and shown (api.md 1.12, 2.6, 2.8)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from keygenreg.database.query import Query
from keygenreg.domain.expiry import user_status
from keygenreg.domain.identifiers import normal_email, parse_uuid
from keygenreg.formats.jsonapi_document import related
from keygenreg.management import filters
from keygenreg.management.call import Call
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import shown_permissions
from keygenreg.web.reply import Reply

# A user's licenses are those owned and those attached to.
_LICENSES = """(SELECT a.* FROM licenses a WHERE a.owner_id = t.id
    UNION ALL SELECT b.* FROM license_users lu JOIN licenses b ON b.id = lu.license_id WHERE lu.user_id = t.id)"""
_SELECT = f"""SELECT t.*, now() AS now, activity.latest AS last_activity FROM visible_users t
CROSS JOIN LATERAL (
    SELECT max(greatest(l.created, l.last_validated, l.last_check_in, l.last_check_out)) AS latest FROM {_LICENSES} l
) activity """

# The same as domain/expiry.py says of one user.
_STATUS = """CASE WHEN t.banned IS NOT NULL THEN 'BANNED'
    WHEN activity.latest >= now() - interval '90 days' THEN 'ACTIVE' ELSE 'INACTIVE' END"""

USERS = Listing(
    "users",
    _SELECT
    + f"""WHERE (%(roles)s::text[] IS NULL OR t.role = ANY(%(roles)s::text[]))
    AND (%(product)s::text IS NULL OR EXISTS (SELECT 1 FROM {_LICENSES} l JOIN policies po ON po.id = l.policy_id
        JOIN products p ON p.id = po.product_id WHERE p.id = %(product_id)s OR lower(p.code) = lower(%(product)s)))
    AND (%(license)s::text IS NULL OR EXISTS (SELECT 1 FROM {_LICENSES} l
        WHERE l.id = %(license_id)s OR l.key = %(license)s))
    AND (%(status)s::text IS NULL OR %(status)s = {_STATUS})
    AND {filters.METADATA_MATCHES}""",
    "users",
    "t",
)
USER = Query(
    "user by id or e-mail",
    _SELECT + "WHERE t.id = %(id)s OR lower(t.email) = %(email)s ORDER BY t.created, t.ordinal LIMIT 1",
)
USER_BY_ID = Query("user by id", _SELECT + "WHERE t.id = %(id)s")


def document(call: Call, row: dict) -> dict:
    """One user as a resource object; ``row`` is of one of the queries above."""
    path = f"/users/{row['id']}"
    names = [name for name in (row["first_name"], row["last_name"]) if name]
    attributes = {
        "fullName": " ".join(names) or None,
        "firstName": row["first_name"],
        "lastName": row["last_name"],
        "email": row["email"],
        "status": user_status(banned=row["banned"] is not None, last_activity=row["last_activity"], now=row["now"]),
        "role": row["role"],
        "metadata": call.metadata(row["metadata"]),
        **shown_permissions(row),
    }
    relationships = {
        "group": related(None, data=None),
        "products": call.related(f"{path}/products"),
        "licenses": call.related(f"{path}/licenses"),
        "machines": call.related(f"{path}/machines"),
        "tokens": call.related(f"{path}/tokens"),
        "secondFactors": call.related(f"{path}/second-factors"),
    }
    return call.resource("users", row, attributes, relationships)


async def find(call: Call, identifier: str) -> dict:
    """The user with an id or e-mail address, in the caller's scope. :raises NotFound: there is none."""
    row = await call.database.maybe(
        USER, scope=call.scope, id=parse_uuid(identifier), email=normal_email(identifier)
    )
    if row is None:
        raise call.not_found("user", identifier)
    return row


async def listed(
    call: Call,
    path: str,
    *,
    roles: Sequence[str] | None,
    product: UUID | None = None,
    license: UUID | None = None,
) -> Reply:
    """
    Users under the list's own path, filtered as the query says.

    :param roles: only these; ``None`` for all.
    :param product, license: ids that replace the filters of these names.
    """
    by_product = filters.as_reference("product", str(product)) if product else filters.reference(call, "product")
    by_license = filters.as_reference("license", str(license)) if license else filters.reference(call, "license")
    return await USERS.reply(
        call,
        path,
        document,
        roles=None if roles is None else list(roles),
        status=filters.status(call),
        **by_product,
        **by_license,
        **filters.metadata_filter(call),
    )
