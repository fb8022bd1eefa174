"""Tokens and license keys as credentials: the outcomes table of api.md 3.3, with a real database."""

from __future__ import annotations

from uuid import uuid4

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keygenreg.domain.failures import Denied, Failure, Unauthenticated
from keygenreg.formats.authorization import LicenseKeyCredential, TokenCredential
from tests.access.door import fresh_scene
from tests.access.records import Token
from tests.access.scenes import hours
from tests.access.worlds import EXPIRATIONS, STAFF

AUTHENTICATION_STRATEGIES = ("TOKEN", "LICENSE", "SESSION", "MIXED", "NONE")


def token(record: Token) -> TokenCredential:
    return TokenCredential(record.secret)


def key(license) -> LicenseKeyCredential:
    return LicenseKeyCredential(license.key)


@pytest.fixture
def refuse(door):
    """What a refused caller is told: ``(status, code)``."""

    def told(scene, credential, **options) -> tuple[int, str | None]:
        with pytest.raises(Failure) as caught:
            door.sign_in(scene, credential, **options)
        assert isinstance(caught.value, (Unauthenticated, Denied))
        return caught.value.status, caught.value.code

    return told


@pytest.fixture
def empty_scene(door):
    """An account without anything in it."""
    scene = fresh_scene()
    door.build(scene)
    return scene


class TestTokens:
    def test_each_bearer_is_recognised(self, door):
        """A token of a product, license or user stands for its bearer and says so."""
        scene = fresh_scene()
        product = scene.product()
        license = scene.license(product)
        people = [scene.user(role) for role in ("user", *STAFF)]
        expected = {
            scene.token(product): ("products", "product"),
            scene.token(license): ("licenses", "license"),
            **{scene.token(person): ("users", person.role) for person in people},
        }
        door.build(scene)
        for record, (kind, role) in expected.items():
            found = door.sign_in(scene, token(record))
            assert (found.bearer.type, found.bearer.role, found.bearer.id) == (kind, role, record.bearer.id)
            assert found.token_id == record.id

    @pytest.mark.parametrize("spelling", [str, lambda u: u.hex, lambda u: str(u).upper()])
    def test_an_id_is_not_a_token(self, door, refuse, spelling):
        """AUT-08: the id of a token, in any spelling, is told to be one."""
        scene = fresh_scene()
        record = scene.token(scene.product())
        door.build(scene)
        assert refuse(scene, TokenCredential(spelling(record.id))) == (401, "TOKEN_FORMAT_INVALID")

    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(text=st.one_of(st.text(), st.text(alphabet="\0\ud800'%\\a")))
    def test_an_unknown_token_is_refused_whatever_it_is(self, refuse, empty_scene, text):
        """AUT-07: any text that is no token gives 401 and nothing else."""
        assert refuse(empty_scene, TokenCredential(text)) == (401, "TOKEN_INVALID")

    def test_a_token_counts_in_its_account_only(self, door, refuse):
        """AUT-10: even when two accounts have the same secret key."""
        scene, elsewhere = fresh_scene(), fresh_scene()
        record = elsewhere.token(elsewhere.user("admin"))
        door.build(scene)
        door.build(elsewhere)
        assert door.sign_in(elsewhere, token(record)).bearer.id == record.bearer.id
        assert refuse(scene, token(record)) == (401, "TOKEN_INVALID")

    def test_an_expired_token(self, door, refuse):
        """AUT-09; one that expires later still works."""
        scene = fresh_scene()
        admin = scene.user("admin")
        past, future = (scene.token(admin, expiry=hours(n)) for n in (-1, 1))
        door.build(scene)
        assert refuse(scene, token(past)) == (401, "TOKEN_EXPIRED")
        assert door.sign_in(scene, token(future)).token_id == future.id

    def test_banned_people(self, door, refuse):
        """AUT-16, row 27: tokens of a banned user and of a license with a banned owner; other users do not count."""
        scene = fresh_scene()
        banned, product = scene.user(banned=True), scene.product()
        owned, attached = scene.license(product, owner=banned), scene.license(product, users=[banned])
        tokens = [scene.token(bearer) for bearer in (banned, owned, attached)]
        door.build(scene)
        assert [refuse(scene, token(record)) for record in tokens[:2]] == [(403, "USER_BANNED")] * 2
        assert door.sign_in(scene, token(tokens[2])).bearer.id == attached.id

    @pytest.mark.parametrize("strategy", AUTHENTICATION_STRATEGIES)
    def test_the_policy_may_forbid_license_tokens(self, door, refuse, strategy):
        """AUT-13, row 33: LICENSE, SESSION and NONE do."""
        scene = fresh_scene()
        license = scene.license(scene.product())
        license.policy.authentication = strategy
        record = scene.token(license)
        door.build(scene)
        if strategy in ("TOKEN", "MIXED"):
            assert door.sign_in(scene, token(record)).bearer.id == license.id
        else:
            assert refuse(scene, token(record)) == (403, "TOKEN_NOT_ALLOWED")

    def test_the_state_of_a_license_is_judged_per_record(self, door):
        """api.md 3.3: with a token, suspension and expiry do not keep a license out."""
        scene = fresh_scene()
        license = scene.license(scene.product(), suspended=True, expiration="REVOKE_ACCESS", expiry=hours(-1))
        record = scene.token(license)
        door.build(scene)
        assert door.sign_in(scene, token(record)).bearer.id == license.id

    @pytest.mark.parametrize(("kind", "table"), [("product", "products"), ("user", "users"), ("license", "licenses")])
    def test_a_token_dies_with_its_bearer(self, door, refuse, kind, table):
        """AUT-20: deleting the bearer makes the token unknown at once."""
        scene = fresh_scene()
        product = scene.product()
        bearer = {"product": product, "user": scene.user(), "license": scene.license(product)}[kind]
        record = scene.token(bearer)
        door.build(scene)
        door.sign_in(scene, token(record))
        door.change(f"DELETE FROM {table} WHERE id = %s", bearer.id)
        assert refuse(scene, token(record)) == (401, "TOKEN_INVALID")

    def test_only_a_digest_is_stored(self, door):
        """AUT-21: the row does not hold the secret, and its digest depends on the account's secret key."""
        scene = fresh_scene()
        record = scene.token(scene.product())
        door.build(scene)
        [(row,)] = door.change("SELECT to_jsonb(t)::text FROM tokens t WHERE id = %s", record.id)
        assert record.secret not in row
        account = door.account(scene.account)
        authenticate = door.authenticator.authenticate
        assert door.run(authenticate(account, None, token(record))).token_id == record.id
        with pytest.raises(Unauthenticated):
            door.run(authenticate(evolve(account, secret_key="another"), None, token(record)))


