"""What an import makes of a dump: facts as stated, defaults where nothing is said, all or nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keygenreg.access.passwords import verify_password
from keygenreg.domain.token import digest_of
from keygenreg.domain.version import parse_version
from keygenreg.dump.kinds import STORED
from tests.database_fixtures import on_server
from tests.dump.conftest import Registry
from tests.dump.writing import HEADER, SECRETS, DumpText, the_small_registry

LIMITS = dict.fromkeys(
    ["maxMachines", "maxProcesses", "maxUsers", "maxCores", "maxMemory", "maxDisk", "maxUses"]
)
#: The tables of the format's description, in order: type, what is required, what is there when nothing is said.
DEFAULTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "accounts",
        {"slug": "nimbus"},
        {"name": None, "status": "SUBSCRIBED", "protected": False, "apiVersion": None, "cname": None, "domain": None,
         "settings": {}},
    ),
    ("environments", {"code": "qa", "name": "QA"}, {"isolationStrategy": "ISOLATED"}),
    ("entitlements", {"code": "x", "name": "X"}, {"metadata": {}}),
    (
        "products",
        {"name": "Kettle"},
        {"code": None, "distributionStrategy": "LICENSED", "url": None, "platforms": None, "permissions": None,
         "metadata": {}},
    ),
    (
        "policies",
        {"name": "Yearly"},
        {
            "duration": None, "strict": False, "usePool": False, "encrypted": False, "protected": False,
            "floating": False, **LIMITS, "expirationStrategy": "RESTRICT_ACCESS", "expirationBasis": "FROM_CREATION",
            "renewalBasis": "FROM_EXPIRY", "transferStrategy": "KEEP_EXPIRY", "authenticationStrategy": "TOKEN",
            "overageStrategy": "NO_OVERAGE", "machineUniquenessStrategy": "UNIQUE_PER_LICENSE",
            "machineMatchingStrategy": "MATCH_ANY", "componentUniquenessStrategy": "UNIQUE_PER_MACHINE",
            "componentMatchingStrategy": "MATCH_ANY", "machineLeasingStrategy": "PER_LICENSE",
            "processLeasingStrategy": "PER_MACHINE", "heartbeatDuration": None,
            "heartbeatCullStrategy": "DEACTIVATE_DEAD", "heartbeatResurrectionStrategy": "NO_REVIVE",
            "heartbeatBasis": "FROM_FIRST_PING", "requireHeartbeat": False, "requireCheckIn": False,
            "checkInInterval": None, "checkInIntervalCount": None, "requireProductScope": False,
            "requirePolicyScope": False, "requireMachineScope": False, "requireFingerprintScope": False,
            "requireComponentsScope": False, "requireUserScope": False, "requireChecksumScope": False,
            "requireVersionScope": False, "requireEnvironmentScope": False, "scheme": None, "metadata": {},
        },
    ),
    (
        "users",
        {"email": "ada@nimbus.example"},
        {"firstName": None, "lastName": None, "role": "user", "banned": None, "passwordResetSent": None,
         "permissions": None, "metadata": {}},
    ),
    (
        "licenses",
        {"key": "KTL-0001"},
        {"name": None, "expiry": None, "uses": 0, "suspended": False, "protected": None, **LIMITS, "version": None,
         "lastValidatedChecksum": None, "lastValidated": None, "lastCheckIn": None, "lastCheckOut": None,
         "permissions": None, "metadata": {}},
    ),
    (
        "tokens",
        {},
        {"name": None, "expiry": None, "permissions": ["*"], "maxActivations": None, "maxDeactivations": None,
         "activations": 0, "deactivations": 0},
    ),
    ("packages", {"key": "@nimbus/kettle", "name": "Kettle"}, {"engine": None, "metadata": {}}),
    (
        "releases",
        {"version": "2.1.0"},
        {"channel": "stable", "status": "DRAFT", "tag": None, "name": None, "description": None, "apiVersion": None,
         "backdated": None, "yanked": None, "metadata": {}},
    ),
    (
        "artifacts",
        {"filename": "a.tgz"},
        {"filetype": None, "filesize": None, "platform": None, "arch": None, "checksum": None, "signature": None,
         "status": "WAITING", "contentType": None, "etag": None, "contentLength": None, "metadata": {}},
    ),
    (
        "manifests",
        {"content": "{}"},
        {"contentPath": None, "contentType": None, "contentDigest": None, "contentLength": None, "metadata": {}},
    ),
    (
        "descriptors",
        {},
        {"contentPath": None, "contentType": None, "contentDigest": None, "contentLength": None, "metadata": {}},
    ),
]  # fmt: skip


def everything(**stated: Any) -> tuple[DumpText, dict[str, str]]:
    """One resource of each type, with what is required and no more but ``stated`` attributes; ids by type."""
    dump, ids = DumpText(), {}
    required = {type: given for type, given, _ in DEFAULTS}

    def add(type: str, private: dict | None = None, **references: str) -> None:
        related = {name: ids[type] for name, type in references.items()}
        ids[type] = dump.add(type, required.get(type, {}) | stated, private=private, **related)

    add("accounts", SECRETS)
    add("environments")
    add("entitlements")
    add("products")
    add("policies", product="products")
    add("users")
    add("licenses", policy="policies")
    add("license-users", license="licenses", user="users")
    add("license-entitlements", license="licenses", entitlement="entitlements")
    add("policy-entitlements", policy="policies", entitlement="entitlements")
    add("tokens", {"token": "prod-1"}, bearer="products")
    add("packages", product="products")
    add("releases", product="products", package="packages")
    add("artifacts", release="releases")
    add("constraints", release="releases", entitlement="entitlements")
    add("manifests", artifact="artifacts", release="releases")
    add("descriptors", artifact="artifacts", release="releases")
    add("second-factors", {"secret": "JBSWY3DPEHPK3PXP"}, user="users")
    return dump, ids


class TestSmallRegistry:
    def test_is_taken_as_it_is_written(self, registry: Registry) -> None:
        """The example of the format's description, word for word."""
        assert registry.load(the_small_registry()) == 13
        assert registry.one("accounts")["name"] == "Nimbus Tools"
        assert registry.one("policies")["duration"] == 31556952
        assert registry.one("licenses")["expiry"] == "2032-02-03T04:05:06.000000Z"
        assert registry.one("manifests")["content"] == '{"name":"@nimbus/kettle","version":"2.1.0"}'
        assert registry.bytes_of("6f0f5c0e-6a8e-4c8e-9d8b-2f4d7f6b1a09") == b"hello"

    def test_its_secrets_work(self, registry: Registry) -> None:
        registry.load(the_small_registry())
        ((secret, seed, rsa, ecdsa),) = registry.sql(
            "SELECT secret_key, ed25519_private_key, rsa_private_key, ecdsa_private_key FROM accounts"
        )
        assert registry.sql("SELECT digest FROM tokens") == [(digest_of(secret, "prod-9c1f2e"),)]
        ((password_hash,),) = registry.sql("SELECT password_hash FROM users")
        assert verify_password(password_hash, "correct horse")
        assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
        assert load_pem_private_key(rsa.encode(), None).key_size == 2048
        assert load_pem_private_key(ecdsa.encode(), None).curve.name == "secp256r1"
        assert len(secret) == 128


