"""Whatever a client sends, it is answered: an error document, never a 5xx (api.md 2.2, 2.5; decision 31)."""

from __future__ import annotations

import json
import socket
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keygenreg.management.resources import (
    accounts,
    bearer_tokens,
    entitlements,
    environments,
    license_actions,
    license_entitlements,
    license_users,
    licenses,
    packages,
    policies,
    policy_entitlements,
    products,
    tokens,
    user_actions,
    users,
)
from keygenreg.management.router import Route
from tests.daemon_fixtures import Account, Answer, fetch
from tests.management.customers import License, entitlement, token_of, user

RESOURCES = (
    accounts, bearer_tokens, entitlements, environments, license_actions, license_entitlements, license_users, licenses,
    packages, policies, policy_entitlements, products, tokens, user_actions, users,
)  # fmt: skip
#: Every call that takes a body. Without PUT /tokens: it would make the credentials of this test useless.
WRITES = [
    route
    for resource in RESOURCES
    for route in resource.ROUTES
    if route.method in ("POST", "PATCH", "PUT") or (route.method == "DELETE" and not route.pattern.endswith("}"))
    if (route.method, route.pattern) != ("PUT", "/tokens") and not route.pattern.endswith("/revoke")
]


def checked(answer: Answer) -> Answer:
    """An answer that a client can make sense of."""
    assert answer.status < 500, answer
    if answer.status >= 400:
        assert answer.headers["Content-Type"].endswith("json; charset=utf-8")
        assert answer.json["meta"]["id"] == answer.headers["X-Request-Id"]
        for error in answer.json["errors"]:
            assert error["title"] and error["detail"]
    return answer


class Records:
    """One record of each kind, to fill in the variables of paths."""

    def __init__(self, account: Account) -> None:
        product = account.admin.make_product()
        license = License(account, product)
        self.ids = {
            "account": account.id,
            "product": product["id"],
            "package": account.admin.make_package(product, "tool")["id"],
            "policy": license.policy,
            "license": license.id,
            "entitlement": entitlement(account, "E")["id"],
            "user": user(account),
            "token": token_of(account, "users", user(account)).get("/profile").json["meta"]["tokenId"],
            "environment": account.admin.make("/environments", "environments", {"name": "e", "code": "e"})["id"],
        }

    def path(self, route: Route) -> str:
        path = route.pattern
        for name, identifier in self.ids.items():
            path = path.replace(f"{{{name}}}", identifier).replace(f"{{{name}*}}", identifier)
        return "" if path.startswith("/accounts/") else path


@pytest.fixture
def records(account: Account) -> Records:
    return Records(account)


def test_all_paths_are_filled_in(records: Records) -> None:
    assert len(WRITES) > 30
    assert not [route.pattern for route in WRITES if "{" in records.path(route)]


NAMES = [
    "name", "code", "key", "engine", "url", "platforms", "permissions", "metadata", "distributionStrategy", "duration",
    "maxUses", "maxMachines", "expiry", "expirationStrategy", "authenticationStrategy", "protected", "suspended",
    "scheme", "checkInInterval", "email", "firstName", "password", "role", "isolationStrategy", "slug", "apiVersion",
    "maxActivations", "floating", "data", "type", "id",
]  # fmt: skip
RELATIONSHIPS = [
    "product", "policy", "owner", "user", "bearer", "environment", "entitlement", "package", "account",
]  # fmt: skip
TYPES = [
    "products", "packages", "policies", "licenses", "entitlements", "users", "tokens", "environments", "accounts",
    "license", "bearer",
]  # fmt: skip

texts = st.one_of(
    st.sampled_from(["", " ", "actions", "x" * 300, str(uuid4()), "OPEN", "TOKEN", "1.4", "*", "admin", "2031-01-01"]),
    st.text(st.characters(exclude_categories=()), max_size=20),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from([2**31, 2**63, 2**64, -(2**63) - 1, 10**30]),
    st.floats(allow_nan=False, allow_infinity=False), texts,
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


def linkage(identifiers: list[str]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"type": st.sampled_from(TYPES) | values, "id": st.sampled_from(identifiers) | values}
    )


