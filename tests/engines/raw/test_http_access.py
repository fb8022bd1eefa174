"""Who reaches which files: the matrix of engines.md 10.5, credentials in the query, decisions 3 and 8."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.daemon_fixtures import Account, Answer, Api, basic, fetch
from tests.engines.raw.shop import Shop, path_of
from tests.management.customers import License, entitlement, product_api, token_of, user


@pytest.fixture
def shop(account: Account) -> Shop:
    """A LICENSED product with a published, a draft, and a waiting file, and one that needs an entitlement."""
    shop = Shop(account)
    shop.out = shop.publish("1.0.0", "app.zip", b"out", tag="now")
    shop.draft = shop.publish("2.0.0", "app.zip", b"draft", status="DRAFT")
    shop.waiting = shop.publish("1.1.0", "app.zip", None)
    shop.gated = shop.publish("1.2.0", "app.zip", b"gated")
    shop.gold = entitlement(account, "GOLD")
    shop.constrain(shop.gated["made"], shop.gold)
    return shop


def query_of(answer: Answer) -> dict[str, list[str]]:
    return parse_qs(urlsplit(answer.headers["Location"]).query)


class TestBearers:
    def test_anonymous(self, shop: Shop):
        """What is not OPEN does not exist, without a challenge; what is OPEN needs nothing."""
        for strategy, status in (("LICENSED", 404), ("CLOSED", 404), ("OPEN", 303)):
            shop.open_up(strategy)
            answer = shop.get("app/1.0.0/app.zip", shop.anonymous)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (status, None)
            assert shop.status("app/1.0.0/app.zip.sha256", shop.anonymous) == (200 if status == 303 else 404)
            assert shop.status("app/1.0.0", shop.anonymous) == (200 if status == 303 else 404)
        assert shop.follow(shop.get("app/1.0.0/app.zip", shop.anonymous)).body == b"out"
        assert shop.status("app/1.2.0/app.zip", shop.anonymous) == 404

    def test_licenses(self, shop: Shop):
        license = License(shop.account, shop.product)
        key = Api(shop.admin.root, shop.account.id, basic("license", license.secret))
        for api in (license.key, license.token, key):
            answer = shop.get("app/now/app.zip", api)
            assert (answer.status, urlsplit(answer.headers["Location"]).query) == (303, "")
            assert shop.follow(answer).status == 404
            assert shop.follow(answer, api).body == b"out"
            for version in ("2.0.0", "1.1.0", "1.2.0"):
                assert shop.status(f"app/{version}/app.zip", api) == 404
                assert shop.status(f"app/{version}/app.zip.sha256", api) == 404
            assert shop.get("app/latest", api, Accept="application/json").json["release"]["version"] == "1.1.0"

    def test_entitlements(self, shop: Shop):
        entitled = License(shop.account, shop.product, entitlements=(shop.gold,))
        assert shop.follow(shop.get("app/1.2.0/app.zip", entitled.key), entitled.key).body == b"gated"
        assert path_of(shop.get("app/latest/app.zip", entitled.key)) == shop.location(shop.gated, "app.zip")

    def test_a_latest_tag_that_is_not_for_the_caller(self, shop: Shop):
        """It is not replaced by another release; a draft's does not count."""
        license = License(shop.account, shop.product)
        set_tag = "UPDATE releases SET tag = 'latest' WHERE id = %s"
        shop.account.sql(set_tag, shop.draft["made"]["id"])
        assert shop.status("app/latest", license.key) == 200
        shop.account.sql("UPDATE releases SET tag = NULL WHERE id = %s", shop.draft["made"]["id"])
        shop.account.sql(set_tag, shop.gated["made"]["id"])
        assert shop.status("app/latest", license.key) == 404

    def test_licenses_of_other_or_closed_products(self, shop: Shop):
        other = License(shop.account, shop.admin.make_product())
        assert shop.status("app/1.0.0/app.zip", other.key) == 404
        shop.open_up("CLOSED")
        assert shop.status("app/1.0.0/app.zip", License(shop.account, shop.product).key) == 404

    def test_users(self, shop: Shop):
        """Owners and attached users of a license, and nobody else."""
        owner, attached, stranger = (user(shop.account) for _ in range(3))
        License(shop.account, shop.product, owner=owner, users=(attached,))
        License(shop.account, shop.admin.make_product(), owner=stranger)
        for identifier, status in ((owner, 303), (attached, 303), (stranger, 404)):
            api = token_of(shop.account, "users", identifier)
            assert shop.status("app/now/app.zip", api) == status
            assert shop.status("app/2.0.0/app.zip", api) == 404

    def test_products(self, shop: Shop):
        """Their drafts and waiting files too; of those that wait, the second hop tells."""
        mine, other = product_api(shop.account, shop.product), product_api(shop.account, shop.admin.make_product())
        package = shop.admin.make_package(shop.product, "pack")
        packed = shop.publish("1.0.0", "p.zip", package=package, tag="new")
        assert path_of(shop.get("app/@pack/new/p.zip", mine)) == shop.location(packed, "p.zip")
        assert shop.status("app/now/app.zip", mine) == 303
        assert shop.follow(shop.get("app/2.0.0/app.zip", mine), mine).body == b"draft"
        second = shop.follow(shop.get("app/1.1.0/app.zip", mine), mine)
        assert (second.status, second.data["attributes"]["status"]) == (200, "WAITING")
        assert "redirect" not in second.data["links"]
        for path in ("app/1.0.0/app.zip", "app/@pack/new/p.zip"):
            assert shop.status(path, other) == 404

    def test_staff(self, shop: Shop):
        for role in ("developer", "read-only", "sales-agent", "support-agent"):
            assert shop.status("app/2.0.0/app.zip", token_of(shop.account, "users", user(shop.account, role))) == 303

    def test_wrong_credentials(self, shop: Shop):
        """They help nowhere, not even where none are needed."""
        shop.open_up("OPEN")
        answer = shop.get("app/1.0.0/app.zip", shop.admin.as_(key="nonsense"))
        assert (answer.status, answer.error["code"]) == (401, "LICENSE_INVALID")
        assert shop.get("app/1.0.0/app.zip?auth=license:nonsense", shop.anonymous).status == 401

    def test_lost_rights_show_at_once(self, shop: Shop):
        license = License(shop.account, shop.product)
        assert shop.status("app/1.0.0/app.zip", license.token) == 303
        license.set(suspended=True)
        assert shop.status("app/1.0.0/app.zip", license.token) == 404
        assert shop.get("app/1.0.0/app.zip", license.key).error["code"] == "LICENSE_SUSPENDED"

    def test_permissions(self, shop: Shop):
        license = License(shop.account, shop.product)
        license.set(permissions=["license.read", "release.read"])
        answer = shop.get("app/1.0.0/app.zip", license.key)
        assert (answer.status, "artifact.read" in answer.error["detail"]) == (403, True)

    def test_canceled_accounts(self, shop: Shop):
        shop.account.sql("UPDATE accounts SET status = 'CANCELED' WHERE id = %s", shop.account.id)
        answer = shop.get("app/1.0.0/app.zip")
        assert (answer.status, answer.error["title"]) == (403, "Account does not have an active subscription")


