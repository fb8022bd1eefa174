"""docker, podman, skopeo, buildah, containerd, oras and crane against the OCI engine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.clients.cutting_proxy import CuttingProxy
from tests.clients.oci_clients import CLIENTS, Client, Crane, Oras, Podman, start_containerd, start_dockerd
from tests.daemon_fixtures import Account
from tests.engines.oci.images import real_image
from tests.engines.oci.layouts import EMPTY, Layout
from tests.engines.oci.store import Store


@pytest.fixture(scope="module")
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    running = start_dockerd(tmp_path_factory.mktemp("dockerd"))
    yield
    running.stop()


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    running = start_containerd(tmp_path_factory.mktemp("containerd"))
    yield
    running.stop()


@pytest.fixture(params=list(CLIENTS))
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    needed = {"docker": "dockerd", "containerd": "containerd"}
    if request.param in needed:
        request.getfixturevalue(needed[request.param])
    # podman wants a short path.
    with TemporaryDirectory(prefix="oci", ignore_cleanup_errors=True) as folder:
        made = CLIENTS[request.param](Path(folder))
        yield made
        made.close()


class Vendor(Store):
    """A vendor of an image for two platforms: version 1.0.0 with the tag ``stable``."""

    def __init__(self, account: Account, strategy: str) -> None:
        super().__init__(account, strategy, "tools/app")
        # Nothing of one test may be in the caches of the clients' daemons from another.
        self.layout = real_image(account.id.encode())
        self.publish("1.0.0", self.layout, tag="stable")
        index = self.layout.roots[0]
        listed = json.loads(self.layout.content(index))["manifests"]
        self.index, (self.amd64, self.arm64) = index["digest"], [each["digest"] for each in listed]

    @property
    def registry(self) -> str:
        return f"127.0.0.1:{self.account.daemon.port}"

    def reference(self, rest: str = ":stable", registry: str | None = None) -> str:
        return f"{registry or self.registry}/{self.name}{rest}"


@pytest.fixture
def licensed(account: Account) -> Vendor:
    return Vendor(account, "LICENSED")


@pytest.fixture
def open_vendor(account: Account) -> Vendor:
    return Vendor(account, "OPEN")


def log_in(client: Client, vendor: Vendor, license: dict | None = None) -> dict:
    license = license or vendor.licensed()
    client.login(vendor.registry, "license", license["attributes"]["key"]).ok()
    return license


@pytest.mark.parametrize("client", [name for name, kind in CLIENTS.items() if kind.logs_in], indirect=True)
def test_log_in(client: Client, licensed: Vendor):
    """License keys and API tokens are taken, anything else is refused at once."""
    key = licensed.licensed()["attributes"]["key"]
    for user, password in [("license", "wrong"), ("token", "wrong"), ("nobody", key), ("license", key[:-1])]:
        client.login(licensed.registry, user, password).failed()
    client.login(licensed.registry, "license", key).ok()
    client.login(licensed.registry, "token", licensed.account.token).ok()


def test_open_image_without_log_in(client: Client, open_vendor: Vendor):
    for rest in (":stable", ":1.0.0", ":latest", f"@{open_vendor.index}"):
        client.pull(open_vendor.reference(rest)).ok()
        assert client.digest(open_vendor.reference(rest)) in (open_vendor.index, open_vendor.amd64)
    client.pull(open_vendor.reference(":none")).failed()


def test_licensed_image(client: Client, licensed: Vendor):
    """By tag, version, latest and digest, with a license key; not without."""
    client.pull(licensed.reference()).failed()
    log_in(client, licensed)
    for rest in (":stable", ":1.0.0", ":latest", f"@{licensed.index}"):
        client.pull(licensed.reference(rest)).ok()
        assert client.digest(licensed.reference(rest)) in (licensed.index, licensed.amd64)


def test_api_token(client: Client, licensed: Vendor):
    client.login(licensed.registry, "token", licensed.account.token).ok()
    client.pull(licensed.reference()).ok()


def test_other_platform(client: Client, licensed: Vendor):
    log_in(client, licensed)
    client.pull(licensed.reference(), "linux/arm64").ok()
    assert client.digest(licensed.reference()) in (licensed.index, licensed.arm64)


def test_license_loses_access(client: Client, licensed: Vendor):
    """Suspended, then not entitled to the release, then the release is yanked: each shows at once."""
    license = log_in(client, licensed)
    client.pull(licensed.reference()).ok()
    licensed.publish("2.0.0", real_image(b"second" + licensed.account.id.encode()))
    licensed.admin.post(f"/licenses/{license['id']}/actions/suspend")
    client.pull(licensed.reference(":2.0.0")).failed()
    licensed.admin.post(f"/licenses/{license['id']}/actions/reinstate")
    needed = licensed.admin.make("/entitlements", "entitlements", {"name": "More", "code": "MORE"})
    licensed.constrain("2.0.0", needed)
    client.pull(licensed.reference(":2.0.0")).failed()
    licensed.account.sql("DELETE FROM constraints WHERE entitlement_id = %s", needed["id"])
    client.pull(licensed.reference(":2.0.0")).ok()
    licensed.account.sql("UPDATE releases SET status = 'YANKED' WHERE package_id = %s", licensed.package["id"])
    client.pull(licensed.reference(":1.0.0")).failed()


@pytest.mark.parametrize("client", [name for name, kind in CLIENTS.items() if kind.pushes], indirect=True)
def test_pushing_is_refused(client: Client, licensed: Vendor):
    """The client shows how to publish instead."""
    log_in(client, licensed)
    client.pull(licensed.reference()).ok()
    said = client.push(licensed.reference(":pushed")).failed().words
    assert "405" in said or "read-only" in said


def test_cut_connection(client: Client, licensed: Vendor):
    """docker and containerd fetch the rest only, others all anew: some by themselves, some when they are run again."""
    licensed.publish("3.0.0", real_image(b"third", extra=os.urandom(6_000_000)))
    with CuttingProxy(licensed.account.daemon.port, after=2_000_000) as proxy:
        registry = f"127.0.0.1:{proxy.port}"
        client.login(registry, "license", licensed.licensed()["attributes"]["key"]).ok()
        first = client.pull(licensed.reference(":3.0.0", registry))
        assert proxy.made == 1
        if client.name in ("docker", "containerd"):
            first.ok()
            assert proxy.carried < 7_000_000
        elif first.status:
            client.pull(licensed.reference(":3.0.0", registry)).ok()


@pytest.fixture
def artifacts(account: Account) -> Store:
    """An OPEN image with a signature and a bill of materials attached."""
    store = Store(account, "OPEN", "app")
    layout = Layout()
    image = layout.image(b"image")
    kinds = ("application/x.signature", "application/spdx+json")
    attached = [
        layout.image(
            kind.encode(), config=b"{}", config_type=EMPTY,
            fields={"artifactType": kind, "subject": image, "annotations": {"about": kind}},
        )
        for kind in kinds
    ]  # fmt: skip
    store.publish("1.0.0", layout.add(image, *attached))
    return store


def test_oras_discovers_and_pulls_attachments(artifacts: Store, tmp_path: Path):
    oras = Oras(tmp_path)
    reference = f"127.0.0.1:{artifacts.account.daemon.port}/{artifacts.name}:1.0.0"
    found = oras.run(oras.program, "discover", "--plain-http", "--format", "json", reference).ok()
    assert "application/x.signature" in found.words
    assert "application/spdx+json" in found.words
    wanted = ["--artifact-type", "application/spdx+json"]
    one = oras.run(oras.program, "discover", "--plain-http", "--format", "json", *wanted, reference).ok()
    assert "application/x.signature" not in one.words
    oras.run(oras.program, "cp", "-r", "--from-plain-http", reference, "--to-oci-layout", f"{tmp_path / 'all'}:x").ok()
    assert len(json.loads((tmp_path / "all" / "index.json").read_bytes())["manifests"]) >= 1
    tags = oras.run(oras.program, "repo", "tags", "--plain-http", reference.rpartition(":")[0]).ok()
    assert tags.words.split() == ["1.0.0"]


def test_list_of_repositories(licensed: Vendor, tmp_path: Path):
    """crane lists what the license may read, and nothing without one."""
    crane = Crane(tmp_path)
    listing = [crane.program, "catalog", "--insecure", licensed.registry]
    assert licensed.name not in crane.run(*listing).failed().words
    log_in(crane, licensed)
    assert crane.run(*listing).ok().words.split() == [licensed.name]


def test_podman_searches_what_may_be_read(licensed: Vendor):
    with TemporaryDirectory(prefix="oci", ignore_cleanup_errors=True) as folder:
        podman = Podman(Path(folder))
        log_in(podman, licensed)
        found = podman.run("podman", "search", "--tls-verify=false", f"{licensed.registry}/app").ok()
        assert licensed.reference("") in found.words


def test_crane_reads_everything(open_vendor: Vendor, tmp_path: Path):
    crane = Crane(tmp_path)
    reference = open_vendor.reference()
    assert crane.run(crane.program, "digest", "--insecure", reference).ok().words.strip() == open_vendor.index
    listed = crane.run(crane.program, "ls", "--insecure", open_vendor.reference("")).ok()
    assert listed.words.split() == ["1.0.0", "stable"]
    assert "diff_ids" in crane.run(crane.program, "config", "--insecure", reference).ok().words
    crane.run(crane.program, "validate", "--insecure", "--remote", reference).ok()