def documents(identifiers: list[str]) -> st.SearchStrategy[Any]:
    """Documents that are wrong in one place rather than everywhere, and some that are wrong everywhere."""
    one = linkage(identifiers)
    resource = st.fixed_dictionaries(
        {"type": st.sampled_from(TYPES)},
        optional={
            "id": st.sampled_from(identifiers) | values,
            "attributes": st.dictionaries(st.sampled_from(NAMES), values, max_size=4) | values,
            "relationships": st.dictionaries(
                st.sampled_from(RELATIONSHIPS), st.fixed_dictionaries({"data": one | values}) | values, max_size=3
            )
            | values,
        },
    )
    data = st.one_of(resource, one, st.lists(one, max_size=4), values)
    passwords = st.dictionaries(st.sampled_from(["oldPassword", "newPassword", "x"]), values)
    meta = st.fixed_dictionaries({"meta": passwords})
    return st.one_of(st.fixed_dictionaries({"data": data}), meta, values)


@pytest.mark.parametrize("route", WRITES, ids=lambda route: f"{route.method} {route.pattern}")
def test_any_document(account: Account, records: Records, route: Route) -> None:
    """Arbitrary JSON, mostly near what the call takes."""
    identifiers = [*records.ids.values(), str(uuid4())]
    path = records.path(route)
    # The type that fits gets through the first checks.
    own = path.strip("/").split("/")[0] or "accounts"

    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    @given(document=documents(identifiers), fit=st.booleans())
    def run(document: Any, fit: bool) -> None:
        if fit and isinstance(document, dict) and isinstance(document.get("data"), dict):
            document["data"]["type"] = own
        # Lone surrogates are escaped by json.dumps, as a careless client would.
        checked(account.admin.request(route.method, path, json.dumps(document).encode()))

    run()


BODIES = {
    "empty": b"",
    "spaces": b"   ",
    "truncated": b'{"data":',
    "not JSON": b"name=kestrel",
    "XML": b"<data/>",
    "scalar": b"5",
    "null": b"null",
    "array": b"[]",
    "brackets": b"[" * 100_000,
    "balanced brackets": b"[" * 100_000 + b"]" * 100_000,
    "nested objects": b'{"data":' * 100_000,
    "deep metadata": b'{"data":{"type":"products","attributes":{"name":"x","metadata":'
    + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}}}",
    "NUL byte": b'{"data":"\0"}',
    "escaped NUL": b'{"data":{"type":"products","attributes":{"name":"a\\u0000b"}}}',
    "escaped NUL in a key": b'{"data":{"type":"products","attributes":{"name":"a","metadata":{"\\u0000":1}}}}',
    "bad UTF-8": b'{"data":"\xff\xfe"}',
    "half a surrogate pair": b'{"data":{"type":"products","attributes":{"name":"\\ud800"}}}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"data":1}'.encode("utf-16"),
    "NaN": b'{"data":NaN}',
    "infinite number": b'{"data":1e999}',
    "huge integer": b'{"data":{"type":"products","attributes":{"name":' + b"9" * 5000 + b"}}}",
    "many members": b"{" + b",".join(b'"k%d":1' % n for n in range(20_000)) + b"}",
    "comments": b"{} // nothing",
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_GEN_11_GEN_12_malformed_bodies(account: Account, name: str) -> None:
    answer = checked(account.admin.post("/products", BODIES[name]))
    assert answer.status == 400
    codes = {
        "NUL byte": "ENCODING_INVALID", "escaped NUL": "ENCODING_INVALID", "escaped NUL in a key": "ENCODING_INVALID",
        "bad UTF-8": "ENCODING_INVALID", "UTF-16": "ENCODING_INVALID", "truncated": "JSON_INVALID",
        "not JSON": "JSON_INVALID", "brackets": "JSON_INVALID", "balanced brackets": "JSON_INVALID",
        "half a surrogate pair": "JSON_INVALID", "NaN": "JSON_INVALID", "empty": "JSON_INVALID",
    }  # fmt: skip
    if name in codes:
        assert answer.error["code"] == codes[name]


