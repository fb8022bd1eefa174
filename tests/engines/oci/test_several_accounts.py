"""Several vendors on one host: clients send what they have for the host with every request, whoever's it is."""

from __future__ import annotations

import pytest

from tests.daemon_fixtures import Account, basic, fetch
from tests.engines.oci.conftest import errors_of
from tests.engines.oci.store import Store, license_basic


@pytest.fixture
def open_store(account: Account) -> Store:
    store = Store(account, "OPEN", "free")
    store.publish("1.0.0")
    return store


@pytest.fixture
def licensed_store(account: Account) -> Store:
    store = Store(account, "LICENSED", "paid")
    store.publish("1.0.0")
    return store


def credentials(store: Store) -> list[str]:
    """Of the other vendor: a license key and an API token."""
    return [license_basic(store.license), basic("token", store.account.token)]


def test_open_image_of_another_vendor(open_store: Store, closed_shelf: Store):
    """Who is logged in with one vendor's license still pulls what another gives to everybody."""
    for authorization in credentials(closed_shelf):
        api = open_store.with_token(open_store.token(authorization))
        assert open_store.get("manifests/1.0.0", api).status == 200
        assert open_store.get("tags/list", api).json["tags"] == ["1.0.0"]


def test_licensed_image_of_another_vendor(licensed_store: Store, closed_shelf: Store):
    """They open nothing else there, and the client is told to log in."""
    for authorization in credentials(closed_shelf):
        api = licensed_store.with_token(licensed_store.token(authorization))
        for what in ("manifests/1.0.0", "tags/list"):
            answer = licensed_store.get(what, api)
            assert answer.status == 401
            assert "license" in errors_of(answer)[0]["message"]
            assert 'error="' not in answer.headers["WWW-Authenticate"]


def test_one_token_for_repositories_of_both(open_store: Store, closed_shelf: Store):
    for names in ([open_store.name, closed_shelf.name], [closed_shelf.name, open_store.name]):
        for authorization in credentials(closed_shelf):
            token = closed_shelf.token(authorization, *names)
            assert closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token)).status == 200
            assert open_store.get("manifests/1.0.0", open_store.with_token(token)).status == 200


def test_wrong_credentials_stay_wrong(open_store: Store, closed_shelf: Store):
    """Whatever they are sent for: a mistyped key is never taken for nobody's."""
    for authorization in (basic("license", "wrong"), basic("token", "wrong"), basic("x", "wrong")):
        open_store.token(authorization, expected=401)
        open_store.token(authorization, open_store.name, closed_shelf.name, expected=401)
        open_store.token(authorization, "no-such-account/x", expected=401)


def test_suspended_license_of_the_second_account(account: Account, open_store: Store, licensed_store: Store):
    license = licensed_store.licensed()
    licensed_store.admin.post(f"/licenses/{license['id']}/actions/suspend")
    licensed_store.token(license_basic(license), licensed_store.name, expected=403)


def test_log_in_with_a_token_again_and_after_its_end(account: Account):
    store = Store(account)
    made = store.admin.post(f"/products/{store.product['id']}/tokens").data
    header = {"Authorization": basic("token", made["attributes"]["token"])}
    statuses = [fetch("GET", f"{store.root}/token?service=x", headers=header).status for _ in range(3)]
    assert statuses == [200, 200, 200]
    store.admin.delete(f"/tokens/{made['id']}")
    statuses = [fetch("GET", f"{store.root}/token?service=x", headers=header).status for _ in range(3)]
    assert statuses == [401, 401, 401]


def test_more_repositories_than_a_token_has_room_for(closed_shelf: Store):
    """The token is still one that we take ourselves, and the others can be had alone."""
    authorization = license_basic(closed_shelf.license)
    others = [f"{closed_shelf.account.slug}/{'r' * 90}{number}" for number in range(45)]
    token = closed_shelf.token(authorization, closed_shelf.name, *others)
    assert closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token)).status == 200
    token = closed_shelf.token(authorization, *others, closed_shelf.name)
    answer = closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token))
    assert (answer.status, 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]) == (401, True)
    token = closed_shelf.token(authorization)
    assert closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token)).status == 200


@pytest.mark.parametrize("size", [1_000, 100_000, 150_000, 900_000])
def test_large_form(closed_shelf: Store, size: int):
    key = closed_shelf.license["attributes"]["key"]
    form = f"client_id={'x' * size}&grant_type=password&username=license&password={key}"
    assert fetch("POST", f"{closed_shelf.root}/token", form.encode()).status in (200, 400, 413)


