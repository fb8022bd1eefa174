"""Documents that are made anew after a change are the same as documents that are made from nothing.

Entries that are kept are found by the registry's address too. So whoever asks under an address that nobody has used yet
gets a document for which every entry is made.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from tests.daemon_fixtures import Account, Answer, Api, fetch
from tests.engines.npm.store import NPM
from tests.engines.npm.tarballs import package as tarball
from tests.engines.pypi.archives import WHEEL_NAME, metadata, sdist, wheel

_NEW = count(1)
_KNOWN = "known.example"
_JSON = "application/vnd.pypi.simple.v1+json"
_METADATA = metadata(Metadata_Version="2.1", Name="acme", Version="2.0.0")
_WHEEL = wheel(_METADATA, folder="acme-2.0.0.dist-info")


class Shop:
    """A project and a package of one LICENSED product, each with two releases, the second of which is for some only."""

    def __init__(self, account: Account) -> None:
        self.sql = account.sql
        self.admin = admin = account.admin
        self.product = admin.make_product()
        self.extra = admin.make("/entitlements", "entitlements", {"name": "Extra", "code": "EXTRA"})
        self.policy = admin.make_policy(self.product)
        self.plain, self.rich = (admin.make_license(self.policy) for _ in range(2))
        self.link("licenses", self.rich, "entitlements", self.extra)
        self.packages = {engine: admin.make_package(self.product, "acme", engine) for engine in ("pypi", "npm")}
        self.releases = {engine: [self.release(engine, version) for version in ("1.0.0", "2.0.0")]
                         for engine in self.packages}  # fmt: skip
        self.artifacts = {
            "pypi": [self.upload("pypi", 0, WHEEL_NAME, wheel()),
                     self.upload("pypi", 1, "acme-2.0.0.tar.gz", sdist(_METADATA, top="acme-2.0.0"))],
            "npm": [self.upload("npm", 0, "acme-1.0.0.tgz", tarball("acme", "1.0.0")),
                    self.upload("npm", 1, "acme-2.0.0.tgz", tarball("acme", "2.0.0"))],
        }  # fmt: skip
        self.bearers = {
            "nobody": admin.as_(),
            "plain": admin.as_(key=self.plain["attributes"]["key"]),
            "rich": admin.as_(key=self.rich["attributes"]["key"]),
            "admin": admin,
        }

    def release(self, engine: str, version: str) -> dict:
        return self.admin.make_release(self.product, version, package=self.packages[engine])

    def upload(self, engine: str, release: int, filename: str, content: bytes) -> dict:
        return self.admin.make_artifact(self.releases[engine][release], filename, content)

    def link(self, kind: str, owner: dict, name: str, other: dict) -> None:
        done(self.admin.post(f"/{kind}/{owner['id']}/{name}", {"data": [{"type": name, "id": other["id"]}]}))

    def change(self, kind: str, record: dict, **attributes: object) -> None:
        document = {"data": {"type": kind, "attributes": attributes}}
        done(self.admin.patch(f"/{kind}/{record['id']}", document))

    def each(self, kind: str, records: Callable[[str], dict], **attributes: object) -> None:
        for engine in self.packages:
            self.change(kind, records(engine), **attributes)

    def documents(self, host: str) -> dict[tuple[str, str], tuple]:
        """What everybody gets, by form and bearer, with the address taken out."""
        forms = {
            "JSON": ("pypi/simple/acme/", _JSON),
            "HTML": ("pypi/simple/acme/", "text/html"),
            "full": ("npm/acme", "application/json"),
            "abbreviated": ("npm/acme", NPM),
        }
        return {
            (form, bearer): self._document(api, path, accept, host)
            for form, (path, accept) in forms.items()
            for bearer, api in self.bearers.items()
        }

    def _document(self, api: Api, path: str, accept: str, host: str) -> tuple:
        sent = {"Host": host, "Accept": accept} | ({"Authorization": api.authorization} if api.authorization else {})
        answer = fetch("GET", f"{api.base}/engines/{path}", headers=sent)
        if answer.status != 200:
            return (answer.status,)
        return answer.status, answer.body.replace(host.encode(), b"HOST"), answer.headers["Last-Modified"]


def done(answer: Answer) -> None:
    assert answer.status < 300, answer


def replace_file(shop: Shop) -> None:
    """The same release gets other bytes under the same name."""
    done(shop.admin.delete(f"/artifacts/{shop.artifacts['npm'][0]['id']}"))
    shop.artifacts["npm"][0] = shop.upload("npm", 0, "acme-1.0.0.tgz", tarball("acme", "1.0.0", description="Other"))


def remove_files(shop: Shop) -> None:
    for engine in shop.packages:
        done(shop.admin.delete(f"/artifacts/{shop.artifacts[engine][1]['id']}"))


def constrain(shop: Shop) -> None:
    related = {"entitlement": {"data": {"type": "entitlements", "id": shop.extra["id"]}}}
    for engine in shop.packages:
        done(shop.admin.post(
            f"/releases/{shop.releases[engine][1]['id']}/constraints",
            {"data": [{"type": "constraints", "relationships": related}]},
        ))  # fmt: skip


def yank(shop: Shop) -> None:
    for engine in shop.packages:
        done(shop.admin.post(f"/releases/{shop.releases[engine][0]['id']}/actions/yank"))


def detach(shop: Shop) -> None:
    data = [{"type": "entitlements", "id": shop.extra["id"]}]
    done(shop.admin.delete(f"/licenses/{shop.rich['id']}/entitlements", {"data": data}))


def read_again(shop: Shop) -> None:
    """What the files say of themselves, as if they had been read by a newer release of this program."""
    shop.sql(
        """UPDATE manifests m SET metadata = m.metadata || '{"requires_python": ">=3.99", "file_count": 99}'
        FROM artifacts a WHERE a.id = m.artifact_id AND a.account_id = %s""",
        shop.admin.account,
    )


def digest_later(shop: Shop) -> None:
    shop.sql(
        """UPDATE blobs SET sha512 = repeat('ab', 64), sha1 = repeat('cd', 20), md5 = repeat('ef', 16)
        WHERE sha256 IN (SELECT blob_sha256 FROM artifacts WHERE account_id = %s)""",
        shop.admin.account,
    )


#: In this order, on one shop. Those that must show in a document are marked.
_CHANGES: list[tuple[Callable[[Shop], object], bool]] = [
    (lambda shop: shop.each("releases", lambda e: shop.releases[e][0], name="Renamed"), False),
    (lambda shop: shop.each("releases", lambda e: shop.releases[e][0], metadata={"deprecated": "a"}), True),
    (lambda shop: shop.each("artifacts", lambda e: shop.artifacts[e][0], metadata={"deprecated": "c", "x": "d"}), True),
    (lambda shop: shop.each("packages", lambda e: shop.packages[e], metadata={"deprecated": "e"}), True),
    (lambda shop: shop.each("packages", lambda e: shop.packages[e], name="Another name"), False),
    (constrain, True),
    (detach, True),
    (lambda shop: shop.link("policies", shop.policy, "entitlements", shop.extra), True),
    (lambda shop: done(shop.admin.post(f"/licenses/{shop.plain['id']}/actions/suspend")), True),
    (lambda shop: done(shop.admin.post(f"/licenses/{shop.plain['id']}/actions/reinstate")), True),
    (lambda shop: shop.change("products", shop.product, distributionStrategy="OPEN"), True),
    (read_again, True),
    (digest_later, True),
    (replace_file, True),
    (yank, True),
    (lambda shop: shop.upload("pypi", 1, "acme-2.0.0-py3-none-any.whl", _WHEEL), True),
    (remove_files, True),
    (lambda shop: shop.change("products", shop.product, distributionStrategy="CLOSED"), True),
]


def test_after_each_kind_of_change(account: Account) -> None:
    """Whoever asks, in whatever form; with what was kept before all of them."""
    shop = Shop(account)
    before = shop.documents(_KNOWN)
    assert {bearer: documents[0] for (form, bearer), documents in before.items() if form == "JSON"} == {
        "nobody": 401, "plain": 200, "rich": 200, "admin": 200,
    }  # fmt: skip
    assert all(b"HOST" in document[1] for document in before.values() if document[0] == 200)
    for number, (change, shows) in enumerate(_CHANGES):
        change(shop)
        now = shop.documents(_KNOWN)
        assert now == shop.documents(f"new-{next(_NEW)}.example"), number
        assert not shows or _shown(now) != _shown(before), f"change {number} does not show"
        before = now


def _shown(documents: dict[tuple[str, str], tuple]) -> dict[tuple[str, str], tuple]:
    """Without times of changes."""
    return {name: parts[:2] for name, parts in documents.items() if name[0] != "abbreviated"}


@pytest.mark.parametrize("path", ["pypi/simple/acme/", "npm/acme"])
def test_a_document_that_nobody_has_asked_for(account: Account, path: str) -> None:
    """The list of what there is and the rows themselves are asked for apart, and there may be none."""
    shop = Shop(account)
    for engine in shop.packages:
        for artifact in shop.artifacts[engine]:
            done(shop.admin.delete(f"/artifacts/{artifact['id']}"))
    answer = fetch("GET", f"{shop.admin.base}/engines/{path}", headers={"Authorization": shop.admin.authorization})
    assert answer.status == (200 if path.startswith("pypi") else 404)
