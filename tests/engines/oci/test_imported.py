"""Images that a dump has brought, in which nobody has read: they are served as if they had been uploaded."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest

from tests.daemon_fixtures import Answer, Daemon, fetch
from tests.dump.writing import DumpText
from tests.engines.oci.layouts import EMPTY, INDEX, MANIFEST, REF_NAME, Layout, digest_of, platform


class Imported:
    """
    An OPEN account from a dump: 1.0.0 is an image for two platforms, which its layout tags ``edge``, with a signature
    and a list of parts attached; the dump says no more of them than their types and digests, if ``described``.
    """

    def __init__(self, daemon: Daemon, *, described: bool = True, content: bool = True) -> None:
        self.daemon = daemon
        self.layout = Layout()
        # Unlike those of other tests: bytes are stored once for all.
        self.layer = uuid4().bytes
        images = [self.layout.image(self.layer, name.encode(), **platform(name)) for name in ("amd64", "arm64")]
        self.index = self.layout.index(*images, annotations={REF_NAME: "registry.example/app:edge"})
        self.attached = {kind: self._attach(kind) for kind in ("application/x.signature", "application/spdx+json")}
        self.layout.add(*self.attached.values(), self.index)
        self.slug = f"imported-{uuid4().hex}"
        self.dump = DumpText()
        self.dump.account(self.slug)
        product = self.dump.product(distributionStrategy="OPEN")
        package = self.dump.add("packages", {"key": "app", "name": "App", "engine": "oci"}, product=product)
        self.release = self.dump.release(product, "1.0.0", package=package, status="PUBLISHED")
        bytes_ = {"base64": base64.b64encode(self.layout.tar()).decode()} if content else None
        self.artifact = self.dump.artifact(self.release, "image.tar", bytes_, status="UPLOADED")
        for found in (*images, *self.attached.values(), self.index):
            self.manifest(self.layout.content(found).decode(), found if described else None)
        files = {**self.layout.files, "index.json": self.layout.index_json}
        for path, body in files.items():
            self.dump.add(
                "descriptors", {"contentPath": path, "contentDigest": digest_of(body)},
                artifact=self.artifact, release=self.release,
            )  # fmt: skip

    def _attach(self, kind: str) -> dict[str, Any]:
        fields = {"artifactType": kind, "subject": self.index, "annotations": {"about": kind}}
        return self.layout.image(kind.encode(), config=b"{}", config_type=EMPTY, fields=fields)

    def manifest(self, content: str, found: dict[str, Any] | None, **more: Any) -> None:
        about = {} if found is None else {"contentType": found["mediaType"], "contentDigest": found["digest"]}
        self.dump.add("manifests", {"content": content, **about, **more}, artifact=self.artifact, release=self.release)

    def load(self) -> Imported:
        command = [sys.executable, "-m", "keygenreg", "import", "--data-dir", str(self.daemon.data_dir), "-"]
        done = subprocess.run(
            command, input=str(self.dump), text=True, capture_output=True, env=os.environ, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return self

    def get(self, path: str, **headers: str) -> Answer:
        return fetch("GET", f"{self.daemon.url}/v2/{self.slug}/app/{path}", headers=headers)


@pytest.fixture(scope="module")
def imported(daemon: Daemon) -> Imported:
    return Imported(daemon).load()


@pytest.mark.parametrize("reference", ["1.0.0", "latest", "edge"])
def test_by_version_and_by_the_layouts_tag(imported: Imported, reference: str):
    answer = imported.get(f"manifests/{reference}")
    assert answer.status == 200
    assert answer.headers["Docker-Content-Digest"] == imported.index["digest"]
    assert answer.body == imported.layout.content(imported.index)


def test_accept_never_leads_to_what_is_attached(imported: Imported):
    answer = imported.get("manifests/1.0.0", Accept=MANIFEST)
    attached = {found["digest"] for found in imported.attached.values()}
    assert answer.status == 200
    assert answer.headers["Docker-Content-Digest"] not in attached


def test_tags(imported: Imported):
    assert imported.get("tags/list").json["tags"] == ["1.0.0", "edge"]


@pytest.mark.parametrize("kind", [None, "application/spdx+json"])
def test_referrers(imported: Imported, kind: str | None):
    query = f"?artifactType={kind.replace('+', '%2B')}" if kind else ""
    answer = imported.get(f"referrers/{imported.index['digest']}{query}")
    wanted = {kind} if kind else set(imported.attached)
    assert {each["artifactType"] for each in answer.json["manifests"]} == wanted
    for each in answer.json["manifests"]:
        found = imported.attached[each["artifactType"]]
        assert (each["digest"], each["size"], each["mediaType"]) == (found["digest"], found["size"], MANIFEST)
        assert each["annotations"] == {"about": each["artifactType"]}


def test_referrers_of_older_clients(imported: Imported):
    answer = imported.get(f"manifests/{imported.index['digest'].replace(':', '-')}")
    assert answer.headers["Content-Type"] == INDEX
    assert len(answer.json["manifests"]) == 2


def test_blobs(imported: Imported):
    for path, body in imported.layout.files.items():
        answer = imported.get(f"blobs/{digest_of(body)}")
        assert (answer.status, answer.body) == (200, body), path


def test_dump_says_the_same_after_it(imported: Imported):
    """What was found is nobody's metadata: an export has what the import had."""
    command = [sys.executable, "-m", "keygenreg", "export", "--data-dir", str(imported.daemon.data_dir)]
    text = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True, timeout=120).stdout
    lines = [line for line in text.splitlines() if '"manifests"' in line and imported.artifact in line]
    assert len(lines) == 5
    assert all('"metadata":{}' in line for line in lines)


