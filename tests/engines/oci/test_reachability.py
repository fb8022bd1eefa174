"""Every arrangement of a small world: who reaches which layer through which release, against a model of one line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tests.daemon_fixtures import Account
from tests.engines.oci.conftest import new_account
from tests.engines.oci.layouts import Layout, digest_of
from tests.engines.oci.store import Store

VERSIONS = ["1.0.0", "2.0.0", "3.0.0"]
#: Layers by the releases whose images have them: each one's own, each pair's, and everybody's.
LAYERS = [frozenset(chosen) for count in (1, 2, 3) for chosen in itertools.combinations(VERSIONS, count)]
#: What a release needs, as sets of the entitlements A and B; and what a license holds.
NEEDS = [frozenset(), frozenset("A"), frozenset("B"), frozenset("AB")]
LICENSES = {"none": frozenset(), "A": frozenset("A"), "B": frozenset("B")}


def content(layer: frozenset[str]) -> bytes:
    return ("layer of " + ", ".join(sorted(layer))).encode()


class World:
    """Three releases that share layers, and three licenses: without entitlements, with A, with B; a user has all."""

    def __init__(self, account: Account) -> None:
        self.store = Store(account, "LICENSED")
        self.connection = HTTPConnection("localhost", account.daemon.port)
        self.manifests = {}
        for version in VERSIONS:
            layout = Layout()
            found = layout.image(*(content(layer) for layer in LAYERS if version in layer), config=version.encode())
            self.manifests[version] = found["digest"]
            self.store.publish(version, layout.add(found))
        admin = self.store.admin
        self.entitlements = {
            code: admin.make("/entitlements", "entitlements", {"name": code, "code": code}) for code in "AB"
        }
        self.holders = {}
        self.holds: dict[str, list[frozenset[str]]] = {name: [held] for name, held in LICENSES.items()}
        for name, held in LICENSES.items():
            license = self.store.licensed()
            for code in held:
                linked = {"data": [{"type": "entitlements", "id": self.entitlements[code]["id"]}]}
                assert admin.post(f"/licenses/{license['id']}/entitlements", linked).status < 300
            self.holders[name] = self.store.holder(license)
        self.holders["anonymous"] = self.store.anonymous
        self.holds["anonymous"] = []

    def status_of(self, layer: frozenset[str], who: str) -> int:
        """What asking for a layer is answered; over one connection, as there are thousands of questions."""
        authorization = self.holders[who].authorization
        headers = {"Authorization": authorization} if authorization else {}
        self.connection.request("HEAD", f"/v2/{self.store.name}/blobs/{digest_of(content(layer))}", headers=headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status

    def arrange(self, needs: tuple[frozenset[str], ...], published: tuple[bool, ...]) -> None:
        account = self.store.account
        account.sql("DELETE FROM constraints WHERE account_id = %s", account.id)
        for version, needed, out in zip(VERSIONS, needs, published, strict=True):
            for code in needed:
                self.store.constrain(version, self.entitlements[code])
            account.sql(
                "UPDATE releases SET status = %s WHERE package_id = %s AND version = %s",
                "PUBLISHED" if out else "YANKED", self.store.package["id"], version,
            )  # fmt: skip

    def expected(self, who: str, releases: frozenset[str], needs: dict, published: dict) -> int:
        """The model: readable if one license reaches one published release that has it."""
        known = [version for version in releases if published[version]]
        if who == "anonymous":
            return 401
        if any(needs[version] <= held for version in known for held in self.holds[who]):
            return 200
        return 403 if known else 404


@pytest.fixture(scope="module")
def world(daemon, daemon_connection) -> Iterator[World]:
    made = World(new_account(daemon, daemon_connection))
    yield made
    made.connection.close()


@pytest.mark.parametrize(
    ("published", "needed"), [((True, True, True), NEEDS), ((True, False, True), NEEDS[:2]), ((False,) * 3, NEEDS[:1])]
)
def test_every_arrangement(world: World, published: tuple[bool, ...], needed: list[frozenset[str]]):
    """All needs of three releases, every license and nobody, every layer: as the model says."""
    wrong, state = [], dict(zip(VERSIONS, published, strict=True))
    for needs in itertools.product(needed, repeat=3):
        world.arrange(needs, published)
        asked = dict(zip(VERSIONS, needs, strict=True))
        for who in world.holders:
            for layer in LAYERS:
                status = world.status_of(layer, who)
                if status != world.expected(who, layer, asked, state):
                    wrong.append((published, needs, who, layer, status))
    assert not wrong
