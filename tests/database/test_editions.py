"""An edition never stands for two states of what an entry is made from (``schema/0010_editions.sql``)."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg2.extras import register_uuid

from keygenreg.database.migrate import SCHEMA, migrate
from keygenreg.database.statements import compiled
from keygenreg.domain.scope import Scope
from keygenreg.engines.npm import queries as npm
from keygenreg.engines.pypi import queries as pypi
from tests.access.loading import load
from tests.access.scenes import Scene
from tests.database_fixtures import fresh_database, on_server

register_uuid()

_BLOBS = ["ab" * 32, "cd" * 32]


class Shelf:
    """A package with two releases and three artifacts, and its entries' texts by edition, of all times."""

    def __init__(self, connection) -> None:
        scene = Scene()
        product = scene.product("OPEN")
        self.package = scene.package(product)
        self.releases = [scene.release(product, package=self.package) for _ in range(2)]
        self.artifacts = [scene.artifact(self.releases[number]) for number in (0, 0, 1)]
        self.scope = Scope(scene.account, "staff")
        self.seen: dict[str, str] = {}
        self.cursor = connection.cursor()
        load(scene.world, self.cursor)
        for sha256 in _BLOBS:
            self.cursor.execute("INSERT INTO blobs (sha256, size) VALUES (%s, 1) ON CONFLICT DO NOTHING", (sha256,))
        self.cursor.execute("UPDATE artifacts SET status = 'UPLOADED', blob_sha256 = %s", (_BLOBS[0],))
        self.names = {
            "account": scene.account, "package": self.package.id, "product": product.id, "blob": _BLOBS[0],
            "other_blob": _BLOBS[1],
        } | {f"r{number}": each.id for number, each in enumerate(self.releases)} | {
            f"a{number}": each.id for number, each in enumerate(self.artifacts)
        }  # fmt: skip
        for number in (0, 2):
            for path in ("METADATA", "package.json"):
                self.run(_ADD_MANIFEST, artifact=f"a{number}", path=path)

    def run(self, sql: str, **chosen: str) -> None:
        """:param chosen: values of further parameters, which may be names of records."""
        values = {name: self.names.get(value, value) for name, value in chosen.items()}
        self.cursor.execute(sql, self.names | values)

    def look(self) -> dict[str, str]:
        """Texts by edition, now; compared with all that was ever seen."""
        now = {}
        for listed, read, text in ((pypi.LISTED, pypi.FILES, "of_file"), (npm.LISTED, npm.VERSIONS, "of_version")):
            editions = self._rows(listed)[0]["editions"].split()
            rows = self._rows(read, version=None, artifacts=None)
            assert [row["edition"] for row in rows] == editions
            for row in rows:
                now[row["edition"]] = row[text]
                assert self.seen.setdefault(row["edition"], row[text]) == row[text]
        return now

    def _rows(self, query, **asked) -> list[dict]:
        sql, values = compiled(query, self.scope, {"package": self.package.id, **asked})
        self.cursor.execute(sql, values)
        names = [column.name for column in self.cursor.description]
        return [dict(zip(names, row, strict=True)) for row in self.cursor.fetchall()]


_ADD_MANIFEST = """INSERT INTO manifests (id, account_id, artifact_id, release_id, content_path, content, metadata)
    SELECT gen_random_uuid(), account_id, id, release_id, %(path)s, '{"name": "x"}', '{"requires_python": ">=3"}'
    FROM artifacts WHERE id = %(artifact)s"""
_ARTIFACT, _RELEASE = st.sampled_from(["a0", "a1", "a2"]), st.sampled_from(["r0", "r1"])
_PATH = st.sampled_from(["METADATA", "core-metadata.json", "package.json", "other"])


def _change(sql: str, **chosen) -> st.SearchStrategy[tuple[str, dict[str, str]]]:
    return st.tuples(st.just(sql), st.fixed_dictionaries(chosen))


