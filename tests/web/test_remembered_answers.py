"""Answers of a whole daemon that were remembered: what happens between two requests counts in the second."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from keygenreg.database.running import running_database
from tests.daemon_fixtures import Account
from tests.resilience.remembering_registry import Line, Vendor, by_key, by_token, registry_token, request_of
from tests.web.serving import eventually

REPEATS = 4
NPM = "/v1/accounts/{account}/engines/npm/lib"
OCI = "/v2/{slug}/app/manifests/1.0.0"
GEM = "/v1/accounts/{account}/engines/rubygems/info/kestrel"
RAW = "/v1/accounts/{account}/engines/raw/app/1.0.0"
DOCUMENTS = (NPM, OCI, GEM, RAW)


@pytest.fixture
def vendor(account: Account) -> Vendor:
    return Vendor(account, "LICENSED", ("1.0.0",))


@pytest.fixture
def line(account: Account) -> Iterator[Line]:
    with closing(Line(account.daemon.port)) as opened:
        yield opened


def asked(vendor: Vendor, path: str, authorization: str | None, method: str = "GET") -> bytes:
    whole = path.format(account=vendor.account.id, slug=vendor.account.slug)
    return request_of(whole, None, authorization, method)


def warmed(line: Line, request: bytes) -> int:
    """The status that a request has each time."""
    (status,) = {line.ask(request).status for _ in range(REPEATS)}
    return status


def licensed(vendor: Vendor, **attributes: Any) -> dict:
    return vendor.admin.make_license(vendor.admin.make_policy(vendor.product, **attributes))


def key_of(license: dict) -> str:
    return by_key(license["attributes"]["key"])


# Between two requests


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_suspended_license(vendor, line, path):
    """And one that is reinstated; each in the next answer, every time."""
    license = licensed(vendor)
    request = asked(vendor, path, key_of(license))
    for _ in range(3):
        assert warmed(line, request) == 200
        vendor.admin.post(f"/licenses/{license['id']}/actions/suspend")
        assert line.ask(request).status == 403
        assert warmed(line, request) == 403
        vendor.admin.post(f"/licenses/{license['id']}/actions/reinstate")
        assert line.ask(request).status == 200


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_revoked_token(vendor, line, path):
    license = licensed(vendor)
    token = vendor.admin.post(f"/licenses/{license['id']}/tokens").data
    forms = [asked(vendor, path, form(token["attributes"]["token"])) for form in ("Bearer {}".format, by_token)]
    assert [warmed(line, request) for request in forms] == [200, 200]
    assert vendor.admin.delete(f"/tokens/{token['id']}").status == 204
    assert [line.ask(request).status for request in forms] == [401, 401]


def test_a_token_with_another_secret(vendor, line):
    """The old one is worth nothing from then on, neither itself nor what docker got for it; the new one is good."""
    license = licensed(vendor)
    token = vendor.admin.post(f"/licenses/{license['id']}/tokens").data
    old, docker = token["attributes"]["token"], f"{vendor.account.slug}/app"
    requests = [
        asked(vendor, NPM, f"Bearer {old}"),
        asked(vendor, OCI, registry_token(vendor.account.daemon, by_token(old), docker)),
    ]
    assert [warmed(line, request) for request in requests] == [200, 200]
    new = vendor.admin.as_(old).put(f"/tokens/{token['id']}")
    if new.status == 403:
        new = vendor.admin.put(f"/tokens/{token['id']}")
    assert new.status == 200 and new.data["attributes"]["token"] != old
    assert [line.ask(request).status for request in requests] == [401, 401]
    assert warmed(line, asked(vendor, NPM, f"Bearer {new.data['attributes']['token']}")) == 200


def test_a_token_whose_time_is_over(vendor, line):
    """Not one answer more."""
    license = licensed(vendor)
    end = datetime.now(UTC) + timedelta(seconds=2)
    document = {"data": {"type": "tokens", "attributes": {"expiry": end.isoformat()}}}
    token = vendor.admin.post(f"/licenses/{license['id']}/tokens", document)
    request = asked(vendor, NPM, f"Bearer {token.data['attributes']['token']}")
    while True:
        status, now = line.ask(request).status, datetime.now(UTC)
        if now >= end:
            break
        assert status == 200
    assert warmed(line, request) == 401


def test_a_refusal_whose_reason_becomes_another(vendor, line):
    """A key that does not count as credentials, of a license whose access then ends: each time the present reason."""
    end = datetime.now(UTC) + timedelta(seconds=2)
    policy = vendor.admin.make_policy(
        vendor.product, authenticationStrategy="TOKEN", expirationStrategy="REVOKE_ACCESS"
    )
    license = vendor.admin.make_license(policy, expiry=end.isoformat())
    request = asked(vendor, RAW, key_of(license))
    while True:
        answer, now = line.ask(request), datetime.now(UTC)
        if now > end:
            break
        assert b"LICENSE_NOT_ALLOWED" in answer.body
    assert {b"LICENSE_EXPIRED" in line.ask(request).body for _ in range(REPEATS)} == {True}


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_key_that_is_not_known_yet(vendor, line, path):
    """Refusals are remembered too, and not for longer."""
    policy = vendor.admin.make_policy(vendor.product)
    request = asked(vendor, path, by_key("to-be-made"))
    assert warmed(line, request) == 401
    vendor.admin.make_license(policy, key="to-be-made")
    assert line.ask(request).status == 200


@pytest.mark.parametrize("path", DOCUMENTS)
def test_what_is_not_there_yet(account, line, path):
    """A product, a package, a release, a file: each shows as soon as it is there."""
    request = request_of(path.format(account=account.id, slug=account.slug), None, f"Bearer {account.token}")
    assert warmed(line, request) == 404
    vendor = Vendor(account, "OPEN", ("1.0.0",))
    assert line.ask(request).status == 200
    anonymous = asked(vendor, path, None)
    assert warmed(line, anonymous) == 200
    vendor.admin.patch(
        f"/products/{vendor.product['id']}",
        {"data": {"type": "products", "attributes": {"distributionStrategy": "CLOSED"}}},
    )
    assert line.ask(anonymous).status in (401, 404)


def test_licenses_that_see_the_same_are_told_apart(vendor, line):
    """Answers name the bearer, and only the one who asks; what they share is the document."""
    policy = vendor.admin.make_policy(vendor.product)
    licenses = [vendor.admin.make_license(policy) for _ in range(4)]
    for _ in range(3):
        found = [line.ask(asked(vendor, NPM, key_of(license))) for license in licenses]
        assert [dict(one.fields)[b"keygen-bearer"].decode() for one in found] == [one["id"] for one in licenses]
        assert len({one.body for one in found}) == 1


# While an answer is made


@contextmanager
def blocked(vendor: Vendor, table: str) -> Iterator[psycopg2.extensions.connection]:
    """Whoever reads the table waits until this ends."""
    settings = running_database(vendor.account.daemon.data_dir)
    with closing(psycopg2.connect(**settings.keywords(statement_timeout=30))) as connection:
        connection.cursor().execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield connection
        connection.rollback()


def waiting(vendor: Vendor) -> int:
    return vendor.account.sql("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0]


@contextmanager
def under_way(vendor: Vendor, table: str, request: bytes) -> Iterator[list[Any]]:
    """A request that has come as far as reading a table; its answer afterwards."""
    answers: list[Any] = []

    def ask() -> None:
        with closing(Line(vendor.account.daemon.port)) as line:
            answers.append(line.ask(request))

    thread = threading.Thread(target=ask)
    with blocked(vendor, table):
        before = waiting(vendor)
        thread.start()
        eventually(lambda: waiting(vendor) > before, "the request waits for the table")
        yield answers
    thread.join(30)
    assert len(answers) == 1


@pytest.mark.parametrize("rounds", range(2))
def test_a_license_that_is_suspended_while_its_answer_is_made(vendor, line, rounds):
    """That answer may still be the old one. It is the last."""
    license = licensed(vendor)
    request = asked(vendor, NPM, key_of(license))
    for _ in range(rounds):
        warmed(line, request)
        vendor.account.sql("UPDATE packages SET created = created WHERE id = %s", vendor.packages["npm"]["id"])
    with under_way(vendor, "manifests", request) as late:
        vendor.admin.post(f"/licenses/{license['id']}/actions/suspend")
    assert late[0].status in (200, 403)
    assert [line.ask(request).status for _ in range(REPEATS)] == [403] * REPEATS


def test_a_document_that_changes_while_it_is_made(vendor, line):
    """What was read before the change is shown to nobody after it, whoever sees the same."""
    policy = vendor.admin.make_policy(vendor.product)
    first, other = (asked(vendor, NPM, key_of(vendor.admin.make_license(policy))) for _ in range(2))
    with under_way(vendor, "manifests", first):
        vendor.account.sql("UPDATE packages SET key = 'renamed' WHERE id = %s", vendor.packages["npm"]["id"])
    for request in (first, other):
        assert [line.ask(request).status for _ in range(REPEATS)] == [404] * REPEATS
    vendor.account.sql("UPDATE packages SET key = 'lib' WHERE id = %s", vendor.packages["npm"]["id"])
    for request in (other, first):
        assert warmed(line, request) == 200


def test_rights_that_grow_while_a_document_is_made(vendor, line):
    """The document shows what the new right gives; those who never had it do not see it."""
    extra = vendor.admin.make("/entitlements", "entitlements", {"name": "Extra", "code": "EXTRA"})
    vendor.publish("npm", "2.0.0")
    release = vendor.releases["npm 2.0.0"]["id"]
    needed = {"type": "constraints", "relationships": {
        "entitlement": {"data": {"type": "entitlements", "id": extra["id"]}}}}  # fmt: skip
    vendor.admin.post(f"/releases/{release}/constraints", {"data": [needed]})
    policy = vendor.admin.make_policy(vendor.product)
    growing, other = (vendor.admin.make_license(policy) for _ in range(2))
    with under_way(vendor, "packages", asked(vendor, NPM, key_of(growing))) as late:
        vendor.admin.post(
            f"/licenses/{growing['id']}/entitlements", {"data": [{"type": "entitlements", "id": extra["id"]}]}
        )
    assert b'"2.0.0"' in late[0].body
    for _ in range(REPEATS):
        assert b'"2.0.0"' not in line.ask(asked(vendor, NPM, key_of(other))).body
        assert b'"2.0.0"' in line.ask(asked(vendor, NPM, key_of(growing))).body


def test_a_key_that_is_made_while_it_is_refused(vendor, line):
    """The refusal is no longer true when it arrives, and is not given again."""
    license = licensed(vendor)
    request = asked(vendor, NPM, by_key("made-meanwhile"))
    line.ask(request)
    with under_way(vendor, "users", request):
        vendor.account.sql("UPDATE licenses SET key = 'made-meanwhile' WHERE id = %s", license["id"])
    assert warmed(line, request) == 200


# First downloads


DOWNLOADS = (
    OCI,
    "/v1/accounts/{account}/engines/npm/lib/-/lib-1.0.0.tgz",
    "/v1/accounts/{account}/engines/rubygems/gems/kestrel-1.0.0.gem",
)


def expiry(vendor: Vendor, license: dict) -> str | None:
    return vendor.admin.get(f"/licenses/{license['id']}").data["attributes"]["expiry"]


@pytest.mark.parametrize("path", DOWNLOADS)
def test_each_license_starts_its_own_time(vendor, line, path):
    """Although others with the same rights were served from memory just before, and it has looked itself."""
    fixed = licensed(vendor)
    policy = vendor.admin.make_policy(vendor.product, duration=86_400, expirationBasis="FROM_FIRST_DOWNLOAD")
    first, second = (vendor.admin.make_license(policy) for _ in range(2))
    for license in (first, second):
        assert warmed(line, asked(vendor, path, key_of(fixed))) == 200
        assert warmed(line, asked(vendor, path, key_of(license), "HEAD")) == 200
        assert expiry(vendor, license) is None
        assert line.ask(asked(vendor, path, key_of(license))).status == 200
        started = expiry(vendor, license)
        assert started is not None
        assert warmed(line, asked(vendor, path, key_of(license))) == 200
        assert expiry(vendor, license) == started


def test_a_policy_that_comes_to_count_from_the_first_download(vendor, line):
    """Answers that were remembered before do not keep a license from starting its time."""
    policy = vendor.admin.make_policy(vendor.product, duration=86_400, expirationBasis="FROM_FIRST_VALIDATION")
    license = vendor.admin.make_license(policy)
    request = asked(vendor, OCI, key_of(license))
    assert warmed(line, request) == 200
    assert expiry(vendor, license) is None
    vendor.account.sql("UPDATE policies SET expiration_basis = 'FROM_FIRST_DOWNLOAD' WHERE id = %s", policy["id"])
    assert line.ask(request).status == 200
    assert expiry(vendor, license) is not None
