"""Lists: one select with its conditions becomes the queries of every order and style of pagination (api.md 2.7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from keygenreg.database.query import Query
from keygenreg.domain.failures import Denied
from keygenreg.formats.pagination import Keyset, Page, page_links, read_pagination
from keygenreg.management.call import Call
from keygenreg.web.reply import Reply


@frozen
class Listing:
    """
    A list that can be sliced.

    :param name: a few words for logs, ``"releases"``.
    :param select: ``SELECT alias.* ... WHERE ...``: it must end inside its WHERE clause and read ``visible_*`` names.
    :param table: the stored table, for the position of a cursor; ``alias``: its alias in the select.
    :param unscoped: why the select reads no ``visible_*`` names, if it does not.
    """

    name: str
    select: str
    table: str
    alias: str
    unscoped: str | None = None
    _queries: Mapping[tuple[bool, bool], Query] = field(init=False)
    _count: Query = field(init=False)

    @_queries.default
    def _all_orders(self) -> Mapping[tuple[bool, bool], Query]:
        return {(after, descending): self._query(after, descending) for after in (False, True)
                for descending in (False, True)}

    @_count.default
    def _counting(self) -> Query:
        return Query(f"count of {self.name}", f"SELECT count(*) AS count FROM ({self.select}) counted", self.unscoped)

    def _query(self, after: bool, descending: bool) -> Query:
        direction, comparison = ("DESC", "<") if descending else ("ASC", ">")
        alias = self.alias
        position = ""
        if after:
            position = (
                f" AND ({alias}.created, {alias}.ordinal) {comparison} (SELECT cursor.created, cursor.ordinal "
                f"FROM {self.table} cursor WHERE cursor.id = %(page_after)s AND cursor.account_id = %(scope_account)s)"
            )
        return Query(
            f"list of {self.name}",
            f"{self.select}{position} ORDER BY {alias}.created {direction}, {alias}.ordinal {direction} "
            "LIMIT %(page_limit)s OFFSET %(page_offset)s",
            self.unscoped,
        )

    async def reply(
        self, call: Call, path: str, document: Callable[[Call, dict], dict], **parameters: Any
    ) -> Reply:
        """
        The slice that the request asks for, as a list document.

        :param path: the list's path below the account, such as ``/releases``.
        :param document: one row as a resource object.
        :raises Denied: a record is in scope but the state of the bearer's licenses forbids it (api.md 3.4, 5).
        """
        pagination = read_pagination(call.query)
        keyset = isinstance(pagination, Keyset)
        after = pagination.after if keyset else None
        query = self._queries[after is not None, pagination.descending]
        rows = await call.database.rows(
            query,
            scope=call.scope,
            page_after=after,
            page_limit=pagination.size + keyset,
            page_offset=pagination.offset,
            **parameters,
        )
        more = keyset and len(rows) > pagination.size
        rows = rows[: pagination.size]
        if not all(row.get("permitted", True) for row in rows):
            raise Denied("Your license does not permit access to some of these (it may be suspended).")
        count = None
        if isinstance(pagination, Page):
            count = (await call.database.one(self._count, scope=call.scope, **parameters))["count"]
        links = page_links(
            pagination, call.path(path), call.query, count=count, last_id=rows[-1]["id"] if more else None
        )
        return call.reply(200, {"data": [document(call, row) for row in rows], "links": links})
