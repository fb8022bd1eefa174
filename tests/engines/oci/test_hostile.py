"""The list of bad inputs that a registry must bear (oci.md 3.3): one test each, by number.

Where the rest of the program bears it too, or the reader of archives does, those tests go deeper than this one.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
import threading
from urllib.parse import quote

import pytest

from tests.daemon_fixtures import Account, basic, fetch
from tests.engines.oci.conftest import BLOB, Shelf, errors_of
from tests.engines.oci.layouts import (
    CONFIG,
    EMPTY,
    INDEX,
    LAYER,
    MANIFEST,
    REF_NAME,
    Layout,
    as_json,
    digest_of,
    simple,
)
from tests.engines.oci.store import Store, license_basic
from tests.processing.conftest import eventually


def raw(store: Store, request: bytes, *, most: int = 65536) -> bytes:
    """Bytes as they are, and the answer until the other side closes or falls silent."""
    with socket.create_connection(("localhost", store.account.daemon.port), timeout=5) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while len(answer) < most and (data := connection.recv(65536)):
                answer += data
        except TimeoutError:
            pass
        return answer


def failed(store: Store, content: bytes, filename: str = "image.tar") -> str:
    """The reason for which an upload failed."""
    artifact = store.upload(store.release("9.9.9"), content, filename)

    def attributes() -> dict:
        return store.account.admin.get(f"/artifacts/{artifact['id']}", Prefer="no-download").data["attributes"]

    # What takes long is read on after the upload was answered.
    eventually(lambda: attributes()["status"] != "PROCESSING")
    assert attributes()["status"] == "FAILED"
    return attributes()["failureReason"]


@pytest.fixture
def store(account: Account) -> Store:
    return Store(account, "OPEN")


@pytest.mark.parametrize("path", ["token", "x/manifests/y", "x/blobs/uploads/"])
def test_01_oversized_bodies(shelf: Shelf, path: str):
    answer = fetch("POST", f"{shelf.root}/{path}", b"x" * 1_100_000)
    assert answer.status in (400, 413)
    head = f"POST /v2/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n".encode()
    assert raw(shelf, head).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("n", ["2147483647", "1e99", "-1", "9" * 4000, "0", "%00", "1;drop table", "' or 1=1"])
def test_02_extremes_of_n(shelf: Shelf, n: str):
    for path in ("tags/list", f"referrers/{shelf.subject['digest']}"):
        assert shelf.get(f"{path}?n={quote(n, safe='%')}").status in (200, 400)


def test_03_mixed_manifest(store: Store):
    layout = Layout()
    assert "same time" in failed(store, layout.add(layout.image(b"x", fields={"manifests": []})).tar())


def test_04_media_type_that_does_not_match(store: Store):
    layout = Layout()
    assert "calls itself" in failed(store, layout.add(layout.image(b"x", fields={"mediaType": INDEX})).tar())


@pytest.mark.parametrize("digest", ["sha256:..%2f..%2f..%2fetc%2fpasswd", "sha256:%2e%2e", "..%2f..", "sha256:\\..\\x"])
def test_05_digest_that_is_a_path(shelf: Shelf, digest: str):
    for kind in ("blobs", "manifests", "referrers"):
        assert shelf.get(f"{kind}/{quote(digest, safe='%:')}").status in (400, 404)


@pytest.mark.parametrize("digest", ["sha256:" + "A" * 64, "sha256:" + "0" * 63, "sha256:" + "0" * 65, "sha256:", "x:"])
def test_06_digest_of_wrong_case_or_length(shelf: Shelf, digest: str):
    for kind in ("blobs", "manifests", "referrers"):
        assert shelf.get(f"{kind}/{digest}").status in (400, 404)
    assert shelf.get(f"blobs/{shelf.blob_digest.upper()}").status == 400


@pytest.mark.parametrize("length", [255, 256, 2000, 7000])
def test_07_long_names(shelf: Shelf, length: int):
    assert shelf.ask(f"{shelf.root}/{shelf.account.slug}/{'a' * length}/tags/list").status == 404
    assert shelf.ask(f"{shelf.root}/{'a' * length}/x/tags/list").status == 404


def test_08_long_tag(shelf: Shelf):
    assert shelf.get(f"manifests/{'t' * 129}").status == 404


@pytest.mark.parametrize("path", ["/v2//{0}/manifests/1.0.0", "//v2/{0}/manifests/1.0.0", "/v2/{1}/manifests/1.0.0",
                                  "/v2/{0}/manifests/1.0.0/", "/v2/{0}%2fmanifests/1.0.0", "/v2/_catalog/",
                                  "//v2/_catalog", "/v2/;/_catalog", "/V2/{0}/manifests/1.0.0"])  # fmt: skip
def test_09_slashes(closed_shelf: Store, path: str):
    """No spelling of a path leads around the question who is asking."""
    path = path.format(closed_shelf.name, closed_shelf.name.replace("/", "%2f"))
    answer = fetch("GET", closed_shelf.account.daemon.url + path)
    assert answer.status in (401, 404)
    assert b"layers" not in answer.body


@pytest.mark.parametrize("bad", ["%00", "%0d%0aSet-Cookie:%20x=1", "%0a", "%ff%fe", "%", "%zz"])
def test_10_control_characters_in_paths(shelf: Shelf, bad: str):
    scope = f"repository:{bad}:pull"
    for path in (f"x{bad}/manifests/1", f"x/manifests/1{bad}", f"x/tags/list?last={bad}", f"token?scope={scope}"):
        answer = fetch("GET", f"{shelf.root}/{path}")
        assert answer.status < 500
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "header",
    [{"alg": "none"}, {"alg": "HS256"}, {"alg": "EdDSA", "kid": "../../x"}, {"alg": "EdDSA", "jwk": {"kty": "OKP"}},
     {"alg": "EdDSA", "x5c": ["x"]}],
)  # fmt: skip
def test_11_forged_tokens(closed_shelf: Store, header: dict):
    texts = [json.dumps(part).encode() for part in (header, {"access": []})]
    parts = [base64.urlsafe_b64encode(text).rstrip(b"=").decode() for text in texts]
    answer = closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(".".join([*parts, "AAAA"])))
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_12_truncated_token(closed_shelf: Store):
    token = closed_shelf.token(license_basic(closed_shelf.license))
    for cut in (1, 2, 3, 10, len(token) // 2):
        assert closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token[:-cut])).status == 401
    assert closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token + "=")).status == 401


def test_13_expired_token(closed_shelf: Store):
    """One of our own making, signed with the installation's key an hour ago."""
    import time

    from keygenreg.engines.oci.registry_token import Claims, TokenSigner

    secret = bytes(closed_shelf.account.sql("SELECT signing_key FROM installation")[0][0])
    claims = Claims((closed_shelf.name,))
    for age, error in ((3600, True), (0, False)):
        token = TokenSigner(secret).sign(claims, audience=closed_shelf.host, now=time.time() - age)
        answer = closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token))
        assert answer.status == 401
        assert ('error="invalid_token"' in answer.headers["WWW-Authenticate"]) == error