def test_link_of_a_path_with_many_slashes(account: Account, open_store: Store):
    """It stays on the host that was asked."""
    open_store.publish("2.0.0")
    url = f"{account.daemon.url}//v2//{open_store.name}//tags//list?n=1"
    answer = open_store.ask(url)
    assert answer.headers["Link"].startswith("</v2//")


class TestCatalog:
    def ask(self, store: Store, api, query: str = ""):
        return store.ask(f"{store.root}/_catalog{query}", api)

    def test_needs_credentials(self, licensed_store: Store):
        answer = self.ask(licensed_store, licensed_store.anonymous)
        assert answer.status == 401
        assert self.ask(licensed_store, licensed_store.with_token(licensed_store.token(None))).status == 401
        assert self.ask(licensed_store, licensed_store.admin.as_(key="wrong")).status == 401

    def test_shows_what_the_caller_may_read(self, account: Account, licensed_store: Store, open_store: Store):
        """Not what others have bought, and of no other account."""
        hidden = Store(account, "CLOSED", "hidden")
        hidden.publish("1.0.0")
        license = licensed_store.licensed()
        slug = account.slug
        for api in (licensed_store.holder(license),
                    licensed_store.with_token(licensed_store.token(license_basic(license)))):  # fmt: skip
            assert self.ask(licensed_store, api).json == {"repositories": [f"{slug}/free", f"{slug}/paid"]}
        other = open_store.licensed()
        assert self.ask(licensed_store, open_store.holder(other)).json == {"repositories": [f"{slug}/free"]}
        everything = [f"{slug}/{key}" for key in ("free", "hidden", "paid")]
        assert self.ask(licensed_store, licensed_store.admin).json == {"repositories": everything}

    def test_only_images(self, account: Account, licensed_store: Store):
        licensed_store.admin.make_package(licensed_store.product, "python-thing", "pypi")
        assert self.ask(licensed_store, licensed_store.admin).json["repositories"] == [licensed_store.name]

    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_pages(self, account: Account, n: int):
        names = sorted(f"{account.slug}/{key}" for key in ("a", "a/b", "b", "B-upper", "tools/app"))
        for name in names:
            Store(account, "OPEN", name.partition("/")[2])
        url, seen = f"{account.daemon.url}/v2/_catalog?n={n}", []
        while url:
            answer = fetch("GET", url, headers={"Authorization": account.admin.authorization})
            assert len(answer.json["repositories"]) <= n
            seen += answer.json["repositories"]
            link = answer.headers.get("Link")
            url = link and account.daemon.url + link[1 : link.index(">")]
        assert seen == names

    @pytest.mark.parametrize(("query", "status"), [("?n=x", 400), ("?n=0", 200), ("?last=zzzz", 200), ("?n=-1", 400)])
    def test_odd_pages(self, licensed_store: Store, query: str, status: int):
        answer = self.ask(licensed_store, licensed_store.admin, query)
        assert answer.status == status
        if status == 200:
            assert answer.json["repositories"] == []
            assert "Link" not in answer.headers

    def test_is_never_behind(self, account: Account, licensed_store: Store):
        """What is published, withdrawn or suspended shows in the next answer."""
        license = licensed_store.licensed()
        apis = [licensed_store.holder(license), licensed_store.with_token(licensed_store.token(license_basic(license)))]
        for number in range(3):
            keys = sorted(["paid", *(f"more-{n}" for n in range(number))])
            for api in apis:
                answers = [self.ask(licensed_store, api) for _ in range(2)]
                assert [each.json for each in answers] == [
                    {"repositories": sorted(f"{account.slug}/{key}" for key in keys)}
                ] * 2
                head = licensed_store.ask(f"{licensed_store.root}/_catalog", api, method="HEAD")
                assert head.headers["Content-Length"] == str(len(answers[0].body))
            Store(account, "OPEN", f"more-{number}").publish("1.0.0")
        licensed_store.admin.post(f"/licenses/{license['id']}/actions/suspend")
        assert [self.ask(licensed_store, api).status for api in apis] == [403, 403]

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    def test_is_only_read(self, licensed_store: Store, method: str):
        url = f"{licensed_store.root}/_catalog"
        assert licensed_store.ask(url, method=method).status == 405
        assert licensed_store.ask(url, licensed_store.anonymous, method=method).status == 401

    def test_below_the_account(self, account: Account, licensed_store: Store):
        url = f"{account.daemon.url}/v1/accounts/{account.slug}/engines/oci/_catalog"
        assert licensed_store.ask(url).json["repositories"] == [licensed_store.name]
        assert licensed_store.ask(url, licensed_store.anonymous).status == 401
