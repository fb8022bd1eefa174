"""The same image here and in Debian's docker-registry: same bytes, digests and statuses, with known exceptions."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.running import require
from tests.daemon_fixtures import Answer, fetch, free_port
from tests.engines.oci.conftest import BLOB, Shelf
from tests.engines.oci.layouts import DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST, digest_of

TYPES = ", ".join([INDEX, MANIFEST, DOCKER_LIST, DOCKER_MANIFEST])
NAME = "acme/app"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, shelf: Shelf) -> Iterator[str]:
    """The address of a docker-registry that holds the shelf's images."""
    program, folder, port = require("docker-registry"), tmp_path_factory.mktemp("registry"), free_port()
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}', secret: x}}\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, folder / "log")
        _fill(url, shelf)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            fetch("GET", f"{url}/v2/")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(log.read_text())


def _fill(url: str, shelf: Shelf) -> None:
    for layout in (shelf.first, shelf.docker):
        for path, content in layout.files.items():
            if path.startswith("blobs/"):
                place = fetch("POST", f"{url}/v2/{NAME}/blobs/uploads/").headers["Location"]
                joined = f"{place}{'&' if '?' in place else '?'}digest={digest_of(content)}"
                assert fetch("PUT", joined, content).status == 201
    manifests = [(shelf.amd64, "1"), (shelf.arm64, "2"), (shelf.index, "stable"), (shelf.index, "1.0.0")]
    for found, tag in [*manifests, (shelf.docker_image, "3"), (shelf.docker_list, "1.1.0")]:
        body, headers = shelf.manifest_bytes(found), {"Content-Type": found["mediaType"]}
        assert fetch("PUT", f"{url}/v2/{NAME}/manifests/{tag}", body, headers).status == 201


def both(shelf: Shelf, other: str, method: str, path: str, **headers: str) -> tuple[Answer, Answer]:
    sent = {"Accept": TYPES} | {name.replace("_", "-"): value for name, value in headers.items()}
    answers = []
    for root in (f"{shelf.root}/{shelf.name}", f"{other}/v2/{NAME}"):
        authorization = {} if root.startswith(other) else {"Authorization": shelf.admin.authorization}
        answers.append(fetch(method, f"{root}/{path}", headers=sent | authorization))
    return answers[0], answers[1]


SAME = ["Content-Length", "Docker-Content-Digest", "ETag", "Docker-Distribution-Api-Version"]
MANIFESTS = ["stable", "1.0.0", "1.1.0", "{index}", "{amd64}", "{arm64}", "{docker_list}", "{docker_image}"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("reference", MANIFESTS)
def test_manifests(shelf: Shelf, other: str, method: str, reference: str):
    names = ("index", "amd64", "arm64", "docker_list", "docker_image")
    found = {name: getattr(shelf, name)["digest"] for name in names}
    ours, theirs = both(shelf, other, method, f"manifests/{reference.format(**found)}")
    assert (ours.status, ours.body) == (theirs.status, theirs.body)
    for name in [*SAME, "Content-Type"]:
        assert ours.headers[name] == theirs.headers[name], name


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("content", [BLOB, b"", b"amd64", b"docker"])
def test_blobs(shelf: Shelf, other: str, method: str, content: bytes):
    ours, theirs = both(shelf, other, method, f"blobs/{digest_of(content)}")
    assert (ours.status, ours.body) == (theirs.status, theirs.body)
    for name in [*SAME, "Content-Type"]:
        assert ours.headers[name] == theirs.headers[name], name


@pytest.mark.parametrize("asked", ["0-0", "500-1499", "500-", "-500", "2000-5000", "-99999", "0-2047"])
def test_ranges(shelf: Shelf, other: str, asked: str):
    ours, theirs = both(shelf, other, "GET", f"blobs/{shelf.blob_digest}", Range=f"bytes={asked}")
    assert ours.status == theirs.status
    assert ours.headers["Content-Range"] == theirs.headers["Content-Range"]
    if ours.status == 206:
        assert ours.body == theirs.body


@pytest.mark.parametrize(
    "path",
    ["manifests/none", "manifests/sha256:" + "0" * 64, "blobs/sha256:" + "0" * 64, "manifests/.bad",
     "blobs/none", "tags", "nothing"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_not_there(shelf: Shelf, other: str, method: str, path: str):
    ours, theirs = both(shelf, other, method, path)
    assert ours.status == theirs.status == 404


@pytest.mark.parametrize("what", ["manifests/stable", "blobs/{}"])
def test_not_modified(shelf: Shelf, other: str, what: str):
    path = what.format(shelf.blob_digest)
    etag = both(shelf, other, "HEAD", path)[1].headers["ETag"]
    ours, theirs = both(shelf, other, "GET", path, If_None_Match=etag)
    assert (ours.status, ours.body) == (theirs.status, theirs.body) == (304, b"")


@pytest.mark.parametrize(
    ("path", "code"),
    [("manifests/none", "MANIFEST_UNKNOWN"), ("blobs/sha256:" + "0" * 64, "BLOB_UNKNOWN"),
     ("blobs/sha256:abc", "DIGEST_INVALID")],
)  # fmt: skip
def test_error_documents(shelf: Shelf, other: str, path: str, code: str):
    ours, theirs = both(shelf, other, "GET", path)
    assert ours.status == theirs.status
    assert ours.json["errors"][0]["code"] == theirs.json["errors"][0]["code"] == code


def test_tags(shelf: Shelf, other: str):
    """The form is the same; ours are releases, theirs what was pushed."""
    ours, theirs = both(shelf, other, "GET", "tags/list")
    assert ours.json.keys() == theirs.json.keys()
    assert {"1.0.0", "stable", "1.1.0"} <= set(ours.json["tags"]) & set(theirs.json["tags"])


class TestWhereWeDiffer:
    """decisions.md 20, 22, 24 and 26."""

    def test_an_index_for_whoever_does_not_ask_for_one(self, shelf: Shelf, other: str):
        ours, theirs = both(shelf, other, "GET", "manifests/stable", Accept="application/json")
        assert (ours.status, theirs.status) == (200, 404)

    def test_referrers(self, shelf: Shelf, other: str):
        ours, theirs = both(shelf, other, "GET", f"referrers/{shelf.index['digest']}")
        assert (ours.status, theirs.status) == (200, 404)

    def test_ping_needs_credentials(self, shelf: Shelf, other: str):
        assert (fetch("GET", f"{shelf.root}/").status, fetch("GET", f"{other}/v2/").status) == (401, 200)

    def test_pushing(self, shelf: Shelf, other: str):
        ours, theirs = both(shelf, other, "POST", "blobs/uploads/")
        assert (ours.status, theirs.status) == (405, 202)