_JSON = st.sampled_from(["{}", '{"yanked": true}', '{"deprecated": "x"}'])
_CHANGES = st.one_of(
    _change("UPDATE artifacts SET metadata = %(to)s WHERE id = %(artifact)s", artifact=_ARTIFACT, to=_JSON),
    _change(
        "UPDATE artifacts SET filename = id || %(to)s, checksum = %(to)s, updated = now() WHERE id = %(artifact)s",
        artifact=_ARTIFACT, to=st.sampled_from(["x.whl", "y.tgz"]),
    ),
    _change(
        "UPDATE artifacts SET status = %(to)s WHERE id = %(artifact)s",
        artifact=_ARTIFACT, to=st.sampled_from(["UPLOADED", "PROCESSING", "YANKED"]),
    ),
    _change(
        "UPDATE artifacts SET blob_sha256 = %(to)s WHERE id = %(artifact)s",
        artifact=_ARTIFACT, to=st.sampled_from(["blob", "other_blob", None]),
    ),
    _change("UPDATE releases SET metadata = %(to)s WHERE id = %(release)s", release=_RELEASE, to=_JSON),
    _change(
        "UPDATE releases SET status = %(to)s WHERE id = %(release)s",
        release=_RELEASE, to=st.sampled_from(["PUBLISHED", "YANKED"]),
    ),
    _change(
        "UPDATE releases SET tag = id || %(to)s, channel = %(to)s, version = id || %(to)s WHERE id = %(release)s",
        release=_RELEASE, to=st.sampled_from(["beta", "dev"]),
    ),
    _change("UPDATE packages SET metadata = %(to)s WHERE id = %(package)s", to=_JSON),
    _change(
        "UPDATE blobs SET sha512 = %(to)s, md5 = %(to)s WHERE sha256 = %(blob)s",
        to=st.sampled_from([None, "ab", "cd"]),
    ),
    _change("UPDATE blobs SET size = size + 1 WHERE sha256 = %(blob)s"),
    _change(_ADD_MANIFEST, artifact=_ARTIFACT, path=_PATH),
    _change(
        "UPDATE manifests SET metadata = %(to)s, content = %(to)s, content_digest = %(to)s "
        "WHERE artifact_id = %(artifact)s",
        artifact=_ARTIFACT, to=_JSON,
    ),
    _change(
        "UPDATE manifests SET content_path = %(path)s WHERE artifact_id = %(artifact)s", artifact=_ARTIFACT, path=_PATH
    ),
    # To the other artifact of the release.
    _change("UPDATE manifests SET artifact_id = %(a1)s WHERE artifact_id = %(a0)s"),
    _change("DELETE FROM manifests WHERE artifact_id = %(artifact)s", artifact=_ARTIFACT),
    _change("TRUNCATE manifests"),
    # The same record again, as an import brings it.
    _change(
        """WITH gone AS (DELETE FROM artifacts WHERE id = %(artifact)s) SELECT;
        INSERT INTO artifacts (id, account_id, release_id, filename, status, created, ordinal, metadata)
        VALUES (%(artifact)s, %(account)s, %(r0)s, %(artifact)s, 'UPLOADED', '2031-01-01', 1, %(to)s)""",
        artifact=_ARTIFACT, to=_JSON,
    ),
)  # fmt: skip
_TRANSACTIONS = st.lists(st.lists(_CHANGES, min_size=1, max_size=3), max_size=8)


@pytest.fixture(scope="module")
def connection(database_settings) -> Iterator[psycopg2.extensions.connection]:
    with closing(psycopg2.connect(**database_settings.keywords(statement_timeout=20))) as opened:
        yield opened


