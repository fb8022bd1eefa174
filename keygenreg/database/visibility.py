"""The one rule of who sees what, compiled into SQL: the ``visible_*`` names of scoped queries.

A scoped query reads from ``visible_releases``, ``visible_artifacts``, ``visible_packages`` and so on. They are not
tables: :func:`with_scope` puts their definitions, for one bearer, before the query. Run without a scope such a query
fails in the database instead of showing too much.

``visible_releases`` and ``visible_artifacts`` carry ``permitted``: false where the record is in the bearer's scope
but the state of its licenses forbids it (api.md 4.3). Source of the rules: api.md 4, engines.md 1.5-1.6.
"""

from __future__ import annotations

import re
from functools import lru_cache

from keygenreg.database.query import Query
from keygenreg.domain.scope import Scope

_NAMES = re.compile(r"\b(?:visible_\w+|scope_licenses)\b")
_WITH = re.compile(r"\s*WITH\s+(RECURSIVE\s+)?", re.IGNORECASE)

# The licenses through which a license or user bearer sees anything. "sound" is false while suspended or banned; "holds"
# are the entitlements of this one license: those of a bearer's several licenses are never united (decision 6).
_SCOPE_LICENSES = """
SELECT l.id, l.policy_id, p.product_id, l.expiry, p.expiration_strategy,
       (NOT l.suspended AND o.banned IS NULL) AS sound,
       ARRAY(SELECT le.entitlement_id FROM license_entitlements le WHERE le.license_id = l.id
             UNION ALL
             SELECT pe.entitlement_id FROM policy_entitlements pe WHERE pe.policy_id = l.policy_id) AS holds
FROM licenses l
JOIN policies p ON p.id = l.policy_id
LEFT JOIN users o ON o.id = l.owner_id
WHERE l.account_id = %(scope_account)s AND {environment_of_l} AND {mine}
"""

_LICENSE_IS_BEARER = "l.id = %(scope_bearer)s"
# UNION, not OR: each half has an index, and an OR of them would read all licenses.
_LICENSE_OF_BEARER = """l.id IN (
    SELECT owned.id FROM licenses owned WHERE owned.owner_id = %(scope_bearer)s
    UNION ALL
    SELECT lu.license_id FROM license_users lu WHERE lu.user_id = %(scope_bearer)s)"""

# api.md 4.1: ent(L, R) and win(L, R).
_ENTITLED = "demand.needs <@ l.holds"
_IN_WINDOW = """(l.expiry IS NULL OR CASE l.expiration_strategy
    WHEN 'ALLOW_ACCESS' THEN true
    WHEN 'REVOKE_ACCESS' THEN now() <= l.expiry
    ELSE coalesce(r.backdated, r.created) <= l.expiry END)"""

_RELEASES_OF_ALL = """
SELECT r.*, true AS permitted FROM releases r WHERE r.account_id = %(scope_account)s AND {environment_of_r}
"""

_RELEASES_OF_PRODUCT = _RELEASES_OF_ALL + " AND r.product_id = %(scope_bearer)s"

_READABLE_PRODUCT = """(p.distribution_strategy = 'OPEN'
    OR (p.distribution_strategy = 'LICENSED' AND p.id IN (SELECT l.product_id FROM scope_licenses l)))"""

# "open": readable by the whole world. "granted": NULL without a license that reaches the release, else whether one of
# those that do is sound. OFFSET 0 keeps the planner from copying both into every place where they are used; the
# condition on products spares most releases of other products the look at their constraints.
_RELEASES_BY_LICENSE = f"""
SELECT r.*, (access.open OR access.granted) AS permitted
FROM releases r
JOIN products p ON p.id = r.product_id
CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT c.entitlement_id FROM constraints c WHERE c.release_id = r.id) AS needs OFFSET 0
) demand
CROSS JOIN LATERAL (
    SELECT p.distribution_strategy = 'OPEN' AND cardinality(demand.needs) = 0 AS open,
           (SELECT bool_or(l.sound) FROM scope_licenses l
            WHERE l.product_id = r.product_id AND {_ENTITLED} AND {_IN_WINDOW}) AS granted OFFSET 0
) access
WHERE r.account_id = %(scope_account)s AND {{environment_of_r}} AND r.status = 'PUBLISHED'
  AND {_READABLE_PRODUCT} AND (access.open OR access.granted IS NOT NULL)
"""

