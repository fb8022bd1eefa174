"""
Views: what of the catalogue somebody may see, as a value. Bearers with equal views get equal answers, so what was made
for one is good for all: a million licenses share a few hundred.

This restates what :mod:`keygenreg.database.visibility` makes of licenses: of each that counts for the bearer its
product, entitlements, soundness and window. A window that ends after the newest release is as good as none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from datetime import datetime
from math import inf
from typing import Any
from uuid import UUID

from attrs import define, field, frozen

from keygenreg.caches.bounded import BoundedCache
from keygenreg.caches.generations import Generations, Guard
from keygenreg.database.pool import Database
from keygenreg.database.query import Query
from keygenreg.domain.grant import Grant
from keygenreg.domain.scope import Scope

LICENSES = Query(
    "licenses that a bearer sees by",
    """SELECT s.product_id, s.expiry, s.expiration_strategy, s.sound, s.holds,
        s.expiry IS NULL AND p.duration IS NOT NULL AND p.expiration_basis = 'FROM_FIRST_DOWNLOAD' AS untimed
    FROM scope_licenses s JOIN policies p ON p.id = s.policy_id""",
)
NEWEST = Query(
    "date of an account's newest release",
    "SELECT max(coalesce(backdated, created)) AS newest FROM releases WHERE account_id = %(account)s",
    unscoped="only compared with the ends of licenses, shown to nobody",
)

_LICENSE_BYTES = 2048
_MOST_LICENSES = 64
_MOST_ENTITLEMENTS = 1000
_ENTITLEMENT_BYTES = 128
SKEW = 5.0
"""
Seconds by which our clock and the database's may differ. Around an end of access nobody knows on which side of it the
database answers, and nothing is shared.
"""
_EXPIRED = "expired"
_BY_LICENSES = ("license", "user")


@frozen
class View:
    """
    ``key`` is equal for equal views; ``None`` when this one is not to be shared: it is untimed, or the bearer has too
    many licenses. ``untimed``: a download would start a license's time. ``until`` is when the view changes by itself
    (Unix seconds). ``size`` is what the key is taken to cost, in bytes.
    """

    key: Hashable | None
    until: float = inf
    untimed: bool = False
    size: int = field(default=0, eq=False)


def view_of(grant: Grant, licenses: list[dict[str, Any]], newest: datetime | None, now: float) -> View:
    """
    The view of a grant.

    :param licenses: rows of :data:`LICENSES`; none for bearers that do not see by licenses.
    :param newest: effective date of the account's newest release.
    :param now: Unix seconds.
    """
    until = inf
    facts = set()
    for row in licenses:
        end, strategy = row["expiry"], row["expiration_strategy"]
        window: Hashable = None
        if end is not None and strategy == "REVOKE_ACCESS":
            if end.timestamp() < now - SKEW:
                window = _EXPIRED
            else:
                until = min(until, end.timestamp() - SKEW)
        elif end is not None and strategy != "ALLOW_ACCESS" and newest is not None and end < newest:
            window = end
        facts.add((row["product_id"], frozenset(row["holds"]), row["sound"], window))
    untimed = any(row["untimed"] for row in licenses)
    large = len(licenses) > _MOST_LICENSES or sum(len(row["holds"]) for row in licenses) > _MOST_ENTITLEMENTS
    if untimed or large or until <= now:
        return View(None, until, untimed)
    scope = grant.scope
    # Staff, products and environments see by who they are, licenses and users by what they hold.
    bearer = None if scope.kind in _BY_LICENSES else scope.bearer_id
    permissions = None if grant.bearer is None else grant.bearer.permissions
    key = (grant.account.id, scope.environment, scope.kind, bearer, grant.role, permissions, frozenset(facts))
    return View(key, until, size=_size_of(licenses))


def _size_of(licenses: list[dict[str, Any]]) -> int:
    return sum(_LICENSE_BYTES + _ENTITLEMENT_BYTES * len(row["holds"]) for row in licenses)


@define
class Views:
    """
    Finds views, and remembers what they are made from.

    :param limit: of the memory, in bytes.
    """

    database: Database
    generations: Generations
    limit: int
    now: Callable[[], float] = time.time
    _licenses: BoundedCache[Scope, tuple[Guard, list]] = field(init=False)
    _newest: BoundedCache[UUID, tuple[Guard, datetime | None]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._licenses = BoundedCache(self.limit)
        self._newest = BoundedCache(self.limit // 8)

    async def of(self, grant: Grant, guard: Guard) -> View:
        """
        The view of a grant.

        :param guard: one that watches the grant's account, taken before.
        """
        if grant.scope.kind not in _BY_LICENSES:
            return view_of(grant, [], None, self.now())
        licenses = await self._licenses_of(grant.scope, guard)
        limited = any(row["expiry"] is not None for row in licenses)
        newest = await self._newest_of(grant.account.id, guard) if limited else None
        return view_of(grant, licenses, newest, self.now())

    async def confirm(self, grant: Grant, guard: Guard, view: View) -> bool:
        """
        Whether this is the grant's view by the database itself, at this moment: what was read since the view was taken
        was read with these rights, then. What was remembered may have been out of date without our knowing it yet.
        """
        if grant.scope.kind not in _BY_LICENSES:
            return True
        licenses = await self.database.rows(LICENSES, scope=grant.scope)
        newest = await self._newest_of(grant.account.id, guard)
        return view_of(grant, licenses, newest, self.now()).key == view.key

    async def _licenses_of(self, scope: Scope, guard: Guard) -> list[dict[str, Any]]:
        kept = self._licenses.get(scope)
        if kept is not None and self.generations.bearers_hold(kept[0]):
            return kept[1]
        rows = await self.database.rows(LICENSES, scope=scope)
        if self.generations.bearers_hold(guard):
            self._licenses.put(scope, (guard, rows), _LICENSE_BYTES + _size_of(rows))
        return rows

    async def _newest_of(self, account: UUID, guard: Guard) -> datetime | None:
        kept = self._newest.get(account)
        if kept is not None and self.generations.catalogue_holds(kept[0]):
            return kept[1]
        row = await self.database.one(NEWEST, account=account)
        if self.generations.catalogue_holds(guard):
            self._newest.put(account, (guard, row["newest"]), 64)
        return row["newest"]
