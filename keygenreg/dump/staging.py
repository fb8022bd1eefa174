"""The lines of a dump in temporary tables of one database session: where they wait until all of them have been read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from attrs import define, field
from psycopg2.errors import QueryCanceled

from keygenreg.dump.kind import Kind
from keygenreg.dump.kinds import KINDS

#: Rows are sent to the database when they take this many characters together.
BATCH = 4 * 1024 * 1024
#: Every byte sequence that the import has put into the blob store; ``made`` tells those that nobody had registered.
CONTENTS = "stage_contents"

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@define(eq=False)
class Staging:
    """
    Gathers rows and copies them to the session's temporary tables, which end with the session.

    :param connection: a psycopg2 connection in autocommit mode.
    """

    connection: Any
    count: int = field(default=0, init=False)
    _kinds: set[Kind] = field(factory=set, init=False)
    _rows: dict[str, list[str]] = field(factory=dict, init=False)
    _size: int = field(default=0, init=False)

    def prepare(self) -> None:
        """Settle the session."""
        with self.connection.cursor() as cursor:
            # A large import sorts and joins, and is durable whatever the server does for others.
            cursor.execute("SET work_mem = '64MB'; SET synchronous_commit = on")
            cursor.execute(f"CREATE TEMPORARY TABLE {CONTENTS} (sha256 text NOT NULL, made boolean NOT NULL)")

    @property
    def kinds(self) -> list[Kind]:
        """The types that the dump has lines of so far, in the usual order: only these have a table."""
        return [kind for kind in KINDS if kind in self._kinds]

    def add(self, kind: Kind, line: int, values: dict[str, str | None]) -> None:
        """Take a row: ``values`` by column, in PostgreSQL's input syntax."""
        if kind not in self._kinds:
            self._create(kind)
        self._add(kind.stage, [str(line), *map(values.get, kind.columns)])
        self.count += 1

    def _create(self, kind: Kind) -> None:
        if kind.stored:
            source = f"SELECT 0::bigint AS line, {', '.join(kind.columns)} FROM {kind.table}"
        else:
            columns = ", ".join(f"NULL::{_type_of(column)} AS {column}" for column in kind.columns)
            source = f"SELECT 0::bigint AS line, {columns}"
        with self.connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMPORARY TABLE {kind.stage} AS {source} WITH NO DATA")
        self._kinds.add(kind)

    def add_content(self, sha256: str, *, made: bool) -> None:
        """Note that the import has put these bytes into the store."""
        self._add(CONTENTS, [sha256, "t" if made else "f"])

    def _add(self, table: str, values: Sequence[str | None]) -> None:
        row = _row(values)
        self._rows.setdefault(table, []).append(row)
        self._size += len(row)
        if self._size >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what was gathered. It is still there if that is cancelled."""
        rows, self._rows, self._size = self._rows, {}, 0
        with self.connection.cursor() as cursor:
            while rows:
                table, lines = next(iter(rows.items()))
                text = "\n".join([*lines, ""])
                try:
                    cursor.copy_expert(f"COPY {table} FROM STDIN", io.BytesIO(text.encode()))
                except QueryCanceled:
                    self._rows = rows
                    raise
                del rows[table]

    def analyze(self) -> None:
        """Let the planner know how much there is; nobody else does that for temporary tables."""
        with self.connection.cursor() as cursor:
            cursor.execute("ANALYZE " + ", ".join([*(kind.stage for kind in self.kinds), CONTENTS]))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query that sees all that was added."""
        self.flush()
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall()


def _row(values: Sequence[str | None]) -> str:
    """A line of COPY's text format."""
    row = "\t".join(["\\N" if value is None else value for value in values])
    plain = row.count("\t") == len(values) - 1 and row.count("\\") == values.count(None)
    if plain and "\n" not in row and "\r" not in row:
        return row
    return "\t".join(["\\N" if value is None else value.translate(_ESCAPES) for value in values])


def _type_of(column: str) -> str:
    if column.endswith("id"):
        return "uuid"
    return "timestamptz" if column in ("created", "updated") else "text"