def test_without_bytes(daemon: Daemon):
    """No archive, no tags of its layout; what the manifests say is there all the same."""
    store = Imported(daemon, content=False).load()
    assert store.get("tags/list").json["tags"] == ["1.0.0"]
    assert store.get("manifests/1.0.0").status == 200
    assert len(store.get(f"referrers/{store.index['digest']}").json["manifests"]) == 2
    assert store.get(f"blobs/{digest_of(store.layer)}").status == 404


def test_nothing_on_record_but_the_text(daemon: Daemon):
    """Type and digest follow from it."""
    store = Imported(daemon, described=False).load()
    answer = store.get("manifests/1.0.0")
    assert answer.status == 200
    assert digest_of(answer.body) == answer.headers["Docker-Content-Digest"]
    assert answer.headers["Content-Type"] == answer.json["mediaType"]


NONSENSE = [
    "", "x", "[]", "{}", '{"subject": 1}', '{"subject": {"digest": 5}}', '{"subject": {"digest": "sha256:\\u0000"}}',
    '{"annotations": [], "subject": {"digest": "%s"}, "config": 3}', "\ufeff{}", '{"a": 1' + "0" * 400 + "}",
    "[" * 5000,
    '{"manifests": {"digest": 1}}', '{"subject": {"digest": "%s"}, "artifactType": {"a": 1}, "annotations": {"a": 1}}',
]  # fmt: skip


def test_nonsense_in_dumps_is_served_as_it_is(daemon: Daemon):
    """A dump states facts; whatever they are, no request fails for reasons of ours."""
    store = Imported(daemon)
    subject = store.index["digest"]
    digests = []
    for number, text in enumerate(NONSENSE):
        content = text.replace("%s", subject)
        metadata = [{}, {"root": "x"}, {"aside": "maybe", "tags": "edge"}, {"tags": [1, {}]}, {"subject": subject}]
        digests.append(digest_of(content.encode()))
        about = {"contentDigest": digests[-1], "contentType": MANIFEST}
        store.manifest(content, None, metadata=metadata[number % len(metadata)], **about)
    store.load()
    assert [store.get(f"manifests/{digest}").status for digest in digests] == [200] * len(digests)
    for path in ("manifests/1.0.0", "manifests/edge", "manifests/latest", "tags/list", f"referrers/{subject}",
                 f"referrers/{subject}?artifactType=a/b", f"manifests/{subject.replace(':', '-')}"):  # fmt: skip
        assert store.get(path).status == 200, path
    assert store.get("manifests/1.0.0").headers["Docker-Content-Digest"] == subject
