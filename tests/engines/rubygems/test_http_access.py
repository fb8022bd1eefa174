"""Who sees which gems: the matrix of engines.md 10.6, with decisions 5 to 8."""

from __future__ import annotations

import pytest

from tests.daemon_fixtures import Account, Api, basic, fetch
from tests.engines.rubygems.conftest import stocked
from tests.engines.rubygems.store import Store
from tests.management.customers import License, days, product_api, staff, token_of, user

TEXTS = ("versions", "info/kestrel", "names")
SPECS = ("specs.4.8.gz", "latest_specs.4.8.gz", "prerelease_specs.4.8.gz")


def files(version: str) -> tuple[str, str]:
    return f"gems/kestrel-{version}.gem", f"quick/Marshal.4.8/kestrel-{version}.gemspec.rz"


@pytest.fixture
def store(account: Account) -> Store:
    """As ``gated``, to be changed."""
    return stocked(account)


def sees(store: Store, api: Api, *versions: str) -> bool:
    """Whether exactly these versions are seen, the same in all indexes and files."""
    everything = ("1.0.0", "1.1.0", "1.2.0", "2.0.0", "3.0.0.pre.rc.1")
    listed = store.versions(api)
    assert listed == ({"kestrel": ",".join(versions)} if versions else {}), listed
    assert [line.split(" ")[0] for line in store.lines("info/kestrel", api)] == list(versions)
    stable = [version for version in versions if "pre" not in version]
    assert [version for _, version, _ in store.specs(api=api)] == stable
    assert [version for _, version, _ in store.specs("latest_specs.4.8.gz", api)] == stable[-1:]
    assert [version for _, version, _ in store.specs("prerelease_specs.4.8.gz", api)] == [
        version for version in versions if "pre" in version
    ]
    for version in everything:
        if version == "1.1.0" and api.authorization == store.admin.authorization:
            continue
        expected = 200 if version in versions else 404
        assert [store.get(path, api).status for path in files(version)] == [expected] * 2, version
    return True


class TestStaff:
    def test_drafts_are_seen_and_withdrawn_versions_are_not(self, gated: Store):
        assert sees(gated, gated.admin, "1.0.0", "1.2.0", "2.0.0", "3.0.0.pre.rc.1")
        gem, quick = files("1.1.0")
        assert gated.get(quick).status == 200
        assert gated.get(gem).status == 404

    def test_all_staff(self, gated: Store):
        assert gated.versions(staff(gated.account, "read-only")) == gated.versions()


class TestProducts:
    def test_its_own_gems_only(self, store: Store):
        other = Store(store.account, "OPEN", "hawk")
        other.publish("1.0.0")
        own = product_api(store.account, store.product)
        assert store.versions(own) == {"kestrel": "1.0.0,1.2.0,2.0.0,3.0.0.pre.rc.1"}
        api = product_api(store.account, other.product)
        assert store.versions(api) == {"hawk": "1.0.0"}
        assert store.get("names", api).body == b"---\nhawk\n"
        assert store.lines("info/kestrel", api) == 404


