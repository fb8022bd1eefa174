"""Brings a database's schema up to date from numbered SQL files, once, however many processes start together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from attrs import frozen
from twisted.logger import Logger

from keygenreg.database.connection_settings import ConnectionSettings

SCHEMA = Path(__file__).with_name("schema")

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
# Any number, the same in every release: who holds this lock of the database migrates it.
_LOCK = 7_230_118_655_404_212
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied timestamptz NOT NULL DEFAULT now()
)
"""

log = Logger()


class MigrationRefused(Exception):
    """The files and the database do not fit together; nothing was changed. The text tells the operator what to do."""


@frozen
class Migration:
    """One step: its SQL text runs in one transaction, so it cannot hold statements that refuse to, such as VACUUM."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode("utf-8")).hexdigest()


def read_migrations(directory: Path) -> list[Migration]:
    """The steps in the directory's ``NNNN_name.sql`` files, in order.

    :raises MigrationRefused: a name has another form, or the numbers are not 1, 2, 3 and so on.
    """
    steps = []
    for path in sorted(directory.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationRefused(f"{path.name} is not named like 0001_what_it_does.sql.")
        steps.append(Migration(int(match[1]), match[2], path.read_text("utf-8")))
    numbers = [step.number for step in steps]
    if numbers != list(range(1, len(steps) + 1)):
        raise MigrationRefused(f"The numbers of the files in {directory} have gaps or duplicates: {numbers}.")
    return steps


def migrate(settings: ConnectionSettings, directory: Path = SCHEMA) -> list[int]:
    """Apply what is missing and return the numbers of what was applied now. Blocks: call it in a thread.

    Concurrent callers wait for each other. A step that fails leaves the ones before it applied.

    :raises MigrationRefused: the schema is newer than the files, or an applied file was edited since.
    :raises psycopg2.Error: a step fails, or the database cannot be reached.
    """
    steps = read_migrations(directory)
    with closing(psycopg2.connect(**settings.keywords(statement_timeout=0))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            cursor.execute(_TABLE)
            cursor.execute("SELECT number, sha256 FROM schema_migrations ORDER BY number")
            missing = _missing(steps, cursor.fetchall())
            for step in missing:
                log.info("Migrating the database: step {number}, {name}", number=step.number, name=step.name)
                with _transaction(cursor):
                    _apply(cursor, step)
    # The end of the connection gives the lock back.
    return [step.number for step in missing]


def _missing(steps: list[Migration], applied: list[tuple[int, str]]) -> list[Migration]:
    """The steps to apply, after checking that those applied are the first ones, unchanged."""
    if len(applied) > len(steps):
        raise MigrationRefused(
            f"The database has schema version {applied[-1][0]} and this program knows {len(steps)}: "
            "it was used by a newer release. Start that release, or restore a backup from before."
        )
    for step, (number, sha256) in zip(steps, applied, strict=False):
        if step.number != number:
            raise MigrationRefused(f"The database lacks schema step {step.number} but has step {number}.")
        if step.sha256 != sha256:
            raise MigrationRefused(
                f"Schema step {number} ({step.name}) is not the one that the database was built with: "
                "an applied file must never be edited. Restore it and add a new step."
            )
    return steps[len(applied) :]


@contextmanager
def _transaction(cursor: Any) -> Iterator[None]:
    cursor.execute("BEGIN")
    try:
        yield
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")


def _apply(cursor: Any, step: Migration) -> None:
    cursor.execute(step.sql)
    cursor.execute(
        "INSERT INTO schema_migrations (number, name, sha256) VALUES (%s, %s, %s)",
        (step.number, step.name, step.sha256),
    )
