"""Who sees which packages and versions: the matrix of engines.md 10.7, with decisions 6 to 8."""

from __future__ import annotations

import pytest

from tests.daemon_fixtures import Account, Api, basic, fetch
from tests.engines.npm.store import Store
from tests.management.customers import License, days, entitlement, product_api, token_of, user


@pytest.fixture
def store(account: Account) -> Store:
    """A LICENSED store with a draft, a withdrawn and two published versions, one of which needs an entitlement."""
    store = Store(account, "LICENSED", "@acme/lib")
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        store.publish(version)
    store.publish("2.0.0", status="DRAFT")
    set_status(store, "1.1.0", "YANKED")
    store.needed = entitlement(account, "GOLD")
    store.constrain("1.2.0", store.needed)
    return store


def set_status(store: Store, version: str, status: str) -> None:
    store.account.sql(
        "UPDATE releases SET status = %s WHERE package_id = %s AND version = %s", status, store.package["id"], version
    )


def open_up(store: Store, strategy: str = "OPEN") -> None:
    store.account.sql("UPDATE products SET distribution_strategy = %s WHERE id = %s", strategy, store.product["id"])


class TestProducts:
    def test_a_product_sees_its_drafts_and_withdrawn_versions(self, store: Store):
        api = product_api(store.account, store.product)
        document = store.get(api=api).json
        assert list(document["versions"]) == ["2.0.0", "1.2.0", "1.1.0", "1.0.0"]
        assert document["versions"]["1.1.0"]["deprecated"] == "This version was withdrawn by its publisher."
        newest = max(document["time"][version] for version in document["versions"])
        assert document["time"]["modified"] >= newest

    def test_staff_sees_the_same(self, store: Store):
        assert store.versions() == ["2.0.0", "1.2.0", "1.1.0", "1.0.0"]
        assert store.versions(store.account.staff("read-only")) == store.versions()

    def test_another_product_sees_nothing_even_of_open_packages(self, store: Store):
        other = product_api(store.account, store.admin.make_product())
        assert store.versions(other) == 404
        open_up(store)
        assert store.versions(other) == 404


class TestLicenses:
    def test_entitlements_decide_about_versions_latest_and_modified(self, store: Store):
        entitled = License(store.account, store.product, entitlements=(store.needed,))
        plain = License(store.account, store.product)
        for more, less in ((entitled.key, plain.key), (entitled.token, plain.token)):
            assert store.versions(more) == ["1.2.0", "1.0.0"]
            assert store.versions(less) == ["1.0.0"]
            seen, hidden = store.get(api=more).json, store.get(api=less).json
            assert (seen["dist-tags"], hidden["dist-tags"]) == ({"latest": "1.2.0"}, {"latest": "1.0.0"})
            assert hidden["time"]["modified"] < seen["time"]["modified"]
            assert set(hidden["time"]) == {"created", "modified", "1.0.0"}
            assert store.get("@acme/lib/-/lib-1.2.0.tgz", more).status == 200
            assert store.get("@acme/lib/-/lib-1.2.0.tgz", less).status == 404
            assert store.get("@acme/lib/1.2.0", less).status == 404
            assert store.get("-/package/@acme/lib/dist-tags", less).json == {"latest": "1.0.0"}

    def test_drafts_and_withdrawn_versions_are_not_downloaded(self, store: Store):
        license = License(store.account, store.product)
        for version in ("1.1.0", "2.0.0"):
            assert store.get(f"@acme/lib/-/lib-{version}.tgz", license.key).status == 404

    def test_credentials_in_every_form_that_npm_knows(self, store: Store):
        """``_auth`` and ``username`` with ``_password`` are Basic, ``_authToken`` is Bearer."""
        license = License(store.account, store.product)
        token = license.token.authorization.split()[1]
        for authorization in (
            basic("license", license.secret), basic("token", token), basic(token, ""),
            f"Bearer {token}", f"bearer {token}", f"License {license.secret}",
        ):  # fmt: skip
            assert store.versions(Api(store.admin.root, store.account.id, authorization)) == ["1.0.0"]

    def test_wrong_credentials_never_help(self, store: Store):
        """Not even where none are needed."""
        open_up(store)
        for authorization in (basic("license", "no such key"), "Bearer no-such-token", basic("", "x")):
            answer = store.get(api=Api(store.admin.root, store.account.id, authorization))
            assert answer.status == 401
            assert answer.json["error"] == answer.json["errors"][0]["detail"]
            assert answer.headers["WWW-Authenticate"].startswith(authorization.split()[0])

    def test_other_products(self, store: Store):
        license = License(store.account, store.admin.make_product())
        assert store.versions(license.key) == 404
        open_up(store)
        assert store.versions(license.key) == ["1.0.0"]
        open_up(store, "CLOSED")
        assert store.versions(license.key) == 404

    def test_closed_packages_are_for_no_license(self, store: Store):
        license = License(store.account, store.product)
        open_up(store, "CLOSED")
        assert store.versions(license.key) == 404

    def test_nothing_visible_inside_a_visible_package(self, store: Store):
        license = License(store.account, store.product)
        set_status(store, "1.0.0", "DRAFT")
        answer = store.get(api=license.key)
        assert (answer.status, answer.json["error"]) == (404, "There is no version of @acme/lib here, or not for you.")

    def test_rights_are_lost_at_once(self, store: Store):
        """Suspended, expired, withdrawn: the next answer knows, also for those who have the document already."""
        license = License(store.account, store.product)
        known = {"If-None-Match": store.get(api=license.token).headers["ETag"]}
        assert store.get(api=license.token, **known).status == 304
        license.set(suspended=True)
        denied = store.get(api=license.token, **known)
        assert (denied.status, "suspended" in denied.json["error"]) == (403, True)
        assert store.get("@acme/lib/-/lib-1.0.0.tgz", license.token).status == 403
        assert store.get(api=license.key, **known).error["code"] == "LICENSE_SUSPENDED"
        license.set(suspended=False)
        assert store.get(api=license.token, **known).status == 304
        set_status(store, "1.0.0", "YANKED")
        assert store.get(api=license.token, **known).status == 404

    def test_what_was_released_before_expiry_stays(self, store: Store):
        restricted = License(store.account, store.product, expiry=days(-1), expiration_strategy="RESTRICT_ACCESS")
        assert store.versions(restricted.key) == 404
        store.account.sql("UPDATE releases SET backdated = %s WHERE version = '1.0.0' AND account_id = %s",
                          days(-2), store.account.id)  # fmt: skip
        assert store.versions(restricted.key) == ["1.0.0"]

    def test_a_license_without_a_permission(self, store: Store):
        license = License(store.account, store.product)
        license.set(permissions=["license.read", "package.read"])
        assert store.versions(license.key) == 403