class TestLicenses:
    def test_entitlements_decide_about_versions_not_names(self, gated: Store):
        entitled = License(gated.account, gated.product, entitlements=(gated.needed,))
        plain = License(gated.account, gated.product)
        assert sees(gated, entitled.key, "1.0.0", "1.2.0", "3.0.0.pre.rc.1")
        assert sees(gated, plain.token, "1.0.0")
        for api in (entitled.token, plain.key):
            assert gated.get("names", api).body == b"---\nkestrel\n"

    def test_credentials_in_every_form_that_gem_knows(self, gated: Store):
        license = License(gated.account, gated.product)
        token = license.token.authorization.split()[1]
        for authorization in (
            basic("license", license.secret), basic("token", token), basic(token, ""), f"Bearer {token}",
            f"License {license.secret}",
        ):  # fmt: skip
            assert gated.versions(Api(gated.admin.root, gated.account.id, authorization)) == {"kestrel": "1.0.0"}

    def test_wrong_credentials_never_help(self, store: Store):
        """Not even where none are needed."""
        store.open_up()
        wrong = Api(store.admin.root, store.account.id, basic("license", "no such key"))
        for path in (*TEXTS, *SPECS, *files("1.0.0")):
            answer = store.get(path, wrong)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="keygen"')
        assert store.get("", wrong, method="HEAD").status == 401

    def test_other_products(self, store: Store):
        license = License(store.account, store.admin.make_product())
        assert store.versions(license.key) == {}
        assert store.lines("info/kestrel", license.key) == 404
        assert store.get("names", license.key).body == b"---\n\n"
        store.open_up()
        assert sees(store, license.key, "1.0.0")
        store.open_up("CLOSED")
        assert store.lines("info/kestrel", license.key) == 404

    def test_closed_gems_are_for_no_license(self, store: Store):
        license = License(store.account, store.product)
        store.open_up("CLOSED")
        assert store.versions(license.key) == {}
        assert [store.get(path, license.key).status for path in ("info/kestrel", *files("1.0.0"))] == [404] * 3

    def test_nothing_visible_inside_a_visible_package(self, store: Store):
        license = License(store.account, store.product)
        store.set_status("1.0.0", "DRAFT")
        assert store.lines("info/kestrel", license.key) == []
        assert sees(store, license.key)

    def test_rights_are_lost_at_once(self, store: Store):
        """Suspended or withdrawn: the next answer knows, also for those who have the document already."""
        license = License(store.account, store.product)
        known = {path: store.get(path, license.token).headers["ETag"] for path in (*TEXTS, *SPECS)}
        for path, tag in known.items():
            assert store.get(path, license.token, **{"If-None-Match": tag}).status == 304
        license.set(suspended=True)
        for path in known.keys() - {"names"}:
            assert store.get(path, license.token, **{"If-None-Match": known[path]}).status == 403
        assert [store.get(path, license.token).status for path in files("1.0.0")] == [403] * 2
        assert store.get("specs.4.8.gz", license.key).error["code"] == "LICENSE_SUSPENDED"
        license.set(suspended=False)
        store.set_status("1.0.0", "YANKED")
        assert store.versions(license.token) == {}

    def test_what_was_released_before_expiry_stays(self, store: Store):
        restricted = License(store.account, store.product, expiry=days(-1), expiration_strategy="RESTRICT_ACCESS")
        assert store.versions(restricted.key) == {}
        store.account.sql("UPDATE releases SET backdated = %s WHERE version = '1.0.0' AND account_id = %s",
                          days(-2), store.account.id)  # fmt: skip
        assert sees(store, restricted.key, "1.0.0")

    def test_a_license_without_a_permission(self, gated: Store):
        license = License(gated.account, gated.product)
        license.set(permissions=["license.read", "package.read"])
        assert gated.versions(license.key) == 403


class TestUsers:
    @pytest.mark.parametrize("joined", ["owner", "attached"])
    def test_users_see_what_their_licenses_see(self, gated: Store, joined: str):
        for held, expected in (((gated.needed,), "1.0.0,1.2.0,3.0.0.pre.rc.1"), ((), "1.0.0")):
            person = user(gated.account)
            members = {"owner": person} if joined == "owner" else {"users": (person,)}
            License(gated.account, gated.product, entitlements=held, **members)
            api = token_of(gated.account, "users", person)
            assert gated.versions(api) == {"kestrel": expected}
            assert gated.get("names", api).body == b"---\nkestrel\n"
            assert len(gated.lines("info/kestrel", api)) == expected.count(",") + 1
            assert [gated.get(path, api).status for path in files("1.2.0")] == [200 if held else 404] * 2

    def test_users_without_licenses_see_open_gems(self, store: Store):
        api = token_of(store.account, "users", user(store.account))
        assert store.versions(api) == {}
        assert store.lines("info/kestrel", api) == 404
        store.open_up()
        assert sees(store, api, "1.0.0")


