"""Engines, platforms, arches and channels: read-only, without rows of their own (engines.md 3, api.md 1.8, dump.md).

Each exists for a caller while something it may see names it; its times are those of everything that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import field, frozen

from keygenreg.database.query import Query
from keygenreg.domain.channel import CHANNELS
from keygenreg.domain.derived import derived_id, derived_name
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.formats.pagination import Keyset, Page, page_links, read_pagination
from keygenreg.management.call import Call
from keygenreg.management.resources import products
from keygenreg.management.router import Route
from keygenreg.web.reply import Reply

# What the caller sees decides which keys there are; when they were made is a fact of the whole account.
_AGE = "a key's age is a fact of the whole account; which keys are shown is scoped"
_PACKAGES = """SELECT named.engine AS key, min(every.created) AS created, min(every.created) AS updated
FROM (SELECT DISTINCT t.engine FROM visible_packages t WHERE t.engine IS NOT NULL
      AND (%(product)s::uuid IS NULL OR t.product_id = %(product)s)) named
JOIN packages every ON every.account_id = %(scope_account)s AND every.engine = named.engine
GROUP BY named.engine"""
_OF_ENVIRONMENT = "(r.environment_id IS NULL OR r.environment_id = %(scope_environment)s)"
# First the few channels that are in use, by an index that knows their oldest releases too.
_RELEASES = f"""WITH known AS MATERIALIZED (
    SELECT keys.key, oldest.created FROM unnest(%(channels)s::text[]) AS keys (key)
    CROSS JOIN LATERAL (
        SELECT every.created FROM releases every WHERE every.account_id = %(scope_account)s AND every.channel = keys.key
        ORDER BY every.created LIMIT 1
    ) oldest
)
SELECT known.key, known.created, known.created AS updated FROM known
CROSS JOIN LATERAL (
    SELECT 1 FROM releases r JOIN visible_products t ON t.id = r.product_id
    WHERE r.account_id = %(scope_account)s AND r.channel = known.key AND {_OF_ENVIRONMENT}
    AND (%(product)s::uuid IS NULL OR r.product_id = %(product)s) LIMIT 1
) seen"""

# The indexes on lower(...) lead from one key to the next, and to the oldest artifact of each.
_KEYS = """keys(key) AS (
    (SELECT lower(first.{column}) FROM artifacts first
     WHERE first.account_id = %(scope_account)s AND first.{column} IS NOT NULL ORDER BY lower(first.{column}) LIMIT 1)
    UNION ALL
    SELECT (SELECT lower(later.{column}) FROM artifacts later
        WHERE later.account_id = %(scope_account)s AND later.{column} IS NOT NULL AND lower(later.{column}) > keys.key
        ORDER BY lower(later.{column}) LIMIT 1)
    FROM keys WHERE keys.key IS NOT NULL
)"""
_OLDEST = """CROSS JOIN LATERAL (
    SELECT every.created FROM artifacts every
    WHERE every.account_id = %(scope_account)s AND every.{column} IS NOT NULL AND lower(every.{column}) = keys.key
    ORDER BY every.created LIMIT 1
) oldest"""
_SEEN = f"""FROM artifacts a JOIN releases r ON r.id = a.release_id JOIN visible_products t ON t.id = r.product_id
    WHERE a.account_id = %(scope_account)s AND a.{{column}} IS NOT NULL AND a.status <> 'YANKED'
    AND {_OF_ENVIRONMENT}"""
_ARTIFACTS = f"""WITH RECURSIVE {_KEYS}
SELECT keys.key, oldest.created, oldest.created AS updated FROM keys
CROSS JOIN LATERAL (SELECT 1 {_SEEN} AND lower(a.{{column}}) = keys.key LIMIT 1) seen
{_OLDEST}"""
# Those of one product are fewer than those of one platform.
_ARTIFACTS_OF_PRODUCT = f"""SELECT keys.key, oldest.created, oldest.created AS updated
FROM (SELECT DISTINCT lower(a.{{column}}) AS key {_SEEN} AND r.product_id = %(product)s) keys
{_OLDEST}"""


@frozen
class Derived:
    """One kind: its JSON:API ``type``, the ``word`` in messages, and whether it is found by key too.

    ``parameters`` are those of its queries that do not depend on the caller.
    """

    type: str
    word: str
    permission: str
    sql: str
    sql_of_product: str
    by_key: bool = False
    parameters: Mapping[str, Any] = field(factory=dict)
    query: Query = field(init=False)
    query_of_product: Query = field(init=False)

    @query.default
    def _query(self) -> Query:
        return Query(f"visible {self.type}", self.sql, unscoped=_AGE)

    @query_of_product.default
    def _query_of_product(self) -> Query:
        return Query(f"visible {self.type} of a product", self.sql_of_product, unscoped=_AGE)

    def document(self, call: Call, row: dict) -> dict:
        """One record as a resource object."""
        return call.resource(
            self.type,
            row,
            {"name": derived_name(self.type, row["key"]), "key": row["key"]},
            {},
            path=f"/{self.type}/{row['id']}",
            link="related",
        )

    async def records(self, call: Call, product: dict | None) -> list[dict[str, Any]]:
        """All that the caller sees, newest first."""
        call.grant.require(self.permission)
        query = self.query_of_product if product else self.query
        rows = await call.database.rows(
            query, scope=call.scope, product=product and product["id"], **self.parameters
        )
        found = [row | {"id": derived_id(call.account_id, self.type, row["key"])} for row in rows]
        return sorted(found, key=lambda row: (row["created"], row["key"]), reverse=True)

    async def index(self, call: Call, product: dict | None, path: str) -> Reply:
        pagination = read_pagination(call.query)
        records = await self.records(call, product)
        if not pagination.descending:
            records.reverse()
        count = len(records)
        start = pagination.offset
        if isinstance(pagination, Keyset) and pagination.after is not None:
            places = [n for n, row in enumerate(records) if row["id"] == pagination.after]
            start = places[0] + 1 if places else count
        rows = records[start : start + pagination.size]
        more = isinstance(pagination, Keyset) and start + pagination.size < count
        links = page_links(
            pagination,
            call.path(path),
            call.query,
            count=count if isinstance(pagination, Page) else None,
            last_id=rows[-1]["id"] if more else None,
        )
        return call.reply(200, {"data": [self.document(call, row) for row in rows], "links": links})

    async def show(self, call: Call, identifier: str, product: dict | None) -> Reply:
        wanted = parse_uuid(identifier)
        for row in await self.records(call, product):
            if row["id"] == wanted or (self.by_key and product is None and row["key"] == identifier):
                return call.ok(self.document(call, row))
        raise call.not_found(self.word, identifier)


def _of_artifacts(type: str, word: str, permission: str, column: str) -> Derived:
    sql, of_product = (text.replace("{column}", column) for text in (_ARTIFACTS, _ARTIFACTS_OF_PRODUCT))
    return Derived(type, f"release {word}", permission, sql, of_product)


KINDS = (
    Derived("engines", "release engine", "engine.read", _PACKAGES, _PACKAGES, by_key=True),
    _of_artifacts("platforms", "platform", "platform.read", "platform"),
    _of_artifacts("arches", "arch", "arch.read", "arch"),
    Derived(
        "channels", "release channel", "channel.read", _RELEASES, _RELEASES, parameters={"channels": sorted(CHANNELS)}
    ),
)


async def _index(kind: Derived, call: Call) -> Reply:
    return await kind.index(call, None, f"/{kind.type}")


async def _show(kind: Derived, call: Call, identifier: str) -> Reply:
    return await kind.show(call, identifier, None)


async def _index_of_product(kind: Derived, call: Call, product: str) -> Reply:
    row = await products.find(call, product)
    return await kind.index(call, row, f"/products/{row['id']}/{kind.type}")


async def _show_of_product(kind: Derived, call: Call, product: str, identifier: str) -> Reply:
    return await kind.show(call, identifier, await products.find(call, product))


def _routes(kind: Derived) -> tuple[Route, ...]:
    def bound(handler: Callable[..., Any]) -> Callable[..., Any]:
        return partial(handler, kind)

    return (
        Route("GET", f"/{kind.type}", bound(_index), credentials=False),
        Route("GET", f"/{kind.type}/{{identifier}}", bound(_show), credentials=False),
        Route("GET", f"/products/{{product}}/{kind.type}", bound(_index_of_product)),
        Route("GET", f"/products/{{product}}/{kind.type}/{{identifier}}", bound(_show_of_product)),
    )


ROUTES = tuple(route for kind in KINDS for route in _routes(kind))
