"""Which credentials count in which environment (api.md 3.8), and how accounts and environments are found."""

from __future__ import annotations

from uuid import uuid4

import pytest
from attrs import evolve

from keygenreg.access.accounts import Accounts
from keygenreg.domain.failures import BadRequest, NotFound, Unauthenticated, Unsubscribed
from keygenreg.formats.authorization import LicenseKeyCredential, PasswordCredential, TokenCredential
from tests.access.door import fresh_scene
from tests.access.loading import code_of, slug_of

PLACES = ("global", "isolated", "shared")


@pytest.fixture
def scene():
    return fresh_scene()


@pytest.fixture
def places(scene):
    """No environment, an isolated and a shared one, by name."""
    return {"global": None, "isolated": scene.make_environment(), "shared": scene.make_environment(shared=True)}


# selected: the places whose bearers (with tokens of the same place) are accepted.
ACCEPTED = {"global": {"global"}, "isolated": {"isolated"}, "shared": {"shared", "global"}}


class TestCredentials:
    @pytest.mark.parametrize("selected", PLACES)
    @pytest.mark.parametrize("place", PLACES)
    @pytest.mark.parametrize("kind", ["token of a product", "token of a user", "license key", "password"])
    def test_who_counts_where(self, door, scene, places, kind, place, selected):
        """Global: global ones. Isolated: its own. Shared: its own and global ones. All others are unknown: 401."""
        environment = places[place]
        product, user = scene.product(environment=environment), scene.user(
            environment=environment, password_hash="hash:secret"
        )
        license = scene.license(product, environment=environment)
        credential = {
            "token of a product": TokenCredential(scene.token(product, environment=environment).secret),
            "token of a user": TokenCredential(scene.token(user, environment=environment).secret),
            "license key": LicenseKeyCredential(license.key),
            "password": PasswordCredential(user.email, "secret"),
        }[kind]
        door.build(scene)
        if place in ACCEPTED[selected]:
            bearer = door.sign_in(scene, credential, selected=places[selected]).bearer
            assert bearer.environment_id == (environment and environment.id)
        else:
            code = {"license key": "LICENSE_INVALID", "password": "EMAIL_INVALID"}.get(kind, "TOKEN_INVALID")
            with pytest.raises(Unauthenticated) as caught:
                door.sign_in(scene, credential, selected=places[selected])
            assert caught.value.code == code

    @pytest.mark.parametrize("place", ["isolated", "shared"])
    def test_the_token_of_an_environment(self, door, scene, places, place):
        """ENV-05: it counts in its environment only, and not without the header."""
        own = places[place]
        record = scene.token(own, environment=own)
        door.build(scene)
        found = door.sign_in(scene, TokenCredential(record.secret), selected=own)
        assert (found.bearer.type, found.bearer.role, found.bearer.id) == ("environments", "environment", own.id)
        for other in set(places.values()) - {own}:
            with pytest.raises(Unauthenticated):
                door.sign_in(scene, TokenCredential(record.secret), selected=other)

    @pytest.mark.parametrize("place", ["isolated", "shared"])
    def test_a_token_made_for_an_environment_admits_a_global_bearer_there_only(self, door, scene, places, place):
        """api.md 3.8: a global administrator may make one for a shared environment; globally it is unknown."""
        admin = scene.user("admin")
        record = scene.token(admin, environment=places[place])
        door.build(scene)
        assert door.sign_in(scene, TokenCredential(record.secret), selected=places[place]).bearer.id == admin.id
        for other in set(places.values()) - {places[place]}:
            with pytest.raises(Unauthenticated):
                door.sign_in(scene, TokenCredential(record.secret), selected=other)

    @pytest.mark.parametrize("selected", PLACES)
    @pytest.mark.parametrize("role", ["admin", "developer"])
    def test_global_administrators_enter_every_environment_by_password(self, door, scene, places, role, selected):
        """Administrators only; a global developer stays out of isolated ones."""
        user = scene.user(role, password_hash="hash:secret")
        door.build(scene)
        credential = PasswordCredential(user.email, "secret")
        if role == "admin" or selected != "isolated":
            assert door.sign_in(scene, credential, selected=places[selected]).bearer.id == user.id
        else:
            with pytest.raises(Unauthenticated):
                door.sign_in(scene, credential, selected=places[selected])

    def test_one_environment_is_not_another(self, door, scene, places):
        """An administrator of one environment is unknown in all others, by token and by password."""
        second = scene.make_environment(shared=True)
        admin = scene.user("admin", environment=second, password_hash="hash:secret")
        record = scene.token(admin, environment=second)
        door.build(scene)
        for credential in (TokenCredential(record.secret), PasswordCredential(admin.email, "secret")):
            assert door.sign_in(scene, credential, selected=second).bearer.id == admin.id
            for place in places.values():
                with pytest.raises(Unauthenticated):
                    door.sign_in(scene, credential, selected=place)