def test_14_token_of_another_repository(closed_shelf: Store, shelf: Shelf):
    token = shelf.token(None)
    answer = closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token))
    assert answer.status == 401


@pytest.mark.parametrize("value", ["Basic", "Basic ", "Basic Og==", "Basic Og", "basic Og=="])
def test_15_empty_basic_is_nobody(closed_shelf: Store, shelf: Shelf, value: str):
    assert shelf.get("manifests/1.0.0", shelf.anonymous, Authorization=value).status == 200
    assert closed_shelf.get("manifests/1.0.0", closed_shelf.anonymous, Authorization=value).status == 401


@pytest.mark.parametrize(
    "value",
    ["Basic !!!!", "Basic /////w==", "Basic bGljZW5zZQ", "Basic bGljZW5zZTphOmI6Yw==", "Basic " + "QQ" * 3000,
     "Basic AA==", "Bearer", "Bearer \\x", "Basic a b c"],
)  # fmt: skip
def test_16_malformed_basic(closed_shelf: Store, value: str):
    assert closed_shelf.get("manifests/1.0.0", closed_shelf.anonymous, Authorization=value).status == 401


def test_17_two_authorization_headers(closed_shelf: Store):
    connection = http.client.HTTPConnection("localhost", closed_shelf.account.daemon.port)
    for pair in ((license_basic(closed_shelf.license), basic("license", "x")), ("Basic Og==", "License x")):
        connection.putrequest("GET", f"/v2/{closed_shelf.name}/manifests/1.0.0")
        for value in pair:
            connection.putheader("Authorization", value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 401
    connection.close()


def test_18_blob_of_another_repository(closed_shelf: Store, shelf: Shelf):
    digest = digest_of(b"layer of 1.0.0")
    assert closed_shelf.get(f"blobs/{digest}").status == 200
    assert shelf.get(f"blobs/{digest}", shelf.anonymous).status == 404
    assert shelf.get(f"blobs/{digest}").status == 404


def test_19_license_revoked_in_the_middle_of_a_pull(account: Account):
    store = Store(account, "LICENSED")
    store.publish("1.0.0")
    license = store.licensed()
    api = store.with_token(store.token(license_basic(license)))
    manifest = store.get("manifests/1.0.0", api).json
    store.admin.post(f"/licenses/{license['id']}/actions/suspend")
    assert store.get(f"blobs/{manifest['layers'][0]['digest']}", api).status == 403


@pytest.mark.parametrize("asked", ["0-" + "9" * 40, "9" * 19 + "-", ",".join(["0-0"] * 1500), "-" + "9" * 30,
                                   ",".join(f"{n}-" for n in range(900)), "0-0," * 10 + "0-2047"])  # fmt: skip
def test_20_ranges(shelf: Shelf, asked: str):
    """Never more bytes than the blob has, but for the frame of a few parts."""
    answer = shelf.get(f"blobs/{shelf.blob_digest}", Range=f"bytes={asked}")
    assert answer.status in (200, 206, 416, 431)
    assert len(answer.body) < 3 * len(BLOB)


def test_21_weak_if_range(shelf: Shelf):
    answer = shelf.get(f"blobs/{shelf.blob_digest}", Range="bytes=0-1", If_Range=f'W/"{shelf.blob_digest}"')
    assert (answer.status, answer.body) == (200, BLOB)


@pytest.mark.parametrize("head", [b"Content-Length: 5\r\nTransfer-Encoding: chunked",
                                  b"Content-Length: 5\r\nContent-Length: 6",
                                  b"Content-Length: +5", b"Content-Length: 0x5", b"Transfer-Encoding:  chunked, x",
                                  b"X: y\r\n folded: z", b"Content-Length: 5\nX: y"])  # fmt: skip
def test_22_smuggling(shelf: Shelf, head: bytes):
    """Whatever the frame, no second answer comes out of the body."""
    inner = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = raw(shelf, b"POST /v2/token HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n0\r\n\r\n" + inner)
    assert answer.startswith(b"HTTP/1.1 4")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_23_slow_reader_holds_nobody_up(shelf: Shelf):
    """A client that asks and does not read, another that asks half: the rest is served."""
    request = f"GET /v2/{shelf.name}/blobs/{shelf.blob_digest} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    port = shelf.account.daemon.port
    idle = [socket.create_connection(("localhost", port)) for _ in range(40)]
    for number, connection in enumerate(idle):
        connection.sendall(request * 20 if number % 2 else request[:50])
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(shelf.get("manifests/stable").status)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert statuses == [200] * 8
    for connection in idle:
        connection.close()


def test_24_archive_that_leads_outside(store: Store):
    layout = simple()
    layout.files["../../evil"] = b"x"
    assert "outside" in failed(store, layout.tar())


def test_25_archive_bomb(store: Store):
    bomb = gzip.compress(b"\0" * (1 << 20), 9) * 1100
    assert failed(store, bomb, "image.tar.gz")


def test_26_deep_indexes(store: Store):
    layout = Layout()
    found = layout.image(b"x")
    for _ in range(300):
        found = layout.index(found)
    assert "nested" in failed(store, layout.add(found).tar())


def test_27_duplicate_tags_and_names_of_others(store: Store):
    layout = Layout()
    tagged = [layout.image(layer, annotations={REF_NAME: "twice"}) for layer in (b"a", b"b")]
    assert "'twice'" in failed(store, layout.add(*tagged).tar())
    layout = Layout()
    layout.add(layout.image(b"c", annotations={REF_NAME: "registry.example/victim/app:stolen"}))
    store.publish("2.0.0", layout)
    assert store.get("manifests/stolen").status == 200
    assert store.ask(f"{store.root}/{store.account.slug}/victim/app/manifests/stolen").status == 404


def test_28_flood_of_referrers(store: Store):
    """Many attachments come in pages of bounded size."""
    layout = Layout()
    subject = layout.image(b"subject")
    config, layer = layout.blob(b"{}", EMPTY), layout.blob(b"x", LAYER)
    listed = [subject]
    body = {"schemaVersion": 2, "config": config, "layers": [layer], "subject": subject}
    for number in range(1100):
        listed.append(layout.blob(as_json({**body, "annotations": {"n": str(number)}}), MANIFEST))
    artifact = store.upload(store.release("1.0.0"), layout.add(*listed).tar())
    eventually(lambda: store.admin.get(f"/artifacts/{artifact['id']}").data["attributes"]["status"] == "UPLOADED")
    url, seen = f"{store.root}/{store.name}/referrers/{subject['digest']}", 0
    while url:
        answer = store.ask(url)
        assert len(answer.body) < 4 << 20
        seen += len(answer.json["manifests"])
        link = answer.headers.get("Link")
        url = link and store.account.daemon.url + link[1 : link.index(">")]
    assert seen == 1100
    assert store.get("manifests/1.0.0").headers["Docker-Content-Digest"] == subject["digest"]


def test_29_markup_and_escapes_in_annotations(shelf: Shelf):
    """They come back as JSON that no browser takes for a page, and no terminal control is raw."""
    answer = shelf.get(f"referrers/{shelf.subject['digest']}")
    assert b"\x1b" not in answer.body
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "html" not in answer.headers["Content-Type"]
    answer = shelf.ask(f"{shelf.root}/{shelf.account.slug}/<script>alert(1)</script>/tags/list".replace("<", "%3C"))
    assert errors_of(answer)
    assert "html" not in answer.headers["Content-Type"]


def test_30_foreign_urls_are_not_fetched(store: Store):
    """A layer with URLs of its own is stored as a reference; nobody is asked for it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/layer"
        layout = Layout()
        kind = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        foreign = {"mediaType": kind, "digest": digest_of(b"foreign"), "size": 7, "urls": [url]}
        body = {"schemaVersion": 2, "config": layout.blob(b"{}", CONFIG), "layers": [foreign]}
        store.publish("1.0.0", layout.add(layout.blob(as_json(body), MANIFEST)))
        assert json.loads(store.get("manifests/1.0.0").body)["layers"][0]["urls"] == [url]
        assert store.get(f"blobs/{digest_of(b'foreign')}").status == 404
        with pytest.raises(TimeoutError):
            listener.accept()
