"""What only the whole dump shows, asked of its staged lines: ids given twice, dangling references, values taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

from keygenreg.dump.kind import Kind, Relationship, Unique
from keygenreg.dump.kinds import BY_TYPE, KINDS, STORED
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


def id_checks(*, replacing: bool) -> Iterator[Check]:
    """Ids are unique in the whole dump, and none is that of a stored resource of another type."""
    yield Check(_TWICE, _twice)
    if not replacing:
        for kind in STORED:
            others = _union(f"SELECT line, id, '{other.type}' AS type FROM {other.stage}" for other in _but(kind))
            yield Check(
                f"SELECT d.line, d.type, '{kind.noun}' FROM ({others}) d JOIN {kind.table} t ON t.id = d.id",
                _stored_as_another,
            )


def reference_checks(*, replacing: bool) -> Iterator[Check]:
    """References lead to a resource of the same account, in the dump or stored."""
    for kind in KINDS:
        for relationship in kind.relationships:
            for type, column in relationship.targets.items():
                yield _reference_check(kind, relationship, BY_TYPE[type], column, replacing)


def uniqueness_checks(*, replacing: bool) -> Iterator[Check]:
    """No two resources share what must be unique; the later line is at fault."""
    for kind in STORED:
        for unique in kind.unique:
            yield _uniqueness_check(kind, unique, replacing)


def _union(queries: Iterator[str]) -> str:
    return " UNION ALL ".join(queries)


def _but(kind: Kind) -> list[Kind]:
    return [other for other in KINDS if other is not kind]


_IDS = _union(f"SELECT line, id, '{kind.type}' AS type FROM {kind.stage}" for kind in KINDS)
_TWICE = f"""
SELECT d.line, d.type, d.id, min(e.line) FROM ({_IDS}) d
JOIN (SELECT id FROM ({_IDS}) i GROUP BY id HAVING count(*) > 1) twice ON twice.id = d.id
JOIN ({_IDS}) e ON e.id = d.id AND e.line < d.line GROUP BY 1, 2, 3
"""


def _twice(line: int, type: str, id: str, first: int) -> BrokenDump:
    return BrokenDump(line, type, f"the id {id} is that of line {first} already")


def _stored_as_another(line: int, type: str, noun: str) -> BrokenDump:
    return BrokenDump(line, type, f"the id is that of a stored resource of another type: {_one(noun)}")


def _one(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _reference_check(
    kind: Kind, relationship: Relationship, target: Kind, column: str, replacing: bool
) -> Check:
    """A fault has the line, the id referred to, whether that exists, and whether its account is another one."""
    account = "id" if target.type == "accounts" else "account_id"
    own_account = "s.id" if kind.type == "accounts" else "s.account_id"
    shares = relationship.shares or "id"
    staged = f"SELECT id, {account} AS account, {shares} AS shared FROM {target.stage}"
    known = (
        staged
        if replacing
        else f"""{staged} UNION ALL SELECT id, {account}, {shares} FROM {target.table} t
            WHERE NOT EXISTS (SELECT 1 FROM {target.stage} d WHERE d.id = t.id)"""
    )
    differs = f"OR k.shared IS DISTINCT FROM s.{relationship.shares}" if relationship.shares else ""
    sql = f"""
        SELECT s.line, s.{column}, k.id IS NOT NULL, k.account IS DISTINCT FROM {own_account}
        FROM {kind.stage} s LEFT JOIN ({known}) k ON k.id = s.{column}
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