@settings(max_examples=40, deadline=None)
@given(_TRANSACTIONS)
def test_of_random_changes(connection, transactions):
    """Several in a transaction too, where the later ones find rows of their own making."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts, blobs CASCADE")
    shelf = Shelf(connection)
    connection.commit()
    shelf.look()
    for changes in transactions:
        for sql, chosen in changes:
            shelf.run(sql, **chosen)
        connection.commit()
        shelf.look()
        connection.commit()


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("UPDATE packages SET created = created", 2),
        ("UPDATE releases SET created = created", 5),
        ("UPDATE artifacts SET created = created", 5),
        ("UPDATE manifests SET created = created WHERE artifact_id = %(a0)s", 2),
        ("UPDATE blobs SET sha1 = 'new'", 5),
        ("UPDATE blobs SET reference_count = reference_count", 0),
        ("SELECT * FROM artifacts FOR UPDATE", 0),
    ],
)
def test_what_renews_editions(connection, sql, count):
    """Three files and two of their packages' versions, each of which is listed for an engine of its own."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts, blobs CASCADE")
    shelf = Shelf(connection)
    connection.commit()
    before = shelf.look()
    assert len(before) == 5
    shelf.run(sql)
    connection.commit()
    assert len(shelf.look().keys() - before.keys()) == count


def test_whatever_entries_are_made_from_renews_editions(database_settings):
    """A further column in an entry finds here whether its changes count."""
    triggers = {
        (table, function): set(filter(None, columns))
        for table, function, columns in on_server(
            database_settings,
            """SELECT g.tgrelid::regclass::text, g.tgfoid::regproc::text, array_agg(a.attname::text)
            FROM pg_trigger g LEFT JOIN pg_attribute a ON a.attrelid = g.tgrelid AND a.attnum = ANY(g.tgattr)
            WHERE g.tgfoid::regproc::text LIKE 'renew_%%' GROUP BY g.oid, 1, 2""",
        )
    }
    every = [*pypi._OF_FILE.values(), *npm._OF_VERSION.values()]
    assert {name for text in every for name in re.findall(r"\b([a-z]+)\.", text)} <= {"a", "b", "m", "manifest", "p"}
    for table in ("packages", "releases", "artifacts"):
        assert triggers[table, "renew_edition"] == set()
    assert triggers["manifests", "renew_editions_of_manifests"] == set()
    of_blobs = {name for text in every for name in re.findall(r"\bb\.([a-z0-9_]+)", text)} - {"sha256"}
    assert of_blobs <= triggers["blobs", "renew_editions_of_blob"]


def test_what_was_there_before_has_editions(database_server, tmp_path):
    """Of its own, every row; and statistics, which a table that is written anew is without."""
    old = tmp_path / "old"
    shutil.copytree(SCHEMA, old, ignore=lambda _, names: [name for name in names if name >= "0010"])
    with fresh_database(database_server, "template1") as settings:
        migrate(settings, old)
        with closing(psycopg2.connect(**settings.keywords(statement_timeout=20))) as connection:
            scene = Scene()
            product = scene.product("OPEN")
            for _ in range(3):
                package = scene.package(product)
                scene.artifact(scene.release(product, package=package))
            load(scene.world, connection.cursor())
            connection.commit()
        assert 10 in migrate(settings, SCHEMA)
        for table in ("packages", "releases", "artifacts"):
            found = on_server(settings, f"SELECT count(DISTINCT edition), count(*) FROM {table}")
            assert found == [(3, 3)]
            known = on_server(settings, "SELECT reltuples FROM pg_class WHERE relname = %s", table)
            assert known == [(3,)]
        before = on_server(settings, "SELECT edition FROM artifacts")
        on_server(settings, "UPDATE artifacts SET platform = 'linux'")
        assert not set(before) & set(on_server(settings, "SELECT edition FROM artifacts"))


def test_an_import_writes_artifacts_once(connection):
    """Rows that the same transaction has made need not be renewed for their manifests."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts, blobs CASCADE")
    shelf = Shelf(connection)
    shelf.cursor.execute("SELECT id, edition FROM artifacts ORDER BY id")
    before = shelf.cursor.fetchall()
    shelf.run(_ADD_MANIFEST, artifact="a1", path=f"{uuid4()}")
    shelf.cursor.execute("SELECT id, edition FROM artifacts ORDER BY id")
    assert shelf.cursor.fetchall() == before
    connection.rollback()
