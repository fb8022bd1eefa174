"""What a bearer may do once signed in: its own list, its account's settings, its owner's and its token's lists."""

from __future__ import annotations

import pytest

from keygenreg.domain.failures import Denied, Unauthenticated
from keygenreg.domain.grant import Bearer, Grant
from keygenreg.domain.roles import ALLOWED, DEFAULT
from keygenreg.formats.authorization import LicenseKeyCredential, PasswordCredential, TokenCredential
from tests.access.door import fresh_scene

FEW = ["release.read", "product.read", "license.read"]


@pytest.fixture
def scene():
    return fresh_scene()


@pytest.fixture
def permissions(door, scene):
    """What a bearer has after signing in with a token that adds nothing."""

    def of(bearer, **token_facts) -> frozenset[str]:
        record = scene.token(bearer, **token_facts)
        door.build(scene)
        return door.sign_in(scene, TokenCredential(record.secret)).bearer.permissions

    return of


@pytest.mark.parametrize("role", ["admin", "developer", "sales-agent", "support-agent", "read-only", "user"])
def test_a_user_has_those_of_its_role(scene, permissions, role):
    assert permissions(scene.user(role)) == DEFAULT[role]


def test_a_product_has_those_of_its_role(scene, permissions):
    assert permissions(scene.product()) == DEFAULT["product"]


def test_an_environment_has_those_of_its_role(door, scene):
    environment = scene.make_environment()
    record = scene.token(environment, environment=environment)
    door.build(scene)
    found = door.sign_in(scene, TokenCredential(record.secret), selected=environment)
    assert found.bearer.permissions == DEFAULT["environment"]


def test_a_license_has_those_of_its_role(scene, permissions):
    assert permissions(scene.license(scene.product())) == DEFAULT["license"]


def test_own_lists_replace_the_default(scene, permissions):
    """An explicit list, within what the role can have."""
    assert permissions(scene.user(permissions=["product.read", "release.create"])) == {"product.read"}


def test_a_product_with_a_list(scene, permissions):
    assert permissions(scene.product(permissions=["release.read", "product.create"])) == {"release.read"}


@pytest.mark.parametrize(
    ("listed", "expected"), [([], frozenset()), (["*"], ALLOWED["license"]), (FEW, frozenset(FEW))]
)
def test_a_license_with_a_list(scene, permissions, listed, expected):
    """``[]`` is nothing, ``["*"]`` all that a license can have."""
    assert permissions(scene.license(scene.product(), permissions=listed)) == expected


@pytest.mark.parametrize(
    ("listed", "expected"),
    [(None, DEFAULT["user"]), (["*"], DEFAULT["user"]), ([], frozenset()), (["user.ban", "user.read"], {"user.read"})],
)
def test_a_token_has_at_most_those_of_its_bearer(scene, permissions, listed, expected):
    """effective = token ∩ bearer."""
    assert permissions(scene.user(), permissions=listed) == expected


def test_account_settings_replace_the_defaults_of_customers(scene, permissions):
    scene.world.settings = {"defaultUserPermissions": FEW, "defaultLicensePermissions": ["license.read"]}
    assert permissions(scene.user()) == frozenset(FEW)


def test_account_settings_and_licenses(scene, permissions):
    scene.world.settings = {"defaultUserPermissions": [], "defaultLicensePermissions": FEW}
    assert permissions(scene.license(scene.product())) == frozenset(FEW)


@pytest.mark.parametrize(
    ("own", "owners", "expected"),
    [
        (None, None, DEFAULT["license"]),
        (FEW, ["product.read", "user.read"], {"product.read"}),
        (None, ["license.read", "user.update"], {"license.read"}),
        # The owner's default lacks product.read.
        (FEW, None, {"release.read", "license.read"}),
        (["*"], ["*"], ALLOWED["license"] & ALLOWED["user"]),
        (["*"], [], frozenset()),
    ],
)
def test_a_license_has_those_it_shares_with_its_owner(door, scene, own, owners, expected):
    """dump.md, licenses: by token and by key."""
    license = scene.license(scene.product(), permissions=own, owner=scene.user(permissions=owners))
    record = scene.token(license)
    door.build(scene)
    for credential in (TokenCredential(record.secret), LicenseKeyCredential(license.key)):
        assert door.sign_in(scene, credential).bearer.permissions == expected


def test_attached_users_do_not_narrow_a_license(scene, permissions):
    """Only the owner counts."""
    license = scene.license(scene.product(), users=[scene.user(permissions=[])])
    assert permissions(license) == DEFAULT["license"]


def test_signing_in_by_password_gives_the_users_own(door, scene):
    user = scene.user(permissions=FEW, password_hash="hash:x")
    door.build(scene)
    assert door.sign_in(scene, PasswordCredential(user.email, "x")).bearer.permissions == frozenset(FEW)


class TestGrant:
    @pytest.fixture
    def account(self, door, scene):
        door.build(scene)
        return door.account(scene.account)

    def test_anonymous_callers_read_and_no_more(self, account):
        """api.md 2.8: what is optional there; everything else needs credentials."""
        grant = Grant(account)
        for permission in ("release.read", "artifact.read", "package.read", "release.download", "release.upgrade"):
            grant.require(permission)
        for permission in ("product.read", "license.read", "user.read", "release.create", "token.generate"):
            assert not grant.may(permission)
        assert (grant.role, grant.staff) == ("anonymous", False)
        with pytest.raises(Unauthenticated) as caught:
            grant.authenticated()
        assert caught.value.code == "TOKEN_MISSING"

    def test_a_bearer_may_what_it_has(self, account):
        """Also less than an anonymous caller, if its list says so (engines.md 1.6)."""
        bearer = Bearer("licenses", account.id, "license", frozenset({"release.read"}))
        grant = Grant(account, bearer=bearer)
        grant.require("release.read")
        assert grant.authenticated() is bearer
        with pytest.raises(Denied) as caught:
            grant.require("artifact.read")
        assert "artifact.read" in caught.value.detail

    @pytest.mark.parametrize("permission", ["admin.read", "nothing", ""])
    def test_what_nobody_has_is_denied(self, account, permission):
        bearer = Bearer("licenses", account.id, "license", ALLOWED["license"])
        with pytest.raises(Denied):
            Grant(account, bearer=bearer).require(permission)

    def test_scopes_of_one_kind_are_one_value(self, account):
        """Two administrators share a scope, so that what was rendered for one serves the other."""
        people = [Bearer("users", identifier, "admin", frozenset()) for identifier in (account.id, None)]
        scopes = {Grant(account, bearer=person).scope for person in people}
        assert len(scopes) == 1
