"""Whether a bearer has entitlements, by their codes: through a license of its own, or through the license's policy."""

from __future__ import annotations

from keygenreg.database.pool import Database
from keygenreg.database.query import Query
from keygenreg.domain.grant import Grant

ENTITLED = Query(
    "whether one sound license of the bearer has all of these entitlements",
    """SELECT EXISTS (SELECT 1 FROM scope_licenses s
        WHERE s.sound AND (s.expiry IS NULL OR s.expiration_strategy <> 'REVOKE_ACCESS' OR now() <= s.expiry)
        AND %(codes)s::text[] <@ ARRAY(SELECT lower(e.code) FROM entitlements e WHERE e.id = ANY (s.holds))
    ) AS entitled""",
)

_BY_LICENSES = ("license", "user")


def asks_licenses(grant: Grant) -> bool:
    """Whether it is by licenses what the caller may have; who administers may have all, who is nobody nothing."""
    return grant.scope.kind in _BY_LICENSES


async def entitled(database: Database, grant: Grant, codes: tuple[str, ...]) -> dict[str, bool]:
    """
    Whether one license of the bearer has all entitlements: those of several are never united (decision 6). One that is
    suspended, or whose end revokes access, has none.

    :param codes: in lower case.
    :return: a row ``{"entitled": ...}``.
    """
    return await database.one(ENTITLED, scope=grant.scope, codes=list(codes))