class TestUsers:
    @pytest.mark.parametrize("joined", ["owner", "attached"])
    def test_users_see_what_their_licenses_see(self, store: Store, joined: str):
        for held, expected in (((store.needed,), ["1.2.0", "1.0.0"]), ((), ["1.0.0"])):
            person = user(store.account)
            members = {"owner": person} if joined == "owner" else {"users": (person,)}
            License(store.account, store.product, entitlements=held, **members)
            assert store.versions(token_of(store.account, "users", person)) == expected

    def test_users_without_licenses_see_open_packages(self, store: Store):
        api = token_of(store.account, "users", user(store.account))
        assert store.versions(api) == 404
        open_up(store)
        assert store.versions(api) == ["1.0.0"]


class TestAnybody:
    @pytest.mark.parametrize("strategy", ["LICENSED", "CLOSED"])
    def test_anonymous_callers_are_asked_who_they_are(self, store: Store, strategy: str):
        """As a sentence, and as a notice: npm shows that beside what it makes of the challenge."""
        open_up(store, strategy)
        for path in ("@acme%2flib", "@acme/lib/latest", "-/package/@acme/lib/dist-tags", "@acme/lib/-/lib-1.0.0.tgz"):
            answer = store.get(path, store.anonymous)
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="keygen"'
            assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
            assert answer.json["error"].startswith("The package @acme/lib needs a license key or token: ")
            place = f"//localhost:{store.account.daemon.port}/v1/accounts/{store.account.id}/engines/npm/:_auth="
            assert place in answer.json["error"]
            assert answer.headers["npm-notice"] == answer.json["message"]

    def test_open_packages_show_what_is_published_for_all(self, store: Store):
        open_up(store)
        assert store.versions(store.anonymous) == ["1.0.0"]
        assert store.get("@acme/lib/-/lib-1.0.0.tgz", store.anonymous).status == 200
        assert store.get("@acme/lib/-/lib-1.2.0.tgz", store.anonymous).status == 404

    def test_unknown_packages_are_unknown_to_anybody(self, store: Store):
        assert store.get("no-such-package", store.anonymous).status == 404


class TestAccounts:
    def test_canceled_accounts_serve_nothing(self, store: Store):
        store.account.sql("UPDATE accounts SET status = 'CANCELED' WHERE id = %s", store.account.id)
        for path in ("@acme/lib", "@acme/lib/-/lib-1.0.0.tgz", "-/v1/search?text=lib"):
            answer = store.get(path)
            assert (answer.status, answer.headers["Content-Type"]) == (403, "application/json; charset=utf-8")

    def test_unknown_accounts(self, store: Store):
        answer = fetch("GET", f"{store.admin.root}/v1/accounts/no-such-account/engines/npm/acme")
        assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")

    def test_environments(self, store: Store):
        """Records of an environment are for those who name it; global ones too where it is shared."""
        account = store.account
        for isolation, anonymous in (("SHARED", 401), ("ISOLATED", 404)):
            account.sql(
                "INSERT INTO environments (id, account_id, code, name, isolation_strategy) "
                "VALUES (gen_random_uuid(), %s, %s, 'x', %s)",
                account.id, isolation.lower(), isolation,
            )  # fmt: skip
            answer = store.get(api=store.anonymous, **{"Keygen-Environment": isolation.lower()})
            assert answer.status == anonymous, answer
        assert store.get(**{"Keygen-Environment": "shared"}).status == 200