class TestSelection:
    def test_by_code_or_id(self, door, scene, places):
        """In any case; nothing selected is no environment."""
        door.build(scene)
        account = door.account(scene.account)
        shared = places["shared"]
        for selector in (code_of(shared), code_of(shared).upper(), str(shared.id), shared.id.hex):
            found = door.run(door.accounts.environment(account, selector))
            assert (found.id, found.shared) == (shared.id, True)
        assert not door.run(door.accounts.environment(account, code_of(places["isolated"]))).shared
        for nothing in (None, ""):
            assert door.run(door.accounts.environment(account, nothing)) is None

    @pytest.mark.parametrize("header", [True, False])
    def test_unknown(self, door, scene, header):
        """ENV-01: 400 that names the header or the parameter; another account's environment is as unknown."""
        elsewhere = fresh_scene()
        foreign = elsewhere.make_environment()
        door.build(scene)
        door.build(elsewhere)
        account = door.account(scene.account)
        for selector in ("nope", str(uuid4()), str(foreign.id), code_of(foreign)):
            with pytest.raises(BadRequest) as caught:
                door.run(door.accounts.environment(account, selector, header=header))
            assert caught.value.code == "ENVIRONMENT_INVALID"
            source = caught.value.source
            assert (source.header, source.parameter) == (
                ("Keygen-Environment", None) if header else (None, "environment")
            )

    def test_unstorable(self, door, scene):
        """GEN-12: a NUL byte is the caller's mistake, not ours."""
        door.build(scene)
        with pytest.raises(BadRequest):
            door.run(door.accounts.environment(door.account(scene.account), "a\0b"))


class TestAccounts:
    def test_by_id_or_slug(self, door, scene):
        """GEN-01, in every spelling of an id."""
        door.build(scene)
        for reference in (slug_of(scene.account), str(scene.account), str(scene.account).upper(), scene.account.hex):
            assert door.run(door.accounts.find(reference, "localhost")).id == scene.account

    @pytest.mark.parametrize("reference", ["nobody", "", str(uuid4()), "' OR true --", None])
    def test_unknown(self, door, reference):
        """GEN-02; several accounts and none named is as unknown."""
        with pytest.raises(NotFound):
            door.run(door.accounts.find(reference, "localhost"))

    def test_by_host(self, door, scene):
        """A host of its own stands for its account; a path may repeat the account but not name another."""
        other = fresh_scene()
        door.build(scene)
        door.build(other)
        host = f"{scene.account.hex[:12]}.example.com"
        door.change("UPDATE accounts SET cname = %s WHERE id = %s", host.upper(), scene.account)
        for reference in (None, slug_of(scene.account), str(scene.account)):
            assert door.run(door.accounts.find(reference, host)).id == scene.account
        with pytest.raises(NotFound):
            door.run(door.accounts.find(slug_of(other.account), host))

    def test_two_accounts_with_one_host(self, door, scene):
        """One's cname is another's domain: the older has it, and nothing breaks."""
        younger = fresh_scene()
        door.build(scene)
        door.build(younger)
        host = f"{scene.account.hex[:12]}.example.net"
        door.change("UPDATE accounts SET domain = %s WHERE id = %s", host, scene.account)
        door.change("UPDATE accounts SET cname = %s WHERE id = %s", host, younger.account)
        assert door.run(door.accounts.find(None, host)).id == scene.account

    def test_single_account(self, door, scene):
        """GEN-03: with one account for everything, a path may leave it out or repeat it, but not name another."""
        other = fresh_scene()
        door.build(scene)
        door.build(other)
        for only in (slug_of(scene.account), str(scene.account)):
            single = Accounts(door.accounts.database, singleplayer=True, only=only)
            for reference in (None, slug_of(scene.account), str(scene.account), scene.account.hex):
                assert door.run(single.find(reference, "localhost")).id == scene.account
            for reference in (slug_of(other.account), str(other.account), str(uuid4())):
                with pytest.raises(NotFound):
                    door.run(single.find(reference, "localhost"))

    def test_single_account_by_default_is_the_oldest(self, door, scene):
        """Whoever came first."""
        door.build(scene)
        door.change("UPDATE accounts SET created = '2001-01-01' WHERE id = %s", scene.account)
        single = Accounts(door.accounts.database, singleplayer=True)
        assert door.run(single.find(None, "localhost")).id == scene.account
        door.change("UPDATE accounts SET created = now() WHERE id = %s", scene.account)

    @pytest.mark.parametrize(
        ("status", "open_"),
        [
            ("PENDING", True),
            ("TRIALING", True),
            ("SUBSCRIBED", True),
            ("CANCELING", True),
            ("PAUSED", False),
            ("CANCELED", False),
        ],
    )
    def test_only_open_accounts_are_served(self, door, scene, status, open_):
        """dump.md, accounts: a paused or canceled account answers 403 to everybody."""
        door.build(scene)
        account = evolve(door.account(scene.account), status=status)
        if open_:
            door.accounts.admit(account)
        else:
            with pytest.raises(Unsubscribed) as caught:
                door.accounts.admit(account)
            assert caught.value.status == 403

    def test_keys_of_an_account_do_not_show(self, door, scene):
        """A repr in a log tells no secret."""
        door.build(scene)
        account = door.account(scene.account)
        assert account.secret_key == "secret"
        assert "secret" not in repr(account)
