"""The conformance program of the distribution specification itself, in its mode for registries that only serve."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.clients.oci_clients import go_program
from tests.clients.running import environment, run
from tests.daemon_fixtures import Account
from tests.engines.oci.layouts import DOCKER_LIST, DOCKER_MANIFEST, EMPTY, Layout, platform
from tests.engines.oci.store import Store

#: The specification that is in force, and the next one, which demands more headers.
VERSIONS = ["1.1", "dev"]


class Shelf(Store):
    """Versions of every form of content; tags, manifests, blobs and subjects for the program's environment."""

    def __init__(self, account: Account, strategy: str) -> None:
        super().__init__(account, strategy, "conformance/repo1")
        self.tags: list[str] = []
        self.manifests: list[str] = []
        self.blobs: list[str] = []
        self._images()
        self._other_forms()
        self._attached()

    def put(self, layout: Layout, *roots: dict) -> None:
        self.tags.append(f"1.{len(self.tags)}.0")
        self.publish(self.tags[-1], layout.add(*roots))
        stored = [path.removeprefix("blobs/").replace("/", ":") for path in layout.files if path.startswith("blobs/")]
        bodies = {digest: layout.files[f"blobs/{digest.replace(':', '/')}"] for digest in stored}
        self.manifests += [digest for digest, body in bodies.items() if b'"schemaVersion"' in body]
        self.blobs += [digest for digest, body in bodies.items() if b'"schemaVersion"' not in body]

    def _images(self) -> None:
        """For one platform and for two, an index in an index, in Docker's types too."""
        layout = Layout()
        self.put(layout, layout.image(os.urandom(2048), b""))
        layout = Layout()
        pair = [layout.image(os.urandom(100), **platform(name)) for name in ("amd64", "arm64")]
        self.put(layout, layout.index(layout.index(*pair)))
        layout = Layout()
        image = layout.image(os.urandom(100), media_type=DOCKER_MANIFEST, **platform("amd64"))
        self.put(layout, layout.index(image, media_type=DOCKER_LIST))

    def _other_forms(self) -> None:
        """No layers, fields that nobody knows, the other algorithm."""
        layout = Layout()
        body = {"layers": [], "org.example.field": {"a": None}, "annotations": {"a": "ü"}}
        self.put(layout, layout.image(fields=body))
        layout = Layout()
        self.put(layout, layout.image(os.urandom(2048), algorithm="sha512"))

    def _attached(self) -> None:
        layout = Layout()
        self.subject = layout.image(os.urandom(100))
        kinds = ("application/x.signature", "application/spdx+json")
        attached = [
            layout.image(
                kind.encode(), config=b"{}", config_type=EMPTY,
                fields={"artifactType": kind, "subject": self.subject, "annotations": {"about": kind}},
            )
            for kind in kinds
        ]  # fmt: skip
        index = layout.index(fields={"subject": self.subject, "artifactType": "application/x.list"})
        self.put(layout, self.subject, *attached, index)


def conform(shelf: Shelf, folder: Path, version: str, **more: str) -> None:
    """Run the program; it must have tested what there is, and found nothing wrong."""
    env = environment(
        folder,
        OCI_REGISTRY=f"localhost:{shelf.account.daemon.port}",
        OCI_TLS="disabled",
        OCI_REPO1=shelf.name,
        OCI_REPO2=f"{shelf.name}2",
        OCI_VERSION=version,
        OCI_RESULTS_DIR=str(folder / "results"),
        OCI_API_PUSH="false",
        OCI_API_BLOBS_DELETE="false",
        OCI_API_MANIFESTS_DELETE="false",
        OCI_API_TAGS_DELETE="false",
        # It looks for this one in answers that it only has where it has pushed; our own suite looks in every answer.
        OCI_API_MANIFESTS_DIGEST_HEADER="false",
        OCI_RO_DATA_TAGS=" ".join(shelf.tags),
        OCI_RO_DATA_MANIFESTS=" ".join(shelf.manifests),
        OCI_RO_DATA_BLOBS=" ".join(shelf.blobs),
        OCI_RO_DATA_REFERRERS=shelf.subject["digest"],
        **more,
    )
    # Its reports in files end early where nothing is pushed, so what counts is what it says.
    words = run(go_program("conformance"), cwd=folder, env=env).words
    assert "OCI Conformance Result: Pass" in words, words
    counts = {name: int(number) for name, number in re.findall(r"(Skip|Pass|FAIL|Error)\.+: +(\d+)", words)}
    assert (counts["FAIL"], counts["Error"], counts["Skip"]) == (0, 0, 0), words
    assert counts["Pass"] > len(shelf.tags) + len(shelf.manifests) + len(shelf.blobs)
    for what in ("Tag listing", "Blob get", "Manifest get by tag", "Manifest head by digest", "Referrers", "Ping"):
        assert re.search(rf"{what}\.+: +Pass", words), words


@pytest.mark.parametrize("version", VERSIONS)
def test_open_registry(account: Account, tmp_path: Path, version: str):
    conform(Shelf(account, "OPEN"), tmp_path, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_licensed_registry(account: Account, tmp_path: Path, version: str):
    shelf = Shelf(account, "LICENSED")
    key = shelf.licensed()["attributes"]["key"]
    conform(shelf, tmp_path, version, OCI_USERNAME="license", OCI_PASSWORD=key)
