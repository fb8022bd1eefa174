"""The filters of release and artifact lists, which also narrow look-ups by version, tag or file name (api.md 2.8).

What a filter names is looked up first, so that a query compares ids; and a query holds only the conditions of filters
that are in use: both let the database begin with the few rows that are meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from keygenreg.database.query import Query
from keygenreg.domain.channel import CHANNELS, included
from keygenreg.domain.derived import derived_id, key_of_id
from keygenreg.domain.identifiers import normal_filetype, normal_target, parse_uuid
from keygenreg.management.call import Call
from keygenreg.management.resources.packages import engine_filter

PRODUCT = Query(
    "product that a filter names",
    """SELECT id FROM products WHERE account_id = %(account)s AND (id = %(id)s OR lower(code) = lower(%(code)s))
    ORDER BY (id = %(id)s) DESC NULLS LAST LIMIT 1""",
    unscoped="narrows what is scoped",
)
#: Of packages that share a key, reads take the oldest; writes consider all, to refuse what is ambiguous (decision 10).
PACKAGES = Query(
    "packages that a filter names",
    """SELECT t.id FROM visible_packages t WHERE (t.id = %(id)s OR t.key = %(key)s
        OR t.pypi_name = lower(regexp_replace(%(key)s, '[-_.]+', '-', 'g')))
    AND (NOT %(by_engine)s OR t.engine IS NOT DISTINCT FROM %(engine)s)
    AND (%(product)s::uuid IS NULL OR t.product_id = %(product)s)
    ORDER BY (t.id = %(id)s) DESC NULLS LAST, (t.key = %(key)s) DESC, t.created, t.ordinal LIMIT %(most)s""",
)
RELEASES = Query(
    "releases that a filter names",
    """SELECT r.id FROM visible_releases r WHERE (r.id = %(id)s OR r.version = %(alias)s OR r.tag = %(alias)s)
    AND (%(product)s::uuid IS NULL OR r.product_id = %(product)s)""",
)
SEEN_PRODUCTS = Query("products in sight", "SELECT t.id FROM visible_products t")
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


def _shared(alias: str) -> dict[str, str]:
    return {
        "nothing": "false",
        "product": f"{alias}.product_id = %(product)s",
        "seen": f"{alias}.product_id = ANY(%(seen)s::uuid[])",
        "package": f"{alias}.package_id = ANY(%(package)s::uuid[])",
        "no_package": f"{alias}.package_id IS NULL",
        "engine": f"""{alias}.package_id IN (SELECT f.id FROM packages f WHERE f.account_id = %(scope_account)s
            AND f.engine = %(engine)s)""",
        "no_engine": f"""NOT EXISTS (SELECT 1 FROM packages f WHERE f.id = {alias}.package_id
            AND f.engine IS NOT NULL)""",
        "channel": f"{alias}.channel = ANY(%(channel)s::text[])",
        "status": f"{alias}.status = %(status)s",
    }


#: Conditions on ``visible_releases r``, by name.
RELEASE_CONDITIONS: Mapping[str, str] = _shared("r") | {
    "yanked": "r.status = 'YANKED'",
    "not_yanked": "r.status <> 'YANKED'",
    "codes": """NOT EXISTS (SELECT 1 FROM constraints f JOIN entitlements e ON e.id = f.entitlement_id
        WHERE f.release_id = r.id AND e.code <> ALL(%(codes)s::text[]))""",
}
#: Conditions on ``visible_artifacts a``, by name.
ARTIFACT_CONDITIONS: Mapping[str, str] = _shared("a") | {
    "release": "a.release_id = ANY(%(release)s::uuid[])",
    **{name: f"a.{name} = %({name})s" for name in ("filetype", "platform", "arch")},
    **{f"no_{name}": f"a.{name} IS NULL" for name in ("filetype", "platform", "arch")},
}


@frozen
class Filters:
    """Filters in use: ``values`` are query parameters by the name of their condition."""

    values: Mapping[str, Any] = field(factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The conditions, in a fixed order: what a query is made from and kept by."""
        return tuple(sorted(self.values))


def where(conditions: Mapping[str, str], names: tuple[str, ...]) -> str:
    """Named conditions as one."""
    return " AND ".join(conditions[name] for name in names) or "true"


