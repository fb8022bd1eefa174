"""Engines, platforms, arches and channels: read-only, without rows of their own (engines.md 3, api.md 1.8, dump.md).

Each exists for a caller while something it may see names it; its times are those of everything that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import field, frozen

from keygenreg.database.query import Query
from keygenreg.domain.derived import derived_id, derived_name
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.formats.pagination import Keyset, Page, page_links, read_pagination
from keygenreg.management.call import Call
from keygenreg.management.resources import products
from keygenreg.management.router import Route
from keygenreg.web.reply import Reply

# What the caller sees decides which keys there are; when they were made is a fact of the whole account.
_PACKAGES = """SELECT named.engine AS key, min(every.created) AS created, min(every.created) AS updated
FROM (SELECT DISTINCT t.engine FROM visible_packages t WHERE t.engine IS NOT NULL
      AND (%(product)s::uuid IS NULL OR t.product_id = %(product)s)) named
JOIN packages every ON every.account_id = %(scope_account)s AND every.engine = named.engine
GROUP BY named.engine"""
_RELEASES = """SELECT named.channel AS key, min(every.created) AS created, min(every.created) AS updated
FROM (SELECT DISTINCT r.channel FROM releases r JOIN visible_products t ON t.id = r.product_id
      WHERE (r.environment_id IS NULL OR r.environment_id = %(scope_environment)s)
      AND (%(product)s::uuid IS NULL OR r.product_id = %(product)s)) named
JOIN releases every ON every.account_id = %(scope_account)s AND every.channel = named.channel
GROUP BY named.channel"""
_ARTIFACTS = """SELECT named.{column} AS key, min(every.created) AS created, min(every.created) AS updated
FROM (SELECT DISTINCT lower(a.{column}) AS {column} FROM artifacts a JOIN releases r ON r.id = a.release_id
      JOIN visible_products t ON t.id = r.product_id
      WHERE a.{column} IS NOT NULL AND a.status <> 'YANKED'
      AND (r.environment_id IS NULL OR r.environment_id = %(scope_environment)s)
      AND (%(product)s::uuid IS NULL OR r.product_id = %(product)s)) named
JOIN artifacts every ON every.account_id = %(scope_account)s AND lower(every.{column}) = named.{column}
GROUP BY named.{column}"""


@frozen
class Derived:
    """One kind: its JSON:API ``type``, the ``word`` in messages, and whether it is found by key too."""

    type: str
    word: str
    permission: str
    sql: str
    by_key: bool = False
    query: Query = field(init=False)

    @query.default
    def _query(self) -> Query:
        return Query(f"visible {self.type}", self.sql)

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
        rows = await call.database.rows(self.query, scope=call.scope, product=product and product["id"])
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


KINDS = (
    Derived("engines", "release engine", "engine.read", _PACKAGES, by_key=True),
    Derived("platforms", "release platform", "platform.read", _ARTIFACTS.replace("{column}", "platform")),
    Derived("arches", "release arch", "arch.read", _ARTIFACTS.replace("{column}", "arch")),
    Derived("channels", "release channel", "channel.read", _RELEASES),
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
