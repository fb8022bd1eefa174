"""The filters of release and artifact lists, which also narrow look-ups by version, tag or file name (api.md 2.8)."""

from __future__ import annotations

from typing import Any

from keygenreg.database.query import Query
from keygenreg.domain.channel import CHANNELS, included
from keygenreg.domain.derived import derived_id, key_of_id
from keygenreg.domain.identifiers import normal_filetype, normal_target, parse_uuid
from keygenreg.management.call import Call
from keygenreg.management.resources.packages import engine_filter

# Plain tables are read here only to narrow what the visible_* names give.
_PRODUCTS = """(SELECT f.id FROM products f WHERE f.account_id = %(scope_account)s
    AND (f.id = %(product_id)s OR lower(f.code) = lower(%(product)s)))"""
# Of packages that share a key, reads take the oldest; writes consider all, to refuse what is ambiguous (decision 10).
_PACKAGES = f"""(SELECT f.id FROM visible_packages f WHERE (f.id = %(package_id)s OR f.key = %(package)s
        OR f.pypi_name = lower(regexp_replace(%(package)s, '[-_.]+', '-', 'g')))
    AND (NOT %(by_engine)s OR f.engine IS NOT DISTINCT FROM %(engine)s)
    AND (%(product)s::text IS NULL OR f.product_id IN {_PRODUCTS})
    ORDER BY (f.id = %(package_id)s) DESC NULLS LAST, (f.key = %(package)s) DESC, f.created, f.ordinal
    LIMIT %(packages)s)"""


def _shared(alias: str) -> str:
    return f"""(%(product)s::text IS NULL OR {alias}.product_id IN {_PRODUCTS})
    AND (NOT %(by_package)s OR CASE WHEN %(package)s::text IS NULL THEN {alias}.package_id IS NULL
         ELSE {alias}.package_id IN {_PACKAGES} END)
    AND (NOT %(by_engine)s OR (SELECT f.engine FROM packages f WHERE f.id = {alias}.package_id)
         IS NOT DISTINCT FROM %(engine)s)
    AND (%(channels)s::text[] IS NULL OR {alias}.channel = ANY(%(channels)s::text[]))
    AND (%(status)s::text IS NULL OR {alias}.status = upper(%(status)s))"""


#: Conditions on ``visible_releases r``.
RELEASE_FILTERS = f"""{_shared("r")}
    AND (%(yanked)s::boolean IS NULL OR (r.status = 'YANKED') = %(yanked)s)
    AND (%(codes)s::text[] IS NULL OR NOT EXISTS (
         SELECT 1 FROM constraints f JOIN entitlements e ON e.id = f.entitlement_id
         WHERE f.release_id = r.id AND e.code <> ALL(%(codes)s::text[])))"""

#: Conditions on ``visible_artifacts a``.
ARTIFACT_FILTERS = f"""{_shared("a")}
    AND (%(release)s::text IS NULL OR a.release_id = %(release_id)s OR a.release_version = %(release)s
         OR a.release_tag = %(release)s)
    AND (NOT %(by_filetype)s OR a.filetype IS NOT DISTINCT FROM %(filetype)s)
    AND (NOT %(by_platform)s OR a.platform IS NOT DISTINCT FROM %(platform)s)
    AND (NOT %(by_arch)s OR a.arch IS NOT DISTINCT FROM %(arch)s)"""

_TARGETS = {
    "platforms": Query(
        "platforms in use",
        "SELECT DISTINCT platform AS key FROM artifacts WHERE account_id = %(account)s AND platform IS NOT NULL",
        unscoped="finds the key behind an id; what it selects is scoped",
    ),
    "arches": Query(
        "arches in use",
        "SELECT DISTINCT arch AS key FROM artifacts WHERE account_id = %(account)s AND arch IS NOT NULL",
        unscoped="finds the key behind an id; what it selects is scoped",
    ),
}


def release_filters(call: Call, *, changing: bool = False) -> dict[str, Any]:
    """
    The parameters of :data:`RELEASE_FILTERS` that a request asks for; what it does not mention does not narrow.

    :param changing: consider all packages of a key, not only the oldest.
    """
    codes = [set(call.query.many(name)) for name in ("entitlements", "constraints") if name in call.query]
    yanked = {"true": True, "1": True, "false": False, "0": False}.get((call.query.text("yanked") or "").lower())
    return _shared_parameters(call, changing) | {
        "yanked": yanked,
        "codes": sorted(set.intersection(*codes)) if codes else None,
    }


async def artifact_filters(call: Call, *, changing: bool = False) -> dict[str, Any]:
    """The parameters of :data:`ARTIFACT_FILTERS`, as :func:`release_filters`."""
    release = call.query.text("release") or None
    filetype = call.query.text("filetype")
    return _shared_parameters(call, changing) | {
        "release": release,
        "release_id": parse_uuid(release),
        "by_filetype": filetype is not None,
        "filetype": normal_filetype(filetype),
        **await _target(call, "platform", "platforms"),
        **await _target(call, "arch", "arches"),
    }


def _shared_parameters(call: Call, changing: bool) -> dict[str, Any]:
    product = call.query.text("product") or None
    package = call.query.text("package")
    return {
        "product": product,
        "product_id": parse_uuid(product),
        "by_package": package is not None,
        "package": package or None,
        "package_id": parse_uuid(package),
        "packages": None if changing else 1,
        "channels": channels_of(call, call.query.text("channel")),
        "status": call.query.text("status") or None,
        **engine_filter(call),
    }


def channels_of(call: Call, channel: str | None) -> list[str] | None:
    """The channels that a channel's key or id stands for: none for an unknown one, ``None`` when not asked."""
    if not channel:
        return None
    identifier = parse_uuid(channel)
    if identifier is not None:
        channel = key_of_id(call.account_id, "channels", identifier, CHANNELS) or ""
    return sorted(included(channel.lower()))


async def _target(call: Call, name: str, plural: str) -> dict[str, Any]:
    """A platform or arch by key or id; empty means artifacts without one."""
    text = call.query.text(name)
    identifier = parse_uuid(text)
    if identifier is None:
        return {f"by_{name}": text is not None, name: normal_target(text)}
    rows = await call.database.rows(_TARGETS[plural], account=call.account_id)
    found = (row["key"] for row in rows if derived_id(call.account_id, plural, row["key"]) == identifier)
    return {f"by_{name}": True, name: next(found, str(identifier))}
