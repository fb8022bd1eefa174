"""Uploads: what the signed upload link takes and refuses, and what is on record afterwards (api.md 5.3, 7.10)."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import time
from urllib.parse import urlsplit

import pytest

from keygenreg.formats.signed_token import sign
from tests.daemon_fixtures import Account, Answer, fetch
from tests.management.test_artifacts_write import post


@pytest.fixture
def release(account: Account) -> dict:
    return account.admin.make_release(account.admin.make_product())


def state(account: Account, artifact: dict) -> dict:
    return account.admin.get(f"/artifacts/{artifact['id']}", Prefer="no-download").data["attributes"]


def stored(account: Account, artifact: dict) -> bytes:
    answer = account.admin.get(f"/artifacts/{artifact['id']}", Accept="application/octet-stream")
    assert answer.status == 200, answer
    return answer.body


def chunked(url: str, *chunks: bytes) -> Answer:
    """PUT a body whose length is not announced."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.request("PUT", parts.path, iter(chunks), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def test_ART_13_upload(account, release):
    """200 says that the bytes are there; size, type and tag are on record."""
    content = bytes(range(256)) * 5000
    made = post(account.admin, release, "tool.tar.gz")
    answer = fetch("PUT", made.headers["Location"], content, {"Content-Type": "application/gzip"})
    assert answer.status == 200
    shown = state(account, made.data)
    assert (shown["status"], shown["filesize"]) == ("UPLOADED", len(content))
    assert stored(account, made.data) == content
    sha256 = hashlib.sha256(content).hexdigest()
    assert account.sql(
        "SELECT content_type, content_length, etag, blob_sha256 FROM artifacts WHERE id = %s", made.data["id"]
    ) == [("application/gzip", len(content), f"sha256:{sha256}", sha256)]


@pytest.mark.parametrize(
    ("filename", "sent", "kept"),
    [
        ("a.zip", None, "application/zip"),
        ("a.zip", "application/x-www-form-urlencoded", "application/zip"),
        ("a.zip", "application/x-custom; v=1", "application/x-custom; v=1"),
        ("a", None, "application/octet-stream"),
        ("a.json", "nonsense", "application/json"),
    ],
)
def test_content_type_as_uploaded(account, release, filename, sent, kept):
    """The sender's content type is kept; where there is none that says anything, the name's is."""
    made = post(account.admin, release, filename)
    fetch("PUT", made.headers["Location"], b"{}", {} if sent is None else {"Content-Type": sent})
    answer = account.admin.get(f"/artifacts/{made.data['id']}", Accept="*/*")
    assert answer.headers["Content-Type"] == kept


def test_ART_14_chunked_and_empty(account, release):
    made = post(account.admin, release, "empty")
    assert chunked(made.headers["Location"]).status == 200
    shown = state(account, made.data)
    assert (shown["status"], shown["filesize"]) == ("UPLOADED", 0)
    assert stored(account, made.data) == b""
    more = post(account.admin, release, "more", filesize=6)
    assert chunked(more.headers["Location"], b"abc", b"def").status == 200
    assert stored(account, more.data) == b"abcdef"


def forged(account: Account, location: str, **changes) -> str:
    """An upload link with the daemon's own key, for what a test wants to be different."""
    [(key,)] = account.sql("SELECT signing_key FROM installation")
    payload = {"a": account.id, "i": changes["artifact"], "s": None, "h": []}
    return location.rpartition("/")[0] + "/" + sign(bytes(key), "upload", payload, int(changes["expires"]))


def test_ART_15_bad_links(account, release):
    made = post(account.admin, release)
    location = made.headers["Location"]
    altered = location[:-2] + ("A" if location[-2] != "A" else "B") + location[-1]
    expired = forged(account, location, artifact=made.data["id"], expires=time.time() - 1)
    for url in (altered, expired, location + "x"):
        assert fetch("PUT", url, b"bytes").status == 403
    for method in ("GET", "HEAD", "POST", "DELETE"):
        answer = fetch(method, location)
        assert (answer.status, answer.headers["Allow"]) == (405, "PUT")
    assert state(account, made.data)["status"] == "WAITING"
    assert fetch("PUT", location, b"bytes").status == 200


def test_ART_15_refused_before_a_byte_is_sent(account, release):
    """A wrong link, and a length that is not the declared one, are answered without waiting for the body."""
    location = post(account.admin, release, filesize=100).headers["Location"]
    parts = urlsplit(location)
    cases = ((parts.path + "x", 100, b"403"), (parts.path, 99, b"400"), (parts.path, 2**40, b"413"))
    for path, length, status in cases:
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
            connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
            assert connection.recv(4096).split(b" ")[1] == status


@pytest.mark.parametrize("size", [4, 6])
def test_ART_16_other_size_than_declared(account, release, size):
    made = post(account.admin, release, filesize=5)
    assert fetch("PUT", made.headers["Location"], b"x" * size).status == 400
    assert chunked(made.headers["Location"], b"x" * size).status == 400
    assert state(account, made.data)["status"] == "WAITING"
    assert fetch("PUT", made.headers["Location"], b"right").status == 200


