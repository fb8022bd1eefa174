"""Every fault of a dump is refused with its line and in words, and changes nothing (dump.md, "Errors are")."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keygenreg.dump.kinds import KINDS
from keygenreg.dump.record import read_record
from keygenreg.formats.dump.fault import BrokenDump
from keygenreg.formats.dump.line_reader import Line
from tests.dump.conftest import Registry
from tests.dump.writing import HEADER, DumpText, new_id

ID = "6f0f5c0e-6a8e-4c8e-9d8b-2f4d7f6b1a02"
MOMENT = "2031-02-03T04:05:06.000000Z"


def fault_of(line: Any) -> str:
    text = line if isinstance(line, bytes) else json.dumps(line).encode()
    with pytest.raises(BrokenDump) as caught:
        read_record(Line(7, text), MOMENT)
    return str(caught.value)


def product(**members: Any) -> dict[str, Any]:
    account = {"data": {"type": "accounts", "id": ID}}
    line = {"type": "products", "id": ID, "attributes": {"name": "x"}, "relationships": {"account": account}}
    return {**line, **members}


class TestShape:
    @pytest.mark.parametrize(
        "text", [b"{", b"nonsense", b'{"a":1}}', b'{"a":"\xff"}', b'{"a":NaN}', b'{"a":"\\ud800"}']
    )
    def test_not_json(self, text: bytes) -> None:
        assert fault_of(text).startswith("line 7: is not JSON: ")

    @pytest.mark.parametrize("text", [b"[]", b"1", b'"accounts"', b"null"])
    def test_not_an_object(self, text: bytes) -> None:
        assert fault_of(text) == "line 7: is not a JSON object"

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            ({"id": ID}, "line 7: the type is missing"),
            ({"type": "prodcuts", "id": ID}, 'line 7: there is no type "prodcuts"'),
            ({"type": 5, "id": ID}, 'line 7: there is no type "5"'),
            ({"type": "dump", "version": 1}, 'line 7: there is no type "dump"'),
            (product(id=None), "line 7: products: id: expected a UUID in lower case"),
            (product(id=ID.upper()), "line 7: products: id: expected a UUID in lower case"),
            (product(id=ID.replace("-", "")), "line 7: products: id: expected a UUID in lower case"),
            (product(relationship={}), 'line 7: products: there is no member "relationship"'),
            (product(attributes=[]), "line 7: products: attributes: expected an object"),
            (product(attributes={"nmae": 1, "name": "x"}), 'line 7: products: there is no attribute "nmae"'),
            (product(attributes={"name": "x", "Created": 1}), 'line 7: products: there is no attribute "Created"'),
            (product(attributes={}), "line 7: products: name is required"),
            (product(attributes={"name": None}), "line 7: products: name is required"),
            (product(private={"token": "x"}), 'line 7: products: there is no private member "token"'),
            (product(content={"base64": ""}), "line 7: products: only artifacts have content"),
            (product(relationships={}), "line 7: products: the relationship account is required"),
            (
                product(relationships={"account": {"data": None}}),
                "line 7: products: the relationship account is required",
            ),
        ],
    )
    def test_members(self, line: dict[str, Any], fault: str) -> None:
        assert fault_of(line) == fault

    @pytest.mark.parametrize(
        ("linked", "fault"),
        [
            (ID, 'account: expected {"data": ...}'),
            ({"type": "accounts", "id": ID}, 'account: expected {"data": ...}'),
            ({"data": {"id": ID}}, "account: expected type and id of a resource"),
            ({"data": {"type": "users", "id": ID}}, "account: expected a resource of type accounts"),
            ({"data": {"type": "accounts", "id": "nimbus"}}, "account: expected a UUID in lower case"),
            ({"data": [{"type": "accounts", "id": ID}]}, "account: expected type and id of a resource"),
        ],
    )
    def test_relationships(self, linked: Any, fault: str) -> None:
        assert fault_of(product(relationships={"account": linked})) == f"line 7: products: {fault}"

    def test_unknown_relationship(self) -> None:
        given = product()
        given["relationships"]["policy"] = {"data": None}
        assert fault_of(given) == 'line 7: products: there is no relationship "policy"'

    @pytest.mark.parametrize("type", ["accounts", "environments"])
    def test_what_is_in_no_environment(self, type: str) -> None:
        """Accounts and environments themselves have no such relationship."""
        relationships = {"environment": {"data": None}}
        if type == "environments":
            relationships["account"] = {"data": {"type": "accounts", "id": ID}}
        attributes = {"slug": "x"} if type == "accounts" else {"code": "x", "name": "x"}
        line = {"type": type, "id": ID, "attributes": attributes, "relationships": relationships}
        assert fault_of(line) == f'line 7: {type}: there is no relationship "environment"'

    @given(st.binary(max_size=200))
    @settings(max_examples=300)
    def test_arbitrary_bytes_are_a_fault_and_nothing_else(self, text: bytes) -> None:
        fault_of(text)

    @given(
        st.sampled_from([kind.type for kind in KINDS]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        ),
        st.sampled_from(["attributes", "relationships", "private", "content", "id"]),
    )
    @settings(max_examples=300)
    def test_arbitrary_members_are_a_fault_or_fine(self, type: str, value: Any, member: str) -> None:
        """Whatever JSON stands where: a reader either takes it or names the line."""
        line = {"type": type, "id": ID, "attributes": {}, "relationships": {}, member: value}
        try:
            read_record(Line(7, json.dumps(line).encode()), MOMENT)
        except BrokenDump as fault:
            assert str(fault).startswith("line 7: ")


WRONG_KINDS = [
    ("accounts", {"slug": 5}, "slug: expected a string"),
    ("accounts", {"slug": "x" * 1025}, "slug: is longer than 1024 bytes"),
    ("accounts", {"slug": "é" * 600}, "slug: is longer than 1024 bytes"),
    ("accounts", {"slug": "a\0b"}, "slug: holds a NUL character, which cannot be stored"),
    ("accounts", {"slug": "a", "protected": "true"}, "protected: expected true or false"),
    ("accounts", {"slug": "a", "protected": 1}, "protected: expected true or false"),
    ("accounts", {"slug": "a", "settings": []}, "settings: expected an object"),
    ("accounts", {"slug": "a", "settings": {"x": []}}, 'settings: there is no setting "x"'),
    (
        "accounts",
        {"slug": "a", "settings": {"defaultUserPermissions": "*"}},
        "settings: defaultUserPermissions: expected an array of strings",
    ),
    ("products", {"name": "a", "platforms": "linux"}, "platforms: expected an array of strings"),
    ("products", {"name": "a", "permissions": [1]}, "permissions: expected an array of strings"),
    ("products", {"name": "a", "metadata": [1]}, "metadata: expected an object"),
    ("products", {"name": "a", "metadata": {"a": "\0"}}, "metadata: holds a NUL character, which cannot be stored"),
    (
        "products",
        {"name": "a", "distributionStrategy": "open"},
        "distributionStrategy: expected one of LICENSED, OPEN, CLOSED",
    ),
    ("policies", {"name": "a", "duration": "5"}, "duration: expected an integer"),
    ("policies", {"name": "a", "duration": 5.0}, "duration: expected an integer"),
    ("policies", {"name": "a", "duration": True}, "duration: expected an integer"),
    ("policies", {"name": "a", "duration": 2**63}, "duration: does not fit into 64 bits"),
    ("policies", {"name": "a", "duration": 2**70}, "duration: expected an integer"),
    ("policies", {"name": "a", "checkInInterval": "hour"}, "checkInInterval: expected one of day, week, month, year"),
    ("releases", {"version": 1}, "version: expected a string"),
    ("releases", {"version": "1.0.0", "channel": "nightly"}, "channel: expected one of stable, rc, beta, alpha, dev"),
] + [
    ("users", {"email": "a@x.example", "banned": time}, f"banned: {words}")
    for time, words in [
        (1234, "expected a time in UTC like 2031-02-03T04:05:06.123456Z"),
        ("yesterday", "expected a time in UTC like 2031-02-03T04:05:06.123456Z"),
        ("2031-02-03", "expected a time in UTC like 2031-02-03T04:05:06.123456Z"),
        ("2031-02-03T04:05:06", "expected a time in UTC like 2031-02-03T04:05:06.123456Z"),
        ("2031-02-03T04:05:06+02:00", "expected a time in UTC like 2031-02-03T04:05:06.123456Z"),
        ("2031-02-03T04:05:06.1234567Z", "expected a time in UTC like 2031-02-03T04:05:06.123456Z"),
        ("2031-02-30T04:05:06Z", "is not a time that exists"),
        ("2031-02-03T25:05:06Z", "is not a time that exists"),
        ("0000-02-03T04:05:06Z", "is not a time that exists"),
    ]
]


@pytest.mark.parametrize(("type", "attributes", "words"), WRONG_KINDS)
def test_value_of_another_kind(type: str, attributes: dict[str, Any], words: str) -> None:
    relationships = {
        "account": {"data": {"type": "accounts", "id": ID}},
        "product": {"data": {"type": "products", "id": ID}},
    }
    if type == "accounts":
        relationships = {}
    elif type in ("products", "users"):
        del relationships["product"]
    line = {"type": type, "id": ID, "attributes": attributes, "relationships": relationships}
    assert fault_of(line) == f"line 7: {type}: {words}"


class TestHeader:
    @pytest.mark.parametrize("dump", ["", "\n\n", '{"type":"accounts"}\n', "[]", "{", '{"type":"dump"}'])
    def test_missing(self, registry: Registry, dump: str) -> None:
        assert registry.refusal(dump).startswith("line 1: ")

    def test_first_line_that_is_not_blank(self, registry: Registry) -> None:
        assert registry.refusal("\n\n{}") == 'line 3: the header {"type":"dump","version":1} is missing'

    @pytest.mark.parametrize("version", ["2", '"1"', "1.0", "true", "null"])
    def test_another_version(self, registry: Registry, version: str) -> None:
        words = registry.refusal(f'{{"type":"dump","version":{version}}}')
        assert words.startswith("line 1: a dump of version ")


class TestReferences:
    def test_to_nothing(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        missing = dump.know("policies", new_id())
        dump.license(missing, "KTL-0001")
        assert registry.refusal(dump) == f"line 3: licenses: no policy with id {missing}"

    def test_to_an_account_that_is_not_there(self, registry: Registry) -> None:
        dump = DumpText()
        missing = dump.know("accounts", new_id())
        dump.add("products", {"name": "x"}, account=missing)
        assert registry.refusal(dump) == f"line 2: products: no account with id {missing}"

    def test_to_another_type(self, registry: Registry) -> None:
        """The id is there, but it is not a policy's."""
        dump = DumpText()
        dump.account()
        product = dump.product()
        dump.know("policies", product)
        dump.license(product, "KTL-0001")
        assert registry.refusal(dump) == f"line 4: licenses: no policy with id {product}"

    @pytest.mark.parametrize("stored", [False, True])
    def test_across_accounts(self, registry: Registry, stored: bool) -> None:
        """Wherever the other account's resource is: in the dump, or stored before."""
        dump = DumpText()
        dump.account("one")
        product = dump.product()
        if stored:
            registry.load(dump)
            dump.lines = [HEADER]
        dump.account("two")
        dump.policy(product)
        words = f"line {dump.last}: policies: the product {product} belongs to another account"
        assert registry.refusal(dump) == words

    def test_of_what_an_artifact_holds_across_accounts(self, registry: Registry) -> None:
        """No constraint of the database would see this one."""
        dump = DumpText()
        dump.account("one")
        release = dump.release(dump.product())
        artifact = dump.artifact(release, "a.tgz")
        dump.account("two")
        dump.add("descriptors", artifact=artifact, release=release)
        assert registry.refusal(dump) == f"line 7: descriptors: the artifact {artifact} belongs to another account"

    def test_package_of_another_product(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        one, two = dump.product(), dump.product()
        package = dump.add("packages", {"key": "kettle", "name": "x"}, product=one)
        dump.release(two, package=package)
        assert registry.refusal(dump) == f"line 6: releases: the package {package} belongs to another product"

    def test_manifest_of_another_release(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        product = dump.product()
        one, two = dump.release(product), dump.release(product, "2.0.0")
        artifact = dump.artifact(one, "a.tgz")
        dump.add("manifests", {"content": "{}"}, artifact=artifact, release=two)
        assert registry.refusal(dump) == f"line 7: manifests: the artifact {artifact} belongs to another release"

    def test_of_what_is_ignored(self, registry: Registry) -> None:
        """Second factors are not stored, but a mistake in them is one."""
        dump = DumpText()
        dump.account()
        missing = dump.know("users", new_id())
        dump.add("second-factors", user=missing)
        assert registry.refusal(dump) == f"line 3: second-factors: no user with id {missing}"

    def test_to_what_a_replacement_deletes(self, registry: Registry) -> None:
        dump = DumpText()
        account = dump.account()
        registry.load(dump)
        more = DumpText()
        more.know("accounts", account)
        more.add("products", {"name": "x"}, account=account)
        assert registry.refusal(more, replace=True) == f"line 2: products: no account with id {account}"
        assert registry.load(more) == 1

    def test_token_of_an_unknown_account(self, registry: Registry) -> None:
        """Its digest needs the account's secret before anything is in the database."""
        dump = DumpText()
        missing = dump.know("accounts", new_id())
        bearer = dump.know("users", new_id())
        dump.add("tokens", private={"token": "x"}, account=missing, bearer=bearer)
        assert registry.refusal(dump) == f"line 2: tokens: no account with id {missing}"


class TestIds:
    def test_twice_in_one_type(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        product = dump.product()
        dump.product()
        dump.add("products", {"name": "x"}, id=product)
        assert registry.refusal(dump) == f"line 5: products: the id {product} is that of line 3 already"

    def test_twice_in_two_types(self, registry: Registry) -> None:
        """Even where one of them is not stored."""
        dump = DumpText()
        dump.account()
        product = dump.product()
        user = dump.add("users", {"email": "a@x.example"})
        dump.add("second-factors", id=product, user=user)
        words = f"line 5: second-factors: the id {product} is that of line 3 already"
        assert registry.refusal(dump) == words

    def test_of_a_stored_resource_of_another_type(self, registry: Registry) -> None:
        """An export of that registry could not be imported again."""
        dump = DumpText()
        dump.account()
        product = dump.product()
        registry.load(dump)
        dump.lines = [HEADER]
        dump.add("entitlements", {"code": "x", "name": "x"}, id=product)
        words = "line 2: entitlements: the id is that of a stored resource of another type: a product"
        assert registry.refusal(dump) == words


class TestUniqueness:
    @pytest.mark.parametrize("stored", [False, True])
    @pytest.mark.parametrize(
        ("type", "first", "second", "what"),
        [
            ("environments", {"code": "qa", "name": "x"}, {"code": "QA", "name": "x"}, "code"),
            ("entitlements", {"code": "qa", "name": "x"}, {"code": "qa", "name": "x"}, "code"),
            ("products", {"code": "kettle", "name": "x"}, {"code": "Kettle", "name": "x"}, "code"),
            ("users", {"email": "ada@x.example"}, {"email": "Ada@x.example"}, "email"),
        ],
    )
    def test_in_an_account(
        self, registry: Registry, type: str, first: dict, second: dict, what: str, stored: bool
    ) -> None:
        dump = DumpText()
        dump.account()
        dump.add(type, first)
        by = "line 3"
        if stored:
            registry.load(dump)
            dump.lines = [HEADER]
            by = f"a stored {type[:-1]}"
        dump.add(type, second)
        assert registry.refusal(dump) == f"line {dump.last}: {type}: the {what} is that of {by} already"

    def test_the_same_in_two_accounts_is_fine(self, registry: Registry) -> None:
        dump = DumpText()
        for slug in ("one", "two"):
            dump.account(slug)
            policy = dump.policy(dump.product(code="kettle"))
            dump.license(policy, "KTL-0001")
        assert registry.load(dump) == 8

    def test_of_slugs(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account("nimbus")
        dump.account("nimbus")
        assert registry.refusal(dump) == "line 3: accounts: the slug is that of line 2 already"

    def test_of_license_keys(self, registry: Registry) -> None:
        """Long ones too."""
        dump = DumpText()
        dump.account()
        policy = dump.policy(dump.product())
        dump.license(policy, "K" * 16_000)
        dump.license(policy, "K" * 15_999)
        dump.license(policy, "K" * 16_000)
        assert registry.refusal(dump) == "line 7: licenses: the key is that of line 5 already"

    def test_of_tokens(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        product = dump.product()
        dump.add("tokens", private={"token": "prod-1"}, bearer=product)
        dump.add("tokens", private={"token": "prod-1"}, bearer=product)
        assert registry.refusal(dump) == "line 5: tokens: the secret is that of line 4 already"

    def test_of_package_keys(self, registry: Registry) -> None:
        """Per engine: the same key may stand for a package of another engine."""
        dump = DumpText()
        dump.account()
        product = dump.product()
        for engine in ("npm", "pypi", None):
            dump.add("packages", {"key": "kettle", "name": "x", "engine": engine}, product=product)
        assert registry.load(dump) == 5
        dump.add("packages", {"key": "kettle", "name": "x"}, product=product)
        assert registry.refusal(dump) == "line 7: packages: the key is that of line 6 already"

    def test_of_versions_and_tags(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        product = dump.product()
        dump.release(product, "1.0.0", tag="latest", apiVersion="1.0")
        dump.release(product, "1.0.0", apiVersion="1.0")
        dump.release(product, "1.0.0")
        assert registry.load(dump) == 5
        twice = dump.release(product, "1.0.0")
        assert registry.refusal(dump) == "line 7: releases: the version is that of line 6 already"
        dump.lines.pop()
        dump.release(product, "1.0.1", tag="latest")
        assert registry.refusal(dump) == "line 7: releases: the tag is that of line 4 already"
        assert twice

    def test_of_filenames(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        release = dump.release(dump.product())
        dump.artifact(release, "a.tgz", status="YANKED")
        dump.artifact(release, "a.tgz")
        assert registry.load(dump) == 5
        dump.artifact(release, "a.tgz")
        assert registry.refusal(dump) == "line 7: artifacts: the filename is that of line 6 already"

    def test_of_pairs(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        product = dump.product()
        policy, release = dump.policy(product), dump.release(product)
        entitlement = dump.add("entitlements", {"code": "x", "name": "x"})
        user = dump.add("users", {"email": "a@x.example"})
        license = dump.license(policy, "KTL-1")
        for type, pair, words in [
            ("license-users", {"license": license, "user": user}, "license and user"),
            ("license-entitlements", {"license": license, "entitlement": entitlement}, "license and entitlement"),
            ("policy-entitlements", {"policy": policy, "entitlement": entitlement}, "policy and entitlement"),
            ("constraints", {"release": release, "entitlement": entitlement}, "release and entitlement"),
        ]:
            dump.add(type, **pair)
            dump.add(type, **pair)
            fault = f"line 10: {type}: the pair of {words} is that of line 9 already"
            assert registry.refusal(dump) == fault
            del dump.lines[-2:]


class TestEarliestFault:
    def test_is_the_one_reported(self, registry: Registry) -> None:
        """Reading stops at the last line, but an earlier one is wrong as well."""
        dump = DumpText()
        dump.account()
        dump.product(code="kettle")
        dump.product(code="kettle")
        dump.lines.append("nonsense")
        assert registry.refusal(dump) == "line 4: products: the code is that of line 3 already"

    def test_does_not_hide_behind_a_later_one(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        dump.lines.append("nonsense")
        dump.policy(dump.know("products", new_id()))
        assert registry.refusal(dump).startswith("line 3: is not JSON")


class TestSecrets:
    @pytest.mark.parametrize(
        "private",
        [
            {"ed25519PrivateKey": "00" * 31},
            {"ed25519PrivateKey": "xy" * 32},
            {"rsaPrivateKey": "-----BEGIN PRIVATE KEY-----"},
            {"ecdsaPrivateKey": "nonsense"},
            {"secretKey": ""},
        ],
    )
    def test_account_keys_must_be_usable(self, registry: Registry, private: dict[str, str]) -> None:
        (name,) = private
        dump = DumpText()
        dump.add("accounts", {"slug": "nimbus"}, private=private)
        assert registry.refusal(dump) == f"line 2: accounts: private.{name} is not such a key"

    @pytest.mark.parametrize("private", [None, {}, {"token": None}, {"token": "a", "digest": "b"}])
    def test_tokens_have_one_secret(self, registry: Registry, private: dict[str, str] | None) -> None:
        dump = DumpText()
        dump.account()
        dump.add("tokens", private=private, bearer=dump.product())
        assert registry.refusal(dump) == "line 4: tokens: private: one of token and digest is required"

    def test_users_have_one_password(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        dump.add("users", {"email": "a@x.example"}, private={"password": "a", "passwordHash": "b"})
        words = "line 3: users: private: password and passwordHash exclude each other"
        assert registry.refusal(dump) == words

    def test_secrets_are_text(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        dump.add("users", {"email": "a@x.example"}, private={"password": 12345678})
        words = "line 3: users: private.password: expected a string without NUL characters"
        assert registry.refusal(dump) == words

    def test_no_message_repeats_a_secret(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        for _ in range(2):
            dump.add("tokens", private={"digest": "0123456789abcdef"}, bearer=dump.product())
        assert "0123456789abcdef" not in registry.refusal(dump)


@pytest.mark.parametrize("version", ["", "v1.0.0", "1.2.3.4", "one", "1.0.0-", "1" * 300])
def test_versions_are_semantic(registry: Registry, version: str) -> None:
    dump = DumpText()
    dump.account()
    dump.release(dump.product(), version)
    assert registry.refusal(dump).startswith("line 4: releases: version: ")
