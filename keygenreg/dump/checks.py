"""What only the whole dump shows, asked of its staged lines: ids given twice, dangling references, values taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attrs import frozen

from keygenreg.dump.kind import Kind, Relationship, Unique
from keygenreg.dump.kinds import BY_TYPE, STORED
from keygenreg.formats.dump.fault import BrokenDump


@frozen
class Check:
    """
    One question.

    :param sql: gives rows of faults: the line first, then what ``fault`` takes.
    """

    sql: str
    fault: Callable[..., BrokenDump]


def first_fault(cursor: Any, checks: Iterator[Check]) -> BrokenDump | None:
    """The fault of the earliest line that any of the checks finds."""
    faults = []
    for check in checks:
        cursor.execute(f"{check.sql} ORDER BY 1 LIMIT 1")
        faults += [check.fault(*row) for row in cursor.fetchall()]
    return min(faults, key=lambda fault: fault.line, default=None)


def id_checks(staged: Sequence[Kind], *, replacing: bool) -> Iterator[Check]:
    """
    Ids are unique in the whole dump, and none is that of a stored resource of another type.

    :param staged: the types that the dump has lines of.
    """
    if staged:
        yield _twice_check(staged)
    for kind in () if replacing else STORED:
        others = [other for other in staged if other is not kind]
        if others:
            yield _stored_as_another_check(others, kind)


def reference_checks(staged: Sequence[Kind], *, replacing: bool) -> Iterator[Check]:
    """References lead to a resource of the same account, in the dump or stored."""
    for kind in staged:
        for relationship in kind.relationships:
            for type, column in relationship.targets.items():
                known = _Known(BY_TYPE[type], BY_TYPE[type] in staged, not replacing)
                yield _reference_check(kind, relationship, known, column)


def uniqueness_checks(staged: Sequence[Kind], *, replacing: bool) -> Iterator[Check]:
    """No two resources share what must be unique; the later line is at fault."""
    for kind in staged:
        for unique in kind.unique:
            yield _uniqueness_check(kind, unique, replacing)


def reliance_checks(staged: Sequence[Kind], children: Sequence[Kind] = STORED) -> Iterator[Check]:
    """Nothing that is overwritten leaves the account or parent that it shares with a stored resource that stays."""
    for child in children:
        for relationship in child.relationships:
            for type, column in relationship.targets.items():
                if BY_TYPE[type] in staged and type != "accounts":
                    yield _reliance_check(child, relationship, column, BY_TYPE[type], child in staged)


def _ids(kinds: Sequence[Kind]) -> str:
    return " UNION ALL ".join(f"SELECT line, id, '{kind.type}' AS type FROM {kind.stage}" for kind in kinds)


def _twice_check(staged: Sequence[Kind]) -> Check:
    ids = _ids(staged)
    sql = f"""
        SELECT d.line, d.type, d.id, min(e.line) FROM ({ids}) d
        JOIN (SELECT id FROM ({ids}) i GROUP BY id HAVING count(*) > 1) twice ON twice.id = d.id
        JOIN ({ids}) e ON e.id = d.id AND e.line < d.line GROUP BY 1, 2, 3"""

    def fault(line: int, type: str, id: str, first: int) -> BrokenDump:
        return BrokenDump(line, type, f"the id {id} is that of line {first} already")

    return Check(sql, fault)


def _stored_as_another_check(staged: Sequence[Kind], stored: Kind) -> Check:
    sql = f"SELECT d.line, d.type FROM ({_ids(staged)}) d JOIN {stored.table} t ON t.id = d.id"

    def fault(line: int, type: str) -> BrokenDump:
        detail = f"the id is that of a stored resource of another type: {_one(stored.noun)}"
        return BrokenDump(line, type, detail)

    return Check(sql, fault)


def _one(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


@frozen
class _Known:
    """What a reference may lead to: the target's lines, if there are any, and what is stored, if that stays."""

    target: Kind
    staged: bool
    stored: bool

    def rows(self, shared: str) -> str:
        """A query for ``id``, ``account`` and ``shared``."""
        target = self.target
        account = "id" if target.type == "accounts" else "account_id"
        queries = []
        if self.staged:
            queries.append(f"SELECT id, {account} AS account, {shared} AS shared FROM {target.stage}")
        if self.stored and target.stored:
            overwritten = f"WHERE NOT EXISTS (SELECT 1 FROM {target.stage} d WHERE d.id = t.id)" if self.staged else ""
            queries.append(f"SELECT id, {account} AS account, {shared} AS shared FROM {target.table} t {overwritten}")
        return " UNION ALL ".join(queries) or "SELECT NULL::uuid AS id, NULL::uuid AS account, NULL::uuid AS shared"