class TestCredentialsInTheQuery:
    """They come in, never out: the next address has a ticket for one artifact instead."""

    @pytest.fixture
    def license(self, shop: Shop) -> License:
        return License(shop.account, shop.product, entitlements=(shop.gold,))

    def first(self, shop: Shop, credentials: str, path: str = "app/1.0.0/app.zip", more: str = "") -> Answer:
        answer = shop.get(f"{path}?{credentials}{more}", shop.anonymous)
        assert answer.status == 303, answer
        return answer

    def test_every_form(self, shop: Shop, license: License):
        token = license.token.authorization.split()[1]
        for credentials in (
            f"auth=license:{license.secret}", f"auth=token:{token}", f"token={token}",
            f"auth={quote('license:' + license.secret, safe='')}",
        ):  # fmt: skip
            answer = self.first(shop, credentials)
            assert set(query_of(answer)) == {"ticket"}
            assert license.secret not in answer.headers["Location"] and token not in answer.headers["Location"]
            assert shop.follow(answer).body == b"out"
            assert shop.follow(answer, Range="bytes=1-").body == b"ut"

    def test_everybody_else(self, shop: Shop):
        """Tokens of products and staff; ``ttl`` and ``prefer`` still work."""
        token = product_api(shop.account, shop.product).authorization.split()[1]
        answer = self.first(shop, f"token={token}", "app/2.0.0/app.zip", "&ttl=60&prefer=no-redirect")
        assert set(query_of(answer)) == {"ticket", "ttl", "prefer"}
        second = shop.follow(answer)
        assert (second.status, second.data["id"]) == (200, shop.draft["id"])
        assert fetch("GET", second.headers["Location"]).body == b"draft"
        wrong = self.first(shop, f"token={token}", "app/2.0.0/app.zip", "&ttl=never")
        assert shop.follow(wrong).status == 400

    def test_a_header_counts_and_needs_no_ticket(self, shop: Shop, license: License):
        answer = shop.get("app/1.0.0/app.zip?auth=license:nonsense&x=1", license.key)
        assert query_of(answer) == {"x": ["1"]}

    def test_a_ticket_is_for_one_artifact(self, shop: Shop, license: License):
        answer = self.first(shop, f"auth=license:{license.secret}")
        other = answer.headers["Location"].replace(shop.out["id"], shop.gated["id"])
        assert fetch("GET", other).status == 403
        ticket = query_of(answer)["ticket"][0]
        for path in ("/artifacts/app.zip", f"/artifacts/{shop.out['id']}", "/licenses", "/me"):
            assert shop.anonymous.get(f"{path}?ticket={ticket}").status in (401, 404)
        assert shop.anonymous.get(f"/artifacts?ticket={ticket}").data == []
        assert shop.anonymous.delete(f"/artifacts/{shop.out['id']}?ticket={ticket}").status == 401
        assert shop.get(f"app/1.0.0/app.zip?ticket={ticket}", shop.anonymous).status == 404

    @pytest.mark.parametrize("ticket", ["", "x", "A" * 60, "%C3%BC"])
    def test_forged(self, shop: Shop, ticket: str):
        answer = fetch("GET", f"{shop.admin.root}{shop.location(shop.out, 'app.zip')}?ticket={ticket}")
        assert answer.status == 403

    def test_rights_are_judged_when_it_is_used(self, shop: Shop, license: License):
        answer = self.first(shop, f"auth=license:{license.secret}", "app/1.2.0/app.zip")
        assert shop.follow(answer).body == b"gated"
        license.set(suspended=True)
        assert shop.follow(answer).status == 403
        license.set(suspended=False)
        shop.account.sql("DELETE FROM license_entitlements WHERE license_id = %s", license.id)
        assert shop.follow(answer).status == 404

    def test_a_token_that_got_another_secret(self, shop: Shop, license: License):
        answer = self.first(shop, f"token={license.token.authorization.split()[1]}")
        shop.account.sql("UPDATE tokens SET digest = 'other' WHERE bearer_license_id = %s", license.id)
        assert shop.follow(answer).status == 401

    def test_a_revoked_token(self, shop: Shop, license: License):
        answer = self.first(shop, f"token={license.token.authorization.split()[1]}")
        shop.account.sql("DELETE FROM tokens WHERE bearer_license_id = %s", license.id)
        assert shop.follow(answer).error["code"] == "TOKEN_INVALID"

    def test_the_clock_of_a_license_starts_with_the_download_only(self, shop: Shop):
        """Not at the redirect, nor for checksums and lists."""
        license = License(shop.account, shop.product, duration=3600, expiration_basis="FROM_FIRST_DOWNLOAD")
        answer = self.first(shop, f"auth=license:{license.secret}")
        shop.get("app/1.0.0/app.zip.sha256", license.key)
        shop.get("app/1.0.0", license.key)
        assert license.expiry is None
        assert shop.follow(answer).body == b"out"
        assert license.expiry is not None


class TestEnvironments:
    def test_files_of_an_environment(self, shop: Shop):
        [(environment,)] = shop.account.sql(
            "INSERT INTO environments (id, account_id, name, code, isolation_strategy) "
            "VALUES (gen_random_uuid(), %s, 'Staging', 'staging', 'SHARED') RETURNING id",
            shop.account.id,
        )
        shop.account.sql("UPDATE releases SET environment_id = %s WHERE id = %s", environment, shop.out["made"]["id"])
        shop.account.sql("UPDATE artifacts SET environment_id = %s WHERE id = %s", environment, shop.out["id"])
        shop.open_up("OPEN")
        assert shop.status("app/1.0.0/app.zip", shop.anonymous) == 404
        answer = shop.get("app/1.0.0/app.zip?environment=staging", shop.anonymous)
        assert (answer.status, answer.headers["Keygen-Environment"]) == (303, "staging")
        assert shop.follow(answer).body == b"out"
        headed = shop.get("app/1.0.0/app.zip", shop.anonymous, Keygen_Environment="staging")
        assert shop.follow(headed, **{"Keygen-Environment": "staging"}).body == b"out"