def test_ART_17_dropped_connection(account, release):
    """Half an upload leaves no trace, and the same link takes the whole afterwards."""
    made = post(account.admin, release, filesize=1_000_000)
    parts = urlsplit(made.headers["Location"])
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        head = f"PUT {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + b"h" * 500_000)
    incoming = account.daemon.data_dir / "incoming"
    deadline = time.monotonic() + 20
    while any(incoming.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(incoming.iterdir())
    assert state(account, made.data)["status"] == "WAITING"
    assert fetch("PUT", made.headers["Location"], b"w" * 1_000_000).status == 200
    assert stored(account, made.data) == b"w" * 1_000_000


def test_upload_link_works_once(account, release):
    made = post(account.admin, release)
    assert fetch("PUT", made.headers["Location"], b"first").status == 200
    assert fetch("PUT", made.headers["Location"], b"second").status == 409
    assert stored(account, made.data) == b"first"


def test_upload_to_a_deleted_artifact(account, release):
    made = post(account.admin, release)
    account.admin.delete(f"/artifacts/{made.data['id']}")
    assert fetch("PUT", made.headers["Location"], b"late").status == 404


CONTENT = b"what is checked"


def spellings(algorithm: str) -> list[str]:
    digest = hashlib.new(algorithm, CONTENT).digest()
    padded = base64.b64encode(digest).decode()
    return [digest.hex(), digest.hex().upper(), padded, padded.rstrip("="), base64.urlsafe_b64encode(digest).decode()]


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
def test_decision_13_right_checksums(account, release, algorithm):
    for n, text in enumerate(spellings(algorithm)):
        made = post(account.admin, release, f"{algorithm}-{n}", checksum=text)
        assert fetch("PUT", made.headers["Location"], CONTENT).status == 200
        shown = state(account, made.data)
        assert (shown["status"], shown["checksum"]) == ("UPLOADED", text)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
def test_decision_13_wrong_checksums(account, release, algorithm):
    """Bytes that are not the declared ones are refused; the artifact says why, to writers only."""
    made = post(account.admin, release, checksum=hashlib.new(algorithm, b"other bytes").hexdigest())
    answer = fetch("PUT", made.headers["Location"], CONTENT)
    assert answer.status == 422
    assert algorithm in answer.body.decode()
    shown = state(account, made.data)
    assert shown["status"] == "FAILED"
    assert hashlib.new(algorithm, CONTENT).hexdigest() in shown["failureReason"]
    assert account.sql("SELECT blob_sha256 FROM artifacts WHERE id = %s", made.data["id"]) == [(None,)]


@pytest.mark.parametrize("text", ["", "free text", "sha256:abc", "0x12", "deadbeef"])
def test_decision_13_free_text_declares_nothing(account, release, text):
    made = post(account.admin, release, checksum=text)
    assert fetch("PUT", made.headers["Location"], CONTENT).status == 200


def test_failed_checksum_can_be_repaired(account, release):
    """After a mismatch the checksum can be changed and the same link takes the bytes."""
    made = post(account.admin, release, checksum="0" * 64)
    assert fetch("PUT", made.headers["Location"], CONTENT).status == 422
    right = {"data": {"type": "artifacts", "attributes": {"checksum": hashlib.sha256(CONTENT).hexdigest()}}}
    assert account.admin.patch(f"/artifacts/{made.data['id']}", right).status == 200
    assert fetch("PUT", made.headers["Location"], CONTENT).status == 200
    shown = state(account, made.data)
    assert (shown["status"], shown["failureReason"]) == ("UPLOADED", None)


def test_same_content_is_kept_once(account, release):
    content = f"shared by two artifacts of {account.id}".encode()
    for name in ("a", "b"):
        account.admin.make_artifact(release, name, content)
    sha256 = hashlib.sha256(content).hexdigest()
    assert account.sql("SELECT size, reference_count FROM blobs WHERE sha256 = %s", sha256) == [(len(content), 2)]
    account.admin.delete("/artifacts/a")
    assert account.sql("SELECT reference_count FROM blobs WHERE sha256 = %s", sha256) == [(1,)]
    assert stored(account, account.admin.get("/artifacts/b").data) == content


def test_npm_digests_are_computed(account):
    """Uploads to an npm package have the digests that its clients ask for."""
    product = account.admin.make_product()
    package = account.admin.make_package(product, "tool", "npm")
    content = f"npm {account.id}".encode()
    made = post(account.admin, account.admin.make_release(product, package=package), "notes.txt")
    assert fetch("PUT", made.headers["Location"], content).status == 200
    sha256 = hashlib.sha256(content).hexdigest()
    assert account.sql("SELECT sha512, sha1 FROM blobs WHERE sha256 = %s", sha256) == [
        (hashlib.sha512(content).hexdigest(), hashlib.sha1(content).hexdigest())
    ]