@pytest.mark.parametrize("letter", ["A", "_", "aB", "\N{SNOWMAN}"])
def test_names_of_hundreds_of_kibibytes(account: Account, letter: str) -> None:
    """A name that nobody would send does not keep the daemon busy."""
    name = letter * (300_000 // len(letter.encode()))
    for version in ("1.4", "1.8"):
        for type, attributes in (
            ("products", {name: 1}), ("products", {"name": "x", "metadata": {name: 1}}),
            ("policies", {name: 1}),
        ):  # fmt: skip
            document = {"data": {"type": type, "attributes": attributes}}
            answer = checked(account.admin.post(f"/{type}", document, Keygen_Version=version))
            assert answer.status == (422 if "metadata" in attributes else 400)
            assert len(answer.body) < 1000
    assert checked(account.admin.post("/products", {name: 1})).status == 400
    assert checked(account.admin.post("/products", {"data": {"type": "products", name: 1}})).status == 400


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("metadata", {"n": 10**30}), ("metadata", {"n": -(10**30)}), ("metadata", {"n": 1e308}),
        ("metadata", {"": 1}), ("metadata", {"--": 1, "__": 2}), ("metadata", {"a b": 1, "aB": 2}),
        ("metadata", {"k": "\N{SNOWMAN}" * 100}), ("name", "\N{SNOWMAN}\u200b\u202e"), ("name", "%(x)s %s"),
        ("name", "'; DROP TABLE products; --"), ("platforms", ["a", "\N{SNOWMAN}", "{", "}", '"', "NULL", ""]),
        ("platforms", []), ("code", "a/b%2Fc?d#e"),
    ],
)  # fmt: skip
def test_odd_values_come_back_as_they_are(account: Account, attribute: str, value: Any) -> None:
    document = {"data": {"type": "products", "attributes": {"name": "x", attribute: value}}}
    answer = checked(account.admin.post("/products", document))
    assert answer.status == 201
    shown = checked(account.admin.get(f"/products/{answer.data['id']}")).data["attributes"][attribute]
    if attribute != "metadata":
        assert shown == value


@pytest.mark.parametrize("path", ["/products/%00", "/products/a%00b", "/products/%FF", "/products/%C3%28"])
def test_GEN_12_paths_that_are_not_text(account: Account, path: str) -> None:
    answer = checked(account.admin.get(path))
    assert (answer.status, answer.error["code"]) == (400, "ENCODING_INVALID")


@pytest.mark.parametrize("query", ["limit=%00", "x=%FF", "%00=1", "metadata[%FF]=1"])
def test_GEN_12_queries_that_are_not_text(account: Account, query: str) -> None:
    answer = checked(account.admin.get(f"/products?{query}"))
    assert (answer.status, answer.error["code"]) == (400, "ENCODING_INVALID")


@pytest.mark.parametrize("query", ["limit=%", "limit=%4", "%zz=1", "page=1&page[size]=2", "&".join(["a=1"] * 600)])
def test_malformed_queries(account: Account, query: str) -> None:
    answer = checked(account.admin.get(f"/products?{query}"))
    assert (answer.status, answer.error["code"]) == (400, "PARAMETERS_INVALID")


@pytest.mark.parametrize("path", ["/products/%", "/products/%4", "/products/%zz"])
def test_malformed_escapes(account: Account, path: str) -> None:
    answer = checked(account.admin.get(path))
    assert (answer.status, answer.error["code"]) == (400, "URI_INVALID")