class TestAnybody:
    @pytest.mark.parametrize("strategy", ["LICENSED", "CLOSED"])
    def test_who_names_a_gem_is_asked_for_a_key(self, store: Store, strategy: str):
        """Bundler then says what to do; gem at least why."""
        store.open_up(strategy)
        for path in ("info/kestrel", f"info/{store.package['id']}", *files("1.0.0")):
            answer = store.get(path, store.anonymous)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="keygen"')
        assert "license:KEY@HOST" in store.get(files("1.0.0")[0], store.anonymous).error["detail"]

    def test_who_would_see_nothing_is_asked_too(self, gated: Store):
        """But for names and prereleases: gem reads those before it knows."""
        asked = {path: gated.get(path, gated.anonymous).status for path in ("versions", "names", *SPECS)}
        assert asked == {"versions": 401, "names": 200, "specs.4.8.gz": 401, "latest_specs.4.8.gz": 401,
                         "prerelease_specs.4.8.gz": 200}  # fmt: skip
        assert gated.specs("prerelease_specs.4.8.gz", gated.anonymous) == []

    def test_open_gems_show_beside_others(self, store: Store):
        other = Store(store.account, "OPEN", "hawk")
        other.publish("1.0.0")
        assert store.versions(store.anonymous) == {"hawk": "1.0.0"}
        assert store.get("names", store.anonymous).body == b"---\nhawk\n"
        assert store.specs(api=store.anonymous) == [("hawk", "1.0.0", "ruby")]
        assert store.get("info/kestrel", store.anonymous).status == 401

    def test_open_gems_show_what_is_published_for_all(self, store: Store):
        store.open_up()
        assert sees(store, store.anonymous, "1.0.0")

    def test_unknown_gems_are_unknown_to_anybody(self, gated: Store):
        for path in ("info/unknown", "gems/unknown-1.gem", "gems/kestrel-9.gem", "quick/Marshal.4.8/x-1.gemspec.rz"):
            assert gated.get(path, gated.anonymous).status == 404

    def test_the_root_says_yes_to_anybody(self, gated: Store):
        assert gated.get("", gated.anonymous, method="HEAD").status == 200


class TestAccounts:
    def test_canceled_accounts_serve_nothing(self, store: Store):
        store.account.sql("UPDATE accounts SET status = 'CANCELED' WHERE id = %s", store.account.id)
        for path in TEXTS:
            answer = store.get(path)
            assert (answer.status, answer.body, answer.headers["Content-Type"]) == (403, b"", "text/plain")
        for path in (*SPECS, *files("1.0.0")):
            answer = store.get(path)
            assert (answer.status, answer.headers["Content-Type"]) == (403, "application/vnd.api+json; charset=utf-8")

    def test_unknown_accounts(self, gated: Store):
        base = f"{gated.admin.root}/v1/accounts/no-such-account/engines/rubygems"
        assert fetch("GET", f"{base}/versions").status == 404
        assert fetch("GET", f"{base}/specs.4.8.gz").error["code"] == "NOT_FOUND"

    def test_environments(self, store: Store):
        """Records of an environment are for those who name it; global ones too where it is shared."""
        account = store.account
        for isolation, anonymous in (("SHARED", 401), ("ISOLATED", 404)):
            account.sql(
                "INSERT INTO environments (id, account_id, code, name, isolation_strategy) "
                "VALUES (gen_random_uuid(), %s, %s, 'x', %s)",
                account.id, isolation.lower(), isolation,
            )  # fmt: skip
            chosen = {"Keygen-Environment": isolation.lower()}
            for path in ("info/kestrel", files("1.0.0")[0]):
                assert store.get(path, store.anonymous, **chosen).status == anonymous
            assert store.get("versions", store.anonymous, **chosen).status == (401 if isolation == "SHARED" else 200)
        assert store.get("info/kestrel", **{"Keygen-Environment": "shared"}).status == 200
