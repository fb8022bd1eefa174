"""Links between two records, made and undone by lists of identifiers (api.md 2.9, relationship calls)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from attrs import field, frozen

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Source, Unprocessable
from keygenreg.management.call import Call
from keygenreg.management.rules import Problems

_FOUND_ALREADY = "of a record that was found through the scope"


@frozen
class Joins:
    """
    One kind of link.

    :param table: where the links are stored; ``type``: what they are called in documents.
    :param owner: the record that is asked, ``"license"``; its documents are below ``/<owners>``.
    :param other: the records that are attached, ``"entitlement"``; ``others`` is their type and their table.
    """

    table: str
    type: str
    owner: str
    owners: str
    other: str
    others: str
    _known: Query = field(init=False)
    _attached: Query = field(init=False)
    _insert: Query = field(init=False)
    _delete: Query = field(init=False)

    @_known.default
    def _find(self) -> Query:
        return Query(
            f"{self.others} to attach", f"SELECT t.id FROM visible_{self.others} t WHERE t.id = ANY(%(ids)s::uuid[])"
        )

    @_attached.default
    def _look(self) -> Query:
        sql = f"SELECT {self.other}_id AS id FROM {self.table} WHERE {self.owner}_id = %(owner)s"
        return Query(f"{self.type} of one {self.owner}", sql, unscoped=_FOUND_ALREADY)

    @_insert.default
    def _make(self) -> Query:
        return Query(
            f"attach {self.others}",
            f"""INSERT INTO {self.table} (id, account_id, environment_id, {self.owner}_id, {self.other}_id)
            SELECT gen_random_uuid(), %(account)s, %(environment)s, %(owner)s, given.id
            FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY given (id, place) ORDER BY given.place
            RETURNING *""",
            unscoped=_FOUND_ALREADY,
        )

    @_delete.default
    def _unmake(self) -> Query:
        sql = f"DELETE FROM {self.table} WHERE {self.owner}_id = %(owner)s AND {self.other}_id = ANY(%(ids)s::uuid[])"
        return Query(f"detach {self.others}", sql, unscoped=_FOUND_ALREADY)

    def document(self, call: Call, row: dict) -> dict:
        """One link as a resource object."""
        sides = {
            name: call.one(f"/{type}/{row[f'{name}_id']}", type, row[f"{name}_id"])
            for name, type in ((self.owner, self.owners), (self.other, self.others))
        }
        return call.resource(self.type, row, {}, sides, link=None)

    async def attach(
        self, call: Call, transaction: Transaction, owner: dict, ids: Sequence[UUID], *, taken: Collection[UUID] = ()
    ) -> list[dict]:
        """
        Link all or nothing.

        :param taken: records that count as attached though no link says so.
        :return: the new links.
        :raises Invalid: one is unknown (``_NOT_FOUND``), or attached already or named twice (``_TAKEN``).
        """
        known = {row["id"] for row in await transaction.rows(self._known, scope=call.account_scope, ids=ids)}
        attached = await self.attached(transaction, owner["id"])
        problems = Problems()
        if not known.issuperset(ids):
            problems.relationship(self.other, "NOT_FOUND", "must exist")
        if len(set(ids)) < len(ids) or not attached.isdisjoint(ids) or not set(taken).isdisjoint(ids):
            problems.relationship(self.other, "TAKEN", "already exists")
        problems.raise_any()
        return await transaction.rows(
            self._insert, account=call.account_id, environment=owner["environment_id"], owner=owner["id"], ids=ids
        )

    async def attached(self, transaction: Transaction, owner_id: UUID) -> set[UUID]:
        """The ids of what is linked to one record."""
        return {row["id"] for row in await transaction.rows(self._attached, owner=owner_id)}

    async def detach(self, transaction: Transaction, owner_id: UUID, ids: Sequence[UUID]) -> None:
        """
        Undo all or nothing.

        :raises Unprocessable: one is not attached; the pointer says which.
        """
        attached = await self.attached(transaction, owner_id)
        for place, identifier in enumerate(ids):
            if identifier not in attached:
                pointer = Source(pointer=f"/data/{place}")
                raise Unprocessable(f"cannot detach {self.other} '{identifier}' ({self.other} is not attached)",
                                    source=pointer)  # fmt: skip
        await transaction.execute(self._delete, owner=owner_id, ids=ids)
