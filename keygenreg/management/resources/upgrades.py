"""Upgrades: the best release above the one that somebody runs (api.md 5.8)."""

from __future__ import annotations

from typing import Any

from keygenreg.database.query import Query
from keygenreg.domain.failures import NotFound
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.domain.upgrade import Constraint, parse_constraint
from keygenreg.domain.version import parse_version
from keygenreg.management.call import Call
from keygenreg.management.resources import releases
from keygenreg.management.resources.catalogue_filters import channels_of
from keygenreg.management.router import Route
from keygenreg.web.artifact_delivery import count_download
from keygenreg.web.reply import Reply

_AT_ONCE = 200
#: What narrows the upgrade, not the release that somebody has.
_OTHERWISE = frozenset({"channel", "status"})

PACKAGE = Query(
    "package to upgrade within",
    """SELECT t.id FROM visible_packages t WHERE t.product_id = %(product)s AND (t.id = %(id)s OR t.key = %(key)s
        OR t.pypi_name = lower(regexp_replace(%(key)s, '[-_.]+', '-', 'g')))
    ORDER BY (t.id = %(id)s) DESC NULLS LAST, (t.key = %(key)s) DESC, t.created, t.ordinal LIMIT 1""",
)
#: Best first, from just below ``below`` down to just above the current one.
CANDIDATES = Query(
    "releases above another",
    """SELECT r.* FROM visible_releases r WHERE r.product_id = %(product)s
    AND r.package_id IS NOT DISTINCT FROM %(package)s AND r.channel = ANY(%(channels)s::text[])
    AND r.status = 'PUBLISHED' AND r.permitted AND r.version_key > %(above)s
    AND (%(below)s::text IS NULL OR r.version_key < %(below)s)
    ORDER BY r.version_key DESC LIMIT %(limit)s""",
)


async def show(call: Call, release: str) -> Reply:
    current = await _current(call, release)
    call.grant.require("release.upgrade")
    text = call.query.strict_text("constraint")
    constraint = parse_constraint(text) if text else None
    channels = channels_of(call, call.query.text("channel") or current["channel"])
    package = await _package(call, current)
    following = await _best(call, current, package, channels, constraint)
    if following is None:
        raise _none()
    await count_download(call.exchange, call.parts, call.grant)
    meta = {"current": current["version"], "next": following["version"]}
    return call.reply(200, {"data": releases.document(call, following), "meta": meta})


async def _current(call: Call, release: str) -> dict:
    """The release that the caller has; an id needs no narrowing, so that ``package`` may name another one."""
    if parse_uuid(release) is not None:
        return await releases.read(call, release, ignoring=_OTHERWISE | {"package"})
    return await releases.read(call, release, ignoring=_OTHERWISE)


async def _package(call: Call, current: dict) -> Any:
    """The id of the package to look in: the one that is asked for, else the current one's."""
    key = call.query.text("package")
    if key is None:
        return current["package_id"]
    if not key:
        return None
    row = await call.database.maybe(
        PACKAGE, scope=call.scope, product=current["product_id"], id=parse_uuid(key), key=key
    )
    if row is None:
        raise _none()
    return row["id"]


async def _best(
    call: Call, current: dict, package: Any, channels: list[str], constraint: Constraint | None
) -> dict | None:
    """The highest candidate that the constraint allows; nearly always it is among the first."""
    below = None
    while True:
        rows = await call.database.rows(
            CANDIDATES,
            scope=call.scope,
            product=current["product_id"],
            package=package,
            channels=channels,
            above=current["version_key"],
            below=below,
            limit=_AT_ONCE if constraint else 1,
        )
        for row in rows:
            if constraint is None or constraint.allows(parse_version(row["version"])):
                return row
        if constraint is None or len(rows) < _AT_ONCE:
            return None
        below = rows[-1]["version_key"]


def _none() -> NotFound:
    return NotFound("There is no upgrade.")


ROUTES = (Route("GET", "/releases/{release*}/upgrade", show, credentials=False),)
