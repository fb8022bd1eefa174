"""Migrations: applied once and in order, refused when files and database do not fit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

from keygenreg.database.migrate import SCHEMA, MigrationRefused, migrate, read_migrations
from tests.database_fixtures import fresh_database, on_server


@pytest.fixture
def empty(database_server):
    with fresh_database(database_server, "template1") as settings:
        yield settings


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE one (n int); INSERT INTO one VALUES (1); -- 100%")
    (tmp_path / "0002_second_step.sql").write_text("CREATE TABLE two AS SELECT n + 1 AS n FROM one")
    return tmp_path


def applied(settings) -> list[tuple]:
    return on_server(settings, "SELECT number, name FROM schema_migrations ORDER BY number")


def test_steps_are_applied_once_and_in_order(empty, files):
    """Each step sees the ones before; a second call does nothing; a file added later is applied alone."""
    assert migrate(empty, files) == [1, 2]
    assert on_server(empty, "SELECT n FROM two") == [(2,)]
    assert migrate(empty, files) == []
    (files / "0003_third.sql").write_text("CREATE TABLE three ()")
    assert migrate(empty, files) == [3]
    assert applied(empty) == [(1, "first"), (2, "second_step"), (3, "third")]


def test_concurrent_starters_wait_for_each_other(empty, files):
    """Of several processes that start together one migrates and none fails."""
    (files / "0003_slow.sql").write_text("SELECT pg_sleep(0.3)")
    with ThreadPoolExecutor(6) as pool:
        results = sorted(pool.map(lambda _: migrate(empty, files), range(6)))
    assert results == [[], [], [], [], [], [1, 2, 3]]


def test_failing_step_leaves_nothing_of_itself(empty, files):
    """The steps before it stay, its own statements do not; once mended it is applied."""
    broken = files / "0003_broken.sql"
    broken.write_text("CREATE TABLE three (); SELECT 1 / 0;")
    with pytest.raises(psycopg2.errors.DivisionByZero):
        migrate(empty, files)
    assert applied(empty) == [(1, "first"), (2, "second_step")]
    broken.write_text("CREATE TABLE three ()")
    assert migrate(empty, files) == [3]


def test_database_of_a_newer_release_is_refused(empty, files):
    """The message names both versions, and nothing is changed."""
    migrate(empty, files)
    (files / "0002_second_step.sql").unlink()
    with pytest.raises(MigrationRefused, match="version 2 and this program knows 1"):
        migrate(empty, files)


def test_edited_file_is_refused(empty, files):
    """A file that was applied must stay as it is, to the letter; later steps are not applied over it."""
    migrate(empty, files)
    with (files / "0001_first.sql").open("a") as file:
        file.write(" ")
    (files / "0003_third.sql").write_text("CREATE TABLE three ()")
    with pytest.raises(MigrationRefused, match="step 1 .first. is not the one"):
        migrate(empty, files)
    assert len(applied(empty)) == 2


@pytest.mark.parametrize(
    "names",
    [
        ["0002_late.sql"],
        ["0001_a.sql", "0003_c.sql"],
        ["0001_a.sql", "0001_b.sql"],
        ["0000_zero.sql", "0001_a.sql"],
        ["0001_a.sql", "two.sql"],
        ["0001_a.sql", "0002_Capital.sql"],
    ],
)
def test_numbers_without_gaps_or_duplicates(tmp_path, names):
    """Files whose order would be in doubt are refused before the database is asked."""
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationRefused):
        read_migrations(tmp_path)


def test_our_own_schema(empty):
    """The files that ship can be applied to an empty database, and again by the next start."""
    assert migrate(empty) == [step.number for step in read_migrations(SCHEMA)]
    assert migrate(empty) == []