@pytest.mark.parametrize(
    "path", ["/products/..", "/products/%2e%2e", "/products/.", "/products/%2F", "/products/%5C", "/products/a%20b",
             "/products/%F0%9F%98%80", "/products/" + "x" * 4000, "/licenses/" + "%2F" * 1000]
)  # fmt: skip
def test_paths_that_mean_nothing(account: Account, path: str) -> None:
    assert checked(account.admin.get(path)).status == 404


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(identifier=st.text(min_size=1, max_size=30), kind=st.sampled_from([
    "products", "packages", "entitlements", "policies", "licenses", "users", "tokens", "environments", "engines",
    "platforms", "arches", "channels",
]))  # fmt: skip
def test_any_identifier(account: Account, identifier: str, kind: str) -> None:
    """Looking up whatever text never does more than not find it."""
    escaped = "".join(f"%{byte:02X}" for byte in identifier.encode("utf-8", "surrogatepass"))
    answer = checked(account.admin.get(f"/{kind}/{escaped}"))
    assert answer.status in (400, 404)


def test_GEN_30_a_huge_version(account: Account) -> None:
    product = account.admin.make_product()
    for version in ("99999999999999999999.0.0", "1.0." + "9" * 300, "1.0.0-beta." + "9" * 100):
        related = {"product": {"data": {"type": "products", "id": product["id"]}}}
        attributes = {"version": version, "channel": "beta" if "beta" in version else "stable"}
        document = {"data": {"type": "releases", "attributes": attributes, "relationships": related}}
        checked(account.admin.post("/releases", document))
        checked(account.admin.get(f"/releases/{version}"))


class TestBounds:
    def test_body_of_two_mebibytes(self, account: Account) -> None:
        body = b'{"data":"' + b"x" * (2 * 1024 * 1024) + b'"}'
        assert checked_without_id(account.admin.post("/products", body)).status == 413

    def test_header_of_many_kibibytes(self, account: Account) -> None:
        assert checked_without_id(account.admin.get("/products", X_Long="x" * 40_000)).status == 431

    def test_many_headers(self, account: Account) -> None:
        assert checked_without_id(account.admin.get("/products", **{f"X_{n}": "1" for n in range(300)})).status == 431

    def test_target_of_many_kibibytes(self, account: Account) -> None:
        assert checked_without_id(account.admin.get("/products?" + "x" * 20_000)).status == 414


def checked_without_id(answer: Answer) -> Answer:
    """What is refused before it was read to its end has an error document too."""
    assert answer.json["errors"][0]["title"]
    return answer


HEADERS = (
    "Authorization", "Accept", "Accept-Encoding", "Keygen-Version", "Keygen-Environment", "Keygen-Accept-Signature",
    "Content-Type", "Prefer", "Host", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Origin",
)  # fmt: skip


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(HEADERS),
    value=st.binary(max_size=40) | st.sampled_from([b"\xff\xfe", b"Basic /w==", b"\xe2\x98\x83", b"a,,b;q=x", b"%00"]),
)
def test_any_header(account: Account, name: str, value: bytes) -> None:
    """Bytes of all kinds in the headers that mean something to us."""
    value = value.translate(None, b"\r\n\0")
    parts = account.daemon.url.removeprefix("http://").split(":")
    with socket.create_connection((parts[0], int(parts[1])), timeout=20) as connection:
        host = b"" if name == "Host" else b"Host: localhost\r\n"
        head = f"GET /v1/accounts/{account.id}/releases HTTP/1.1\r\nConnection: close\r\n{name}: ".encode()
        connection.sendall(head + value + b"\r\n" + host + b"\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    status = int(received.split(b" ", 2)[1])
    assert 200 <= status < 500, received[:2000]


@pytest.mark.parametrize("host", ["a" * 70, "a..b", "..", ".", "-", "x" * 64 + ".example", "[::1]", "%", "a" * 300])
def test_hosts_that_cannot_be(account: Account, host: str) -> None:
    """A Host header that names no host is as good as any other where the path names the account."""
    assert checked(account.admin.get("/releases", Host=host)).status == 200


def test_methods_without_a_body_ignore_one(account: Account) -> None:
    headers = {"Authorization": account.admin.authorization}
    assert fetch("GET", f"{account.admin.base}/products", b"{", headers).status == 200
