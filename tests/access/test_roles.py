"""The permission lists are those of api.md 1.15, and lists of records, tokens and settings only ever take away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.roles import ALL, ALLOWED, DEFAULT, RANK, STAFF_ROLES, bearer_permissions, narrowed


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The names of api.md 1.15, one by one.
DISTRIBUTION = names(
    """
    account.read arch.read channel.read constraint.read engine.read platform.read
    artifact.create artifact.delete artifact.read artifact.update
    entitlement.create entitlement.delete entitlement.read entitlement.update
    package.create package.delete package.read package.update
    product.create product.delete product.read product.update product.tokens.generate
    release.create release.delete release.read release.update release.publish release.yank release.upload
    release.download release.upgrade release.package.update release.constraints.attach release.constraints.detach
    token.generate token.read token.regenerate token.revoke
    """
)
OWN_PASSWORD = {"user.password.update", "user.password.reset"}
CUSTOMER_READS = names(
    """
    release.read artifact.read package.read engine.read platform.read arch.read channel.read constraint.read
    entitlement.read license.read release.download release.upgrade
    """
)

roles = st.sampled_from(sorted(ALLOWED))
words = st.one_of(st.sampled_from(sorted(ALL)), st.just("*"), st.text(max_size=12))
lists = st.one_of(st.none(), st.lists(words, max_size=8))


def reads(permissions: frozenset[str]) -> set[str]:
    return {permission for permission in permissions if permission.endswith(".read")}


@pytest.mark.parametrize("role", ["admin", "developer", "sales-agent", "support-agent"])
def test_people_who_manage_have_every_permission(role):
    """admin, developer, sales and support hold all; what sales and support may not do is a matter of their role."""
    assert DEFAULT[role] >= DISTRIBUTION
    assert DEFAULT[role] == ALLOWED[role] == ALL


def test_licensing_permissions_exist():
    """Policies, licenses, users and environments can be managed: "license.*", "user.*" and so on in the table."""
    for stem in ("policy", "license", "user", "environment"):
        assert {f"{stem}.{verb}" for verb in ("create", "read", "update", "delete")} <= ALL


def test_read_only_reads_everything_and_changes_nothing():
    """Every *.read, download, upgrade, token.generate and the own password; no write."""
    have = DEFAULT["read-only"]
    assert reads(have) == reads(ALL)
    assert have - reads(have) == {"release.download", "release.upgrade", "token.generate"} | OWN_PASSWORD


def test_environment_has_all_but_the_account_admins_and_environments():
    """No write to account, admins or environments, no look at admins, no environment tokens."""
    missing = ALL - DEFAULT["environment"]
    assert {"admin.read", "environment.tokens.generate"} <= missing
    assert {permission.split(".")[0] for permission in missing} == {"account", "admin", "environment"}
    assert {"account.read", "environment.read"} <= DEFAULT["environment"]


def test_product_publishes_and_licenses_but_neither_makes_products_nor_entitlements():
    """Writes releases, artifacts, packages, policies, licenses, users, tokens and itself."""
    have = DEFAULT["product"]
    for stem in ("release", "artifact", "package", "policy", "license", "user"):
        assert {p for p in ALL if p.startswith(f"{stem}.")} <= have, stem
    assert {p for p in ALL if p.startswith("token.")} <= have
    assert {p for p in have if p.startswith("product.")} == {"product.read", "product.update"}
    assert {p for p in have if p.startswith("entitlement.")} == {"entitlement.read"}
    assert {p for p in have if p.startswith("environment.")} <= {"environment.read"}
    assert not {p for p in have if p.startswith("admin.")}
    assert {p for p in have if p.startswith("account.")} == {"account.read"}


def test_user_by_default():
    """Reads what it may download and itself, manages its own licenses and tokens; knows no products or policies."""
    have = DEFAULT["user"]
    assert CUSTOMER_READS | {"user.read"} <= have
    assert {f"license.{verb}" for verb in ("create", "delete", "renew", "revoke")} <= have
    assert {p for p in ALL if p.startswith("token.")} <= have
    assert not have & {"product.read", "policy.read", "account.read", "license.users.attach", "license.users.detach"}


def test_license_by_default():
    """Reads what it may download and itself; no products, policies, users, and it makes no tokens."""
    have = DEFAULT["license"]
    assert have == CUSTOMER_READS | {"token.read", "token.regenerate", "token.revoke"}


@pytest.mark.parametrize("role", ["user", "license"])
def test_a_customer_can_be_granted_the_reads_it_lacks_by_default(role):
    """product.read, policy.read and account.read are outside the default but may be given (api.md 4.5)."""
    assert bearer_permissions(role, ["product.read", "policy.read", "account.read"]) == {
        "product.read",
        "policy.read",
        "account.read",
    }


@pytest.mark.parametrize("role", ["user", "license"])
@pytest.mark.parametrize(
    "permission",
    ["release.create", "artifact.delete", "product.update", "license.suspend", "user.ban", "admin.read"],
)
def test_a_customer_can_never_be_granted_the_work_of_the_vendor(role, permission):
    """An explicit list does not lift a role above what it can ever have."""
    assert bearer_permissions(role, [permission, "license.read"]) == {"license.read"}


def test_ranks():
    """admin 7, environment 6, developer 5, product 4, sales 3, support 2, read-only 1, user and license 0."""
    assert sorted(RANK, key=lambda role: (-RANK[role], role)) == [
        "admin",
        "environment",
        "developer",
        "product",
        "sales-agent",
        "support-agent",
        "read-only",
        "license",
        "user",
    ]
    assert RANK["user"] == RANK["license"] == 0 and RANK["admin"] == 7


def test_every_role_is_known_everywhere():
    """No role lacks a list or a rank, and staff are the five kinds of people who work for the vendor."""
    assert set(ALLOWED) == set(DEFAULT) == set(RANK)
    assert {"admin", "developer", "sales-agent", "support-agent", "read-only"} == STAFF_ROLES


def test_an_empty_list_means_none_and_an_absent_one_the_default():
    """dump.md: absent or null is the default set of the role, ``[]`` is nothing."""
    assert bearer_permissions("license", None) == DEFAULT["license"]
    assert bearer_permissions("license", []) == frozenset()


def test_a_star_is_all_that_the_role_can_have():
    """dump.md: ``["*"]``; more than the default for users and licenses."""
    assert bearer_permissions("license", ["*"]) == ALLOWED["license"] > DEFAULT["license"]
    assert bearer_permissions("user", ["license.read", "*"]) == ALLOWED["user"] > DEFAULT["user"]


@pytest.mark.parametrize(
    ("role", "setting"), [("user", "defaultUserPermissions"), ("license", "defaultLicensePermissions")]
)
def test_an_account_replaces_the_default_of_its_customers(role, setting):
    """Account settings stand where a record has no list of its own, and nowhere else."""
    settings = {setting: ["product.read", "release.read", "release.create"]}
    assert bearer_permissions(role, None, settings) == {"product.read", "release.read"}
    assert bearer_permissions(role, ["license.read"], settings) == {"license.read"}
    assert bearer_permissions(role, None, {setting: []}) == frozenset()
    assert bearer_permissions("admin", None, settings) == ALL


@given(role=roles, explicit=lists, default=lists)
def test_no_list_gives_more_than_the_role_can_have(role, explicit, default):
    """Whatever records and settings say, a bearer stays within its role."""
    settings = {"defaultUserPermissions": default, "defaultLicensePermissions": default}
    assert bearer_permissions(role, explicit, settings) <= ALLOWED[role]


@given(role=roles, explicit=lists, token=lists)
def test_a_token_never_has_more_than_its_bearer(role, explicit, token):
    """effective = token ∩ bearer (api.md 1.13)."""
    bearer = bearer_permissions(role, explicit)
    effective = narrowed(bearer, token)
    assert effective <= bearer
    if token is None or "*" in token:
        assert effective == bearer
    else:
        assert effective == bearer & set(token)
