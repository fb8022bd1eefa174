"""The text of an export: everything, in an order of its own, the same for the same data."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import psycopg2
import pytest

from keygenreg.dump.exporting import Export
from tests.dump.conftest import Registry
from tests.dump.test_importing import everything
from tests.dump.writing import HEADER, SECRETS, DumpText

ORDER = [
    "accounts", "environments", "entitlements", "products", "policies", "users", "licenses", "license-users",
    "license-entitlements", "policy-entitlements", "tokens", "packages", "releases", "artifacts", "constraints",
    "manifests", "descriptors",
]  # fmt: skip


def test_types_come_in_the_order_of_the_description(registry: Registry) -> None:
    dump, _ = everything()
    registry.load(dump)
    lines = registry.text().splitlines()
    assert lines[0] == HEADER
    assert [json.loads(line)["type"] for line in lines[1:]] == ORDER


def test_resources_come_by_time_then_id(registry: Registry) -> None:
    dump = DumpText()
    dump.account()
    times = ["2031-01-01T00:00:00.000002Z", "2031-01-01T00:00:00.000001Z", "2030-01-01T00:00:00Z"]
    ids = {dump.product(created=time): time for time in times * 4}
    registry.load(dump)
    expected = sorted(ids, key=lambda id: (ids[id].removesuffix("Z"), id))
    assert [line["id"] for line in registry.lines("products")] == expected


def test_a_line_comes_after_those_it_refers_to(registry: Registry) -> None:
    """Other readers rely on it."""
    dump, _ = everything()
    registry.load(dump)
    seen = set()
    for line in map(json.loads, registry.text().splitlines()[1:]):
        assert {linked["data"]["id"] for linked in line["relationships"].values() if linked["data"]} <= seen
        seen.add(line["id"])


def test_every_attribute_and_relationship_is_written(registry: Registry) -> None:
    """Nulls too."""
    dump, ids = everything()
    registry.load(dump)
    (license,) = registry.lines("licenses")
    assert license["attributes"]["expiry"] is None
    assert license["relationships"] == {
        "account": {"data": {"type": "accounts", "id": ids["accounts"]}},
        "environment": {"data": None},
        "policy": {"data": {"type": "policies", "id": ids["policies"]}},
        "owner": {"data": None},
    }
    assert registry.lines("accounts")[0]["relationships"] == {}


def test_secrets_are_written_as_far_as_they_are_known(registry: Registry) -> None:
    dump, _ = everything()
    dump.add("users", {"email": "b@x.example"}, private={"password": "correct horse", "passwordResetToken": "reset"})
    registry.load(dump)
    assert registry.lines("accounts")[0]["private"] == SECRETS
    (token,) = registry.lines("tokens")
    assert list(token["private"]) == ["digest"]
    private = [line.get("private") for line in registry.lines("users")]
    hashed = next(each for each in private if each)
    assert None in private
    assert list(hashed) == ["passwordHash"]
    assert hashed["passwordHash"].startswith("$argon2id$")
    assert "prod-1" not in registry.text()
    assert "correct horse" not in registry.text()


def test_no_line_is_cut_by_readers_that_know_more_line_ends(registry: Registry) -> None:
    """Python's splitlines, for one, cuts at characters that JSON leaves as they are."""
    dump = DumpText()
    dump.account()
    dump.product(name="a\u2028b\u2029c\u0085d\x1ce\x0bf")
    registry.load(dump)
    assert len(registry.text().splitlines()) == 3
    assert registry.one("products")["name"] == "a\u2028b\u2029c\u0085d\x1ce\x0bf"


def test_an_export_is_one_moment(registry: Registry) -> None:
    """What happens while it is written is not in it."""
    dump, _ = everything()
    registry.load(dump)
    expected = registry.text()
    written = io.BytesIO()
    connection = psycopg2.connect(**registry.settings.keywords(statement_timeout=20))
    connection.autocommit = True

    def write(data: bytes) -> None:
        written.write(data)
        if b'"type":"accounts"' in data[:40]:
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM products")
                cursor.execute("UPDATE users SET email = 'changed@x.example'")

    Export(registry.settings).run(write)
    connection.close()
    assert written.getvalue().decode() == expected
    assert "changed@x.example" in registry.text()


@pytest.mark.parametrize("sql", ["UPDATE products SET name = 'y'", "SELECT setval('record_ordinal', 9)"])
def test_an_export_changes_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """Its transaction could not, even by mistake."""
    dump, _ = everything()
    registry.load(dump)
    original: Callable = Export._rows

    def rows(self: Export, kind: object) -> object:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
        return original(self, kind)

    monkeypatch.setattr(Export, "_rows", rows)
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        registry.text()