@pytest.mark.parametrize(("type", "required", "defaults"), DEFAULTS, ids=[type for type, _, _ in DEFAULTS])
def test_defaults_are_those_of_the_description(
    registry: Registry, type: str, required: dict[str, Any], defaults: dict[str, Any]
) -> None:
    dump, _ = everything()
    registry.load(dump)
    found = registry.one(type)
    del found["created"], found["updated"]
    assert found == required | defaults


def test_null_is_the_default_too(registry: Registry) -> None:
    """Whatever is not required."""
    dump = DumpText()
    dump.account(**{name: None for name in DEFAULTS[0][2]})
    product = dump.product(**{name: None for name in DEFAULTS[3][2]}, created=None, updated=None)
    dump.release(product, "1.0.0-beta.1", **{name: None for name in DEFAULTS[9][2]})
    registry.load(dump)
    for type, number in (("accounts", 0), ("products", 3)):
        found = registry.one(type)
        assert {name: found[name] for name in DEFAULTS[number][2]} == DEFAULTS[number][2]
    assert registry.one("releases")["channel"] == "beta"


def test_every_column_is_read_or_known_not_to_be(registry: Registry) -> None:
    """A column that is added later must not be forgotten here."""
    internal = {"ordinal", "key_digest", "pypi_name", "failure_reason", "awaited", "edition"}
    for kind in STORED:
        rows = registry.sql("SELECT column_name FROM information_schema.columns WHERE table_name = %s", kind.table)
        assert {name for (name,) in rows} - internal == set(kind.columns)