def _reference_check(kind: Kind, relationship: Relationship, known: _Known, column: str) -> Check:
    """A fault has the line, the id referred to, whether that exists, and whether its account is another one."""
    target = known.target
    own_account = "s.id" if kind.type == "accounts" else "s.account_id"
    differs = f"OR k.shared IS DISTINCT FROM s.{relationship.shares}" if relationship.shares else ""
    sql = f"""
        SELECT s.line, s.{column}, k.id IS NOT NULL, k.account IS DISTINCT FROM {own_account}
        FROM {kind.stage} s LEFT JOIN ({known.rows(relationship.shares or "id")}) k ON k.id = s.{column}
        WHERE s.{column} IS NOT NULL AND (k.account IS DISTINCT FROM {own_account} {differs})"""

    def fault(line: int, id: str, exists: bool, foreign: bool) -> BrokenDump:
        if not exists:
            detail = f"no {target.noun} with id {id}"
        elif foreign:
            detail = f"the {target.noun} {id} belongs to another account"
        else:
            of = (relationship.shares or "").removesuffix("_id")
            detail = f"the {target.noun} {id} belongs to another {of}"
        return BrokenDump(line, kind.type, detail)

    return Check(sql, fault)


def _reliance_check(child: Kind, relationship: Relationship, column: str, target: Kind, staged: bool) -> Check:
    shared = [name for name in ("account_id", relationship.shares) if name]
    differs = " OR ".join(f"t.{name} IS DISTINCT FROM s.{name}" for name in shared)
    stays = f"AND NOT EXISTS (SELECT 1 FROM {child.stage} d WHERE d.id = t.id)" if staged else ""
    sql = f"SELECT s.line FROM {target.stage} s JOIN {child.table} t ON t.{column} = s.id WHERE ({differs}) {stays}"

    def fault(line: int) -> BrokenDump:
        detail = "stored resources rely on where it belongs, and the dump does not move them along"
        return BrokenDump(line, target.type, detail)

    return Check(sql, fault)


def _uniqueness_check(kind: Kind, unique: Unique, replacing: bool) -> Check:
    """A fault has the line and the first line of the same values, 0 for a stored resource."""
    names = [f"k{number}" for number in range(len(unique.columns))]
    values = ", ".join(f"{column} AS {name}" for column, name in zip(unique.columns, names, strict=True))
    rows = f"SELECT r.line, {values} FROM {kind.stage} r WHERE {unique.among}"
    if not replacing:
        rows += f""" UNION ALL SELECT 0, {values} FROM {kind.table} r WHERE {unique.among}
            AND NOT EXISTS (SELECT 1 FROM {kind.stage} d WHERE d.id = r.id)"""
    window = f"PARTITION BY {', '.join(names)} ORDER BY line"
    sql = f"""
        SELECT line, first FROM (
            SELECT line, min(line) OVER ({window}) AS first, row_number() OVER ({window}) AS place FROM ({rows}) rows
        ) places WHERE place > 1"""

    def fault(line: int, first: int) -> BrokenDump:
        by = f"line {first}" if first else f"a stored {kind.noun}"
        return BrokenDump(line, kind.type, f"the {unique.what} is that of {by} already")

    return Check(sql, fault)