_RELEASES_OF_ANYBODY = """
SELECT r.*, true AS permitted
FROM releases r
JOIN products p ON p.id = r.product_id
WHERE r.account_id = %(scope_account)s AND {environment_of_r} AND r.status = 'PUBLISHED'
  AND p.distribution_strategy = 'OPEN' AND NOT EXISTS (SELECT 1 FROM constraints c WHERE c.release_id = r.id)
"""

_ARTIFACTS = """
SELECT a.*, r.permitted, r.product_id, r.package_id, r.version AS release_version, r.version_key, r.channel,
       r.status AS release_status, r.tag AS release_tag, r.yanked AS release_yanked, r.created AS release_created,
       r.backdated AS release_backdated, r.metadata AS release_metadata, r.edition AS release_edition
FROM artifacts a JOIN visible_releases r ON r.id = a.release_id
WHERE a.account_id = %(scope_account)s AND {environment_of_a} AND a.status <> 'YANKED'
"""
_ARTIFACTS_UPLOADED = _ARTIFACTS + " AND a.status = 'UPLOADED'"

_CONSTRAINTS = """
SELECT c.* FROM constraints c JOIN visible_releases r ON r.id = c.release_id
WHERE c.account_id = %(scope_account)s AND {environment_of_c}
"""


def _own(table: str, condition: str = "true") -> str:
    """All of a table in the account and environment, narrowed by a condition on the alias ``t``."""
    return (
        f"SELECT t.* FROM {table} t WHERE t.account_id = %(scope_account)s "
        f"AND {{environment_of_t}} AND ({condition})"
    )


def _by_product(table: str, product: str, condition: str) -> str:
    return (
        f"SELECT t.* FROM {table} t JOIN products p ON p.id = {product} "
        f"WHERE t.account_id = %(scope_account)s AND {{environment_of_t}} AND {condition}"
    )


_NOBODYS = "false"
_USER_OF_MY_LICENSE = """t.id IN (
    SELECT l.owner_id FROM licenses l WHERE l.id = %(scope_bearer)s
    UNION ALL
    SELECT lu.user_id FROM license_users lu WHERE lu.license_id = %(scope_bearer)s)"""
_LICENSE_OF_PRODUCT = "t.policy_id IN (SELECT p.id FROM policies p WHERE p.product_id = %(scope_bearer)s)"
_MY_ENTITLEMENT = "t.id IN (SELECT unnest(l.holds) FROM scope_licenses l)"
# Sets that are computed once, not once for every token of the account.
_LICENSES_OF_BEARER = (
    "SELECT l.%s FROM licenses l JOIN policies p ON p.id = l.policy_id WHERE p.product_id = %%(scope_bearer)s"
)
_TOKEN_OF_PRODUCT = f"""t.bearer_product_id = %(scope_bearer)s
    OR t.bearer_license_id IN ({_LICENSES_OF_BEARER % "id"})
    OR t.bearer_user_id IN (SELECT u.id FROM users u WHERE u.role = 'user' AND u.id IN (
        {_LICENSES_OF_BEARER % "owner_id"}
        UNION ALL
        SELECT lu.user_id FROM license_users lu WHERE lu.license_id IN ({_LICENSES_OF_BEARER % "id"})))"""