class TestTimes:
    def test_keep_all_six_digits(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account(created="2031-02-03T04:05:06.123456Z", updated="2031-02-03T04:05:06.1Z")
        dump.add("users", {"email": "a@x.example", "banned": "2031-02-03T04:05:06+00:00"})
        registry.load(dump)
        assert registry.one("accounts")["created"] == "2031-02-03T04:05:06.123456Z"
        assert registry.one("accounts")["updated"] == "2031-02-03T04:05:06.100000Z"
        assert registry.one("users")["banned"] == "2031-02-03T04:05:06.000000Z"

    def test_updated_follows_created(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account(created="2031-02-03T04:05:06.123456Z")
        registry.load(dump)
        assert registry.one("accounts")["updated"] == "2031-02-03T04:05:06.123456Z"

    def test_an_import_is_one_moment(self, registry: Registry) -> None:
        """Whatever has no time of its own is of that moment, and keeps the order of its lines."""
        dump = DumpText()
        dump.account()
        ids = [dump.product(code=f"p{number}") for number in range(20)]
        before = datetime.now(UTC)
        registry.load(dump)
        rows = registry.sql("SELECT id::text, created, updated FROM products ORDER BY created, ordinal")
        assert [row[0] for row in rows] == ids
        ((_, moment, updated),) = {(None, created, updated) for _, created, updated in rows}
        assert before <= moment == updated <= datetime.now(UTC)

    def test_order_of_lines_is_kept_when_rows_are_overwritten(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        ids = [dump.product(created="2031-01-01T00:00:00Z") for _ in range(5)]
        registry.load(dump)
        dump.lines[2:] = reversed(dump.lines[2:])
        registry.load(dump)
        rows = registry.sql("SELECT id::text FROM products ORDER BY created, ordinal")
        assert [row[0] for row in rows] == ids[::-1]


class TestReleases:
    @pytest.mark.parametrize(
        ("version", "channel"),
        [
            ("1.0.0", "stable"),
            ("1.0.0+build.5", "stable"),
            ("1.0.0-rc.1", "rc"),
            ("1.0.0-beta1", "beta"),
            ("1.0.0-alpha", "alpha"),
            ("1.0.0-dev.20310101+x", "dev"),
            ("1.0.0-preview.1", "stable"),
        ],
    )
    def test_channel_follows_from_the_version(self, registry: Registry, version: str, channel: str) -> None:
        dump = DumpText()
        dump.account()
        dump.release(dump.product(), version)
        registry.load(dump)
        assert registry.one("releases")["channel"] == channel

    def test_channel_is_taken_as_stated(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        dump.release(dump.product(), "1.0.0-beta.1", channel="stable")
        registry.load(dump)
        assert registry.one("releases")["channel"] == "stable"

    def test_versions_sort(self, registry: Registry) -> None:
        """As text in the database; stored as it was spelled."""
        dump = DumpText()
        dump.account()
        product = dump.product()
        versions = ["1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-beta", "1.0.0", "1.2", "1.10.0", "10.0.0"]
        for version in reversed(versions):
            dump.release(product, version)
        registry.load(dump)
        rows = registry.sql("SELECT version, version_key FROM releases ORDER BY version_key")
        assert rows == [(version, parse_version(version).sort_key) for version in versions]


class TestPermissions:
    @pytest.mark.parametrize("given", [{}, {"permissions": None}])
    def test_absent_and_null_are_the_default(self, registry: Registry, given: dict[str, Any]) -> None:
        dump = DumpText()
        dump.account()
        product = dump.product(**given)
        dump.add("tokens", given, private={"token": "x"}, bearer=product)
        registry.load(dump)
        assert registry.one("products")["permissions"] is None
        assert registry.one("tokens")["permissions"] == ["*"]

    def test_none_at_all_is_something_else(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        product = dump.product(permissions=[])
        dump.add("tokens", {"permissions": []}, private={"token": "x"}, bearer=product)
        registry.load(dump)
        assert registry.one("products")["permissions"] == registry.one("tokens")["permissions"] == []


class TestTexts:
    def test_any_character_survives(self, registry: Registry) -> None:
        """Also those that mean something in a COPY, in an array or in JSON."""
        text = "\\N \\. \\\\ \t\r\n\x01\x7f\u2028 'quoted' \"twice\" {,} NULL é 𝄞 \\u0000"
        dump = DumpText()
        dump.account()
        dump.product(name=text, platforms=[text, "", "NULL"], url="", metadata={"note": [text, {"deep": text}]})
        registry.load(dump)
        found = registry.one("products")
        assert (found["name"], found["url"]) == (text, "")
        assert found["platforms"] == [text, "", "NULL"]
        assert found["metadata"] == {"note": [text, {"deep": text}]}

    def test_metadata_keys_are_stored_as_everywhere_else(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        given = {"buildHost": "k7", "requiresPython": ">=3.9", "nested": {"aKey": [{"bKey": 1.5}]}}
        dump.product(metadata=given)
        registry.load(dump)
        ((stored,),) = registry.sql("SELECT metadata FROM products")
        assert stored == {"build_host": "k7", "requires_python": ">=3.9", "nested": {"a_key": [{"b_key": 1.5}]}}
        assert registry.one("products")["metadata"] == given

    def test_nothing_is_normalised(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        product = dump.product(name=" Kettle ")
        dump.add("packages", {"key": "Kettle.Client__X", "name": "x", "engine": "pypi"}, product=product)
        dump.artifact(dump.release(product), "A.TGZ", filetype=".TGZ", platform="Linux", checksum=" AB ")
        registry.load(dump)
        assert registry.one("products")["name"] == " Kettle "
        assert registry.one("packages")["key"] == "Kettle.Client__X"
        artifact = registry.one("artifacts")
        assert [artifact[name] for name in ("filetype", "platform", "checksum")] == [".TGZ", "Linux", " AB "]


class TestForms:
    def test_lines_may_come_from_windows(self, registry: Registry) -> None:
        dump, _ = everything()
        text = "\ufeff\n" + "\r\n\r\n".join(dump.lines)
        assert registry.load(text) == len(dump.lines) - 1

    def test_members_may_be_null_or_left_out(self, registry: Registry) -> None:
        line = {"type": "accounts", "id": str(UUID(int=1)), "attributes": {"slug": "x"}, "relationships": None,
                "private": None, "content": None}  # fmt: skip
        assert registry.load(f"{HEADER}\n{json.dumps(line)}") == 1

    def test_second_factors_are_forgotten(self, registry: Registry) -> None:
        dump, _ = everything()
        assert registry.load(dump) == 18
        assert registry.lines("second-factors") == []

    def test_a_dump_may_be_empty(self, registry: Registry) -> None:
        assert registry.load(HEADER) == 0

    def test_lines_may_refer_to_later_ones(self, registry: Registry) -> None:
        """Readers may ask for the order; this one does not."""
        dump, _ = everything()
        dump.lines[2:] = reversed(dump.lines[2:])
        assert registry.load(dump) == 18


class TestOverwriting:
    def test_takes_defaults_for_what_is_not_said(self, registry: Registry) -> None:
        dump = DumpText()
        account = dump.account(name="Nimbus", domain="nimbus.example")
        registry.load(dump)
        again = DumpText()
        again.add("accounts", {"slug": "other"}, id=account, private=SECRETS)
        registry.load(again)
        found = registry.one("accounts")
        assert (found["slug"], found["name"], found["domain"]) == ("other", None, None)

    def test_keeps_what_refers_to_the_resource(self, registry: Registry) -> None:
        dump, ids = everything()
        registry.load(dump)
        before = registry.text()
        again = DumpText()
        again.lines += [line for line in dump.lines[1:] if json.loads(line)["type"] in ("accounts", "products")]
        assert registry.load(again) == 2
        unchanged = [line for line in before.splitlines() if '"type":"products"' not in line[:20]]
        assert set(unchanged) - set(registry.text().splitlines()) <= {before.splitlines()[1]}
        assert registry.lines("tokens")[0]["relationships"]["bearer"]["data"]["id"] == ids["products"]

    def test_everything_twice_is_everything_once(self, registry: Registry) -> None:
        dump, _ = everything(created="2031-01-01T00:00:00Z")
        registry.load(dump)
        before = registry.text()
        registry.load(dump)
        assert registry.text() == before

    def test_account_keeps_the_keys_that_are_left_out(self, registry: Registry) -> None:
        """Clients trust its public keys, and tokens that the dump does not have rest on its secret."""
        dump = DumpText()
        account = dump.add("accounts", {"slug": "nimbus"})
        registry.load(dump)
        before = registry.lines("accounts")[0]["private"]
        again = DumpText()
        again.add("accounts", {"slug": "nimbus"}, id=account, private={"secretKey": "changed"})
        registry.load(again)
        assert registry.lines("accounts")[0]["private"] == before | {"secretKey": "changed"}

    def test_user_without_password_loses_it(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        user = dump.add("users", {"email": "a@x.example"}, private={"passwordHash": "$argon2id$x"})
        registry.load(dump)
        assert registry.lines("users")[0]["private"] == {"passwordHash": "$argon2id$x"}
        dump.lines[2:] = []
        dump.add("users", {"email": "a@x.example"}, id=user)
        registry.load(dump)
        assert "private" not in registry.lines("users")[0]

    def test_two_resources_may_exchange_what_is_unique(self, registry: Registry) -> None:
        """In the end nobody shares anything, so no rule is broken."""
        dump, later = DumpText(), DumpText()
        dump.account()
        swapped = {}
        product = dump.product()
        policy, release = dump.policy(product), dump.release(product, "0.1.0")
        chains = {"licenses": {"policy": policy}, "packages": {"product": product}, "releases": {"product": product},
                  "artifacts": {"release": release}}  # fmt: skip
        given = {
            "environments": ("code", {"name": "x"}),
            "entitlements": ("code", {"name": "x"}),
            "products": ("code", {"name": "x"}),
            "users": ("email", {}),
            "licenses": ("key", {}),
            "packages": ("key", {"name": "x", "engine": "pypi"}),
            "releases": ("version", {}),
            "artifacts": ("filename", {}),
        }
        later.lines += dump.lines[1:]
        later._types, later._account = dump._types, dump._account
        for type, (name, others) in given.items():
            values = ("1.0.0", "2.0.0") if type == "releases" else ("one", "two")
            references = chains.get(type, {})
            ids = [dump.add(type, {name: value, **others}, **references) for value in values]
            for id, value in zip(ids, reversed(values), strict=True):
                swapped[id] = value
                later.add(type, {name: value, **others}, id=id, **references)
        registry.load(dump)
        registry.load(later)
        for type, (name, _) in given.items():
            found = {line["id"]: line["attributes"][name] for line in registry.lines(type) if line["id"] in swapped}
            assert found == {id: swapped[id] for id in found}
            assert len(found) == 2
        assert registry.sql("SELECT name FROM claimed_names ORDER BY 1") == [("one",), ("two",)]

    def test_artifact_may_move_with_what_it_holds(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        product = dump.product()
        one, two = dump.release(product, "1.0.0"), dump.release(product, "2.0.0")
        artifact = dump.artifact(one, "a.tgz")
        manifest = dump.add("manifests", {"content": "{}"}, artifact=artifact, release=one)
        registry.load(dump)
        del dump.lines[-2:]
        dump.add("artifacts", {"filename": "a.tgz"}, id=artifact, release=two)
        dump.add("manifests", {"content": "{}"}, id=manifest, artifact=artifact, release=two)
        registry.load(dump)
        (line,) = registry.lines("manifests")
        assert line["relationships"]["release"]["data"]["id"] == two

    def test_package_may_move_with_its_releases(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        one, two = dump.product(), dump.product()
        package = dump.add("packages", {"key": "kettle", "name": "x"}, product=one)
        release = dump.release(one, package=package)
        registry.load(dump)
        del dump.lines[-2:]
        dump.add("packages", {"key": "kettle", "name": "x"}, id=package, product=two)
        dump.add("releases", {"version": "1.0.0"}, id=release, product=two, package=package)
        registry.load(dump)
        (line,) = registry.lines("releases")
        assert line["relationships"]["product"]["data"]["id"] == two

    def test_what_others_rely_on_cannot_move_without_them(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        one, two = dump.product(), dump.product()
        package = dump.add("packages", {"key": "kettle", "name": "x"}, product=one)
        dump.release(one, package=package)
        registry.load(dump)
        del dump.lines[-2:]
        dump.add("packages", {"key": "kettle", "name": "x"}, id=package, product=two)
        before = registry.text()
        words = "line 5: packages: stored resources rely on where it belongs, and the dump does not move them along"
        assert registry.refusal(dump) == words
        assert registry.text() == before


class TestReplacing:
    def test_leaves_nothing_of_before(self, registry: Registry) -> None:
        dump, _ = everything()
        registry.load(dump)
        other = DumpText()
        other.account("other")
        registry.load(other, replace=True)
        assert [json.loads(line)["type"] for line in registry.text().splitlines()] == ["dump", "accounts"]
        assert registry.sql("SELECT count(*) FROM claimed_names") == [(0,)]

    def test_takes_bytes_along(self, registry: Registry) -> None:
        registry.load(the_small_registry())
        assert len(registry.files()) == 1
        registry.load(HEADER, replace=True)
        assert registry.files() == set()
        assert registry.sql("SELECT count(*) FROM blobs") == [(0,)]

    def test_keeps_bytes_that_the_dump_has_again(self, registry: Registry) -> None:
        registry.load(the_small_registry())
        registry.load(the_small_registry(), replace=True)
        assert registry.bytes_of("6f0f5c0e-6a8e-4c8e-9d8b-2f4d7f6b1a09") == b"hello"

    def test_fails_as_a_whole(self, registry: Registry) -> None:
        registry.load(the_small_registry())
        before = registry.text(content=True)
        dump = DumpText()
        dump.account()
        dump.lines.append("nonsense")
        assert registry.refusal(dump, replace=True).startswith("line 3: ")
        assert registry.text(content=True) == before

    def test_same_slug_for_another_id(self, registry: Registry) -> None:
        """Which would be taken if the old account stayed."""
        registry.load(the_small_registry())
        dump = DumpText()
        dump.account("nimbus")
        assert registry.refusal(dump) == "line 2: accounts: the slug is that of a stored account already"
        assert registry.load(dump, replace=True) == 1


class TestOthers:
    def test_processes_hear_of_it(self, registry: Registry) -> None:
        """Whoever keeps something in memory must forget it."""
        connection = psycopg2.connect(**registry.settings.keywords(statement_timeout=20))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("LISTEN registry_changed")
            registry.load(the_small_registry())
            cursor.execute("SELECT 1")
        connection.poll()
        # The import's own word, which stands for everything, and those of the triggers.
        told = [(notify.channel, notify.payload) for notify in connection.notifies]
        assert {("registry_changed", "import"), ("registry_changed", "everything")} <= set(told)
        connection.close()

    def test_nothing_of_the_import_stays_in_the_database(self, registry: Registry) -> None:
        """No table, no session, no lock."""
        registry.load(the_small_registry())
        assert on_server(registry.settings, "SELECT relname FROM pg_class WHERE relname LIKE 'stage%'") == []
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert on_server(registry.settings, others + " AND state <> 'idle'") == [(0,)]