async def release_filters(
    call: Call, *, changing: bool = False, product: dict | None = None, ignoring: frozenset[str] = frozenset()
) -> Filters:
    """
    The filters of releases that a request asks for; what it does not mention does not narrow.

    :param changing: consider all packages of a key, not only the oldest.
    :param product: the product that the request's path names.
    :param ignoring: query parameters that mean something else here.
    """
    found = await _common(call, changing, product, ignoring)
    yanked = (call.query.text("yanked") or "").lower()
    if yanked in ("true", "1"):
        found["yanked"] = None
    elif yanked in ("false", "0"):
        found["not_yanked"] = None
    codes = [set(call.query.many(name)) for name in ("entitlements", "constraints") if name in call.query]
    if codes:
        found["codes"] = sorted(set.intersection(*codes))
    return Filters(found)


async def artifact_filters(
    call: Call, *, changing: bool = False, product: dict | None = None, release: dict | None = None
) -> Filters:
    """The filters of artifacts, as :func:`release_filters`; ``release`` is the one that the request's path names."""
    found = await _common(call, changing, product, frozenset())
    alias = call.query.text("release")
    if release is not None:
        found["release"] = [release["id"]]
    elif alias:
        rows = await call.database.rows(
            RELEASES, scope=call.scope, id=parse_uuid(alias), alias=alias, product=found.get("product")
        )
        found["release"] = [row["id"] for row in rows]
    filetype = call.query.text("filetype")
    if filetype is not None:
        found |= _text("filetype", normal_filetype(filetype))
    for name, plural in (("platform", "platforms"), ("arch", "arches")):
        found |= await _target(call, name, plural)
    return Filters(found)


async def within_sight(call: Call, filters: Filters) -> Filters:
    """
    The filters of a list, with the products that a customer or stranger sees at all. They decide nothing that the scope
    does not; but a database that knows how few they are does not search the whole account for what is not there.
    """
    if call.scope.kind not in ("license", "user", "anonymous"):
        return filters
    rows = await call.database.rows(SEEN_PRODUCTS, scope=call.scope)
    seen = {"seen": [row["id"] for row in rows]} if rows else {"nothing": None}
    return Filters({**filters.values, **seen})


async def _common(call: Call, changing: bool, product: dict | None, ignoring: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    named = call.query.text("product")
    if product is not None:
        found["product"] = product["id"]
    elif named:
        row = await call.database.maybe(PRODUCT, account=call.account_id, id=parse_uuid(named), code=named)
        found |= {"product": row["id"]} if row else {"nothing": None}
    engine = engine_filter(call)
    if engine["by_engine"]:
        found |= _text("engine", engine["engine"])
    if "package" not in ignoring:
        found |= await _package(call, changing, engine, found.get("product"))
    if "channel" not in ignoring and call.query.text("channel"):
        found["channel"] = channels_of(call, call.query.text("channel"))
    if "status" not in ignoring and call.query.text("status"):
        found["status"] = call.query.text("status").upper()
    return found


async def _package(call: Call, changing: bool, engine: dict[str, Any], product: Any) -> dict[str, Any]:
    key = call.query.text("package")
    if key is None:
        return {}
    if not key:
        return {"no_package": None}
    rows = await call.database.rows(
        PACKAGES,
        scope=call.scope,
        id=parse_uuid(key),
        key=key,
        product=product,
        most=None if changing else 1,
        **engine,
    )
    return {"package": [row["id"] for row in rows]}


def channels_of(call: Call, channel: str | None) -> list[str]:
    """The channels that a channel's key or id stands for: none for an unknown one."""
    identifier = parse_uuid(channel)
    if identifier is not None:
        channel = key_of_id(call.account_id, "channels", identifier, CHANNELS)
    return sorted(included((channel or "").lower()))


def _text(name: str, value: str | None) -> dict[str, Any]:
    """A filter by text; none means records without one."""
    return {f"no_{name}": None} if value is None else {name: value}


async def _target(call: Call, name: str, plural: str) -> dict[str, Any]:
    """A platform or arch by key or id."""
    text = call.query.text(name)
    identifier = parse_uuid(text)
    if text is None:
        return {}
    if identifier is None:
        return _text(name, normal_target(text))
    rows = await call.database.rows(_TARGETS[plural], account=call.account_id)
    found = (row["key"] for row in rows if derived_id(call.account_id, plural, row["key"]) == identifier)
    return {name: next(found, str(identifier))}