_STAFF = {
    "visible_releases": _RELEASES_OF_ALL,
    "visible_artifacts": _ARTIFACTS,
    "visible_packages": _own("packages"),
    "visible_products": _own("products"),
    "visible_entitlements": _own("entitlements"),
    "visible_policies": _own("policies"),
    "visible_licenses": _own("licenses"),
    "visible_users": _own("users"),
    "visible_tokens": _own("tokens"),
    "visible_constraints": _CONSTRAINTS,
}
_ENVIRONMENT = _STAFF | {"visible_users": _own("users", "t.role = 'user'")}
_PRODUCT = {
    "visible_releases": _RELEASES_OF_PRODUCT,
    "visible_artifacts": _ARTIFACTS,
    "visible_packages": _own("packages", "t.product_id = %(scope_bearer)s"),
    "visible_products": _own("products", "t.id = %(scope_bearer)s"),
    "visible_entitlements": _own("entitlements"),
    "visible_policies": _own("policies", "t.product_id = %(scope_bearer)s"),
    "visible_licenses": _own("licenses", _LICENSE_OF_PRODUCT),
    "visible_users": _own("users", "t.role = 'user'"),
    "visible_tokens": _own("tokens", _TOKEN_OF_PRODUCT),
    "visible_constraints": _CONSTRAINTS,
}
_LICENSE = {
    "visible_releases": _RELEASES_BY_LICENSE,
    "visible_artifacts": _ARTIFACTS_UPLOADED,
    "visible_packages": _by_product("packages", "t.product_id", _READABLE_PRODUCT),
    "visible_products": _by_product("products", "t.id", _READABLE_PRODUCT),
    "visible_entitlements": _own("entitlements", _MY_ENTITLEMENT),
    "visible_policies": _own("policies", "t.id IN (SELECT l.policy_id FROM scope_licenses l)"),
    "visible_licenses": _own("licenses", "t.id IN (SELECT l.id FROM scope_licenses l)"),
    "visible_users": _own("users", _USER_OF_MY_LICENSE),
    "visible_tokens": _own("tokens", "t.bearer_license_id = %(scope_bearer)s"),
    "visible_constraints": _CONSTRAINTS,
}
_USER = _LICENSE | {
    "visible_users": _own("users", "t.id = %(scope_bearer)s"),
    "visible_tokens": _own("tokens", "t.bearer_user_id = %(scope_bearer)s"),
}
_ANONYMOUS = {
    "visible_releases": _RELEASES_OF_ANYBODY,
    "visible_artifacts": _ARTIFACTS_UPLOADED,
    "visible_packages": _by_product("packages", "t.product_id", "p.distribution_strategy = 'OPEN'"),
    "visible_products": _by_product("products", "t.id", "p.distribution_strategy = 'OPEN'"),
    "visible_entitlements": _own("entitlements", _NOBODYS),
    "visible_policies": _own("policies", _NOBODYS),
    "visible_licenses": _own("licenses", _NOBODYS),
    "visible_users": _own("users", _NOBODYS),
    "visible_tokens": _own("tokens", _NOBODYS),
    "visible_constraints": _CONSTRAINTS,
}
_RULES = {
    "staff": _STAFF,
    "environment": _ENVIRONMENT,
    "product": _PRODUCT,
    "license": _LICENSE | {"scope_licenses": _SCOPE_LICENSES.replace("{mine}", _LICENSE_IS_BEARER)},
    "user": _USER | {"scope_licenses": _SCOPE_LICENSES.replace("{mine}", _LICENSE_OF_BEARER)},
    "anonymous": _ANONYMOUS,
}

_ENVIRONMENTS = {
    "global": "{alias}.environment_id IS NULL",
    "isolated": "{alias}.environment_id = %(scope_environment)s",
    "shared": "({alias}.environment_id = %(scope_environment)s OR {alias}.environment_id IS NULL)",
}


@lru_cache(maxsize=4096)
def _compile(sql: str, kind: str, environment: str) -> str:
    rules = _RULES[kind]
    found: list[str] = []

    def need(text: str) -> None:
        # Depth first: a definition comes after those it reads from.
        for name in _NAMES.findall(text):
            if name in rules and name not in found:
                need(rules[name])
                found.append(name)

    need(sql)
    if not found:
        return sql
    condition = _ENVIRONMENTS[environment]
    tables = []
    for name in found:
        rule = rules[name]
        for alias in "acrlt":
            rule = rule.replace(f"{{environment_of_{alias}}}", condition.format(alias=alias))
        # The few licenses of a bearer are computed once; everything else melts into the query around it.
        how = "MATERIALIZED" if name == "scope_licenses" else "NOT MATERIALIZED"
        tables.append(f"{name} AS {how} ({rule})")
    own = _WITH.match(sql)
    recursive = "RECURSIVE " if own and own[1] else ""
    rest = ",\n" + sql[own.end() :] if own else "\n" + sql
    return f"WITH {recursive}" + ",\n".join(tables) + rest


def with_scope(query: Query, scope: Scope) -> tuple[str, dict[str, object]]:
    """
    The SQL of a query with the scope's rules before it, and the parameters that the rules need.

    :return: statement text with named parameters, and values for those named ``scope_*``.
    """
    environment = "global" if scope.environment is None else "shared" if scope.environment.shared else "isolated"
    parameters = {
        "scope_account": scope.account_id,
        "scope_bearer": scope.bearer_id,
        "scope_environment": scope.environment.id if scope.environment else None,
    }
    return _compile(query.sql, scope.kind, environment), parameters