class TestLicenseKeys:
    def test_a_key_stands_for_its_license(self, door):
        """AUT-02: the bearer is the license; there is no token."""
        scene = fresh_scene()
        license = scene.license(scene.product())
        door.build(scene)
        found = door.sign_in(scene, key(license))
        assert (found.bearer.type, found.bearer.role, found.bearer.id) == ("licenses", "license", license.id)
        assert found.token_id is None

    @pytest.mark.parametrize("prefix", ["a:b ", "a/b/", "ключ-🔑-", "'; --", "%s%", "\\x00", "x" * 16_000])
    def test_a_key_may_hold_any_characters(self, door, prefix):
        """AUT-17, and 16 KiB of them."""
        scene = fresh_scene()
        license = scene.license(scene.product(), key_prefix=prefix)
        door.build(scene)
        assert door.sign_in(scene, key(license)).bearer.id == license.id

    def test_an_unknown_key(self, door, refuse):
        """AUT-11; keys are case-sensitive, a license's id is none, and neither is a key of another account."""
        scene, elsewhere = fresh_scene(), fresh_scene()
        license = scene.license(scene.product(), key_prefix="Key-")
        foreign = elsewhere.license(elsewhere.product())
        door.build(scene)
        door.build(elsewhere)
        for text in ("", "nothing", str(uuid4()), license.key.upper(), license.key + " ", str(license.id), foreign.key):
            assert refuse(scene, LicenseKeyCredential(text)) == (401, "LICENSE_INVALID")

    def test_a_token_is_no_key_and_a_key_is_no_token(self, door, refuse):
        """engines.md 1.4: a license key sent as a token is treated as one, and fails."""
        scene = fresh_scene()
        license = scene.license(scene.product(), key_prefix="key-")
        record = scene.token(license)
        door.build(scene)
        assert refuse(scene, TokenCredential(license.key)) == (401, "TOKEN_INVALID")
        assert refuse(scene, LicenseKeyCredential(record.secret)) == (401, "LICENSE_INVALID")

    def test_four_checks_in_order(self, door, refuse):
        """Owner banned, suspended, expired, strategy (rows 27, 15, 19, 33): the first that fails is told."""
        scene = fresh_scene()
        product = scene.product("OPEN")
        faults = [
            ("LICENSE_BANNED", {"owner": scene.user(banned=True)}),
            ("LICENSE_SUSPENDED", {"suspended": True}),
            ("LICENSE_EXPIRED", {"expiration": "REVOKE_ACCESS", "expiry": hours(-1)}),
            ("LICENSE_NOT_ALLOWED", {}),
        ]
        licenses = []
        for first in range(len(faults)):
            facts = {name: value for _, fault in faults[first:] for name, value in fault.items()}
            licenses.append(scene.license(product, **facts))
            licenses[-1].policy.authentication = "TOKEN"
        door.build(scene)
        assert [refuse(scene, key(each)) for each in licenses] == [(403, code) for code, _ in faults]

    @pytest.mark.parametrize("strategy", AUTHENTICATION_STRATEGIES)
    def test_the_policy_may_forbid_keys(self, door, refuse, strategy):
        """AUT-12, row 33: TOKEN, SESSION and NONE do."""
        scene = fresh_scene()
        license = scene.license(scene.product())
        license.policy.authentication = strategy
        door.build(scene)
        if strategy in ("LICENSE", "MIXED"):
            assert door.sign_in(scene, key(license)).bearer.id == license.id
        else:
            assert refuse(scene, key(license)) == (403, "LICENSE_NOT_ALLOWED")

    @pytest.mark.parametrize("expiration", EXPIRATIONS)
    def test_expired_keys(self, door, refuse, expiration):
        """AUT-15, row 19: only REVOKE_ACCESS keeps an expired key out."""
        scene = fresh_scene()
        product = scene.product()
        expired, current = (scene.license(product, expiration=expiration, expiry=hours(n)) for n in (-1, 1))
        door.build(scene)
        assert door.sign_in(scene, key(current)).bearer.id == current.id
        if expiration == "REVOKE_ACCESS":
            assert refuse(scene, key(expired)) == (403, "LICENSE_EXPIRED")
        else:
            assert door.sign_in(scene, key(expired)).bearer.id == expired.id
