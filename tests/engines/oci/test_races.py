"""Pulls while the vendor publishes, yanks and deletes: every answer is whole and right, or says that it is gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from hashlib import sha256

import pytest

from tests.daemon_fixtures import Account
from tests.engines.oci.layouts import digest_of, simple
from tests.engines.oci.store import Store, license_basic

LARGE = b"".join(sha256(b"%d" % number).digest() for number in range(250_000))


def meanwhile(look: Callable[[], None], change: Callable[[], None], *, threads: int = 4) -> None:
    """Look from several threads, over and over, for as long as something changes."""
    ended, faults = threading.Event(), []

    def repeat() -> None:
        try:
            while not ended.is_set():
                look()
        except BaseException as fault:
            faults.append(fault)

    lookers = [threading.Thread(target=repeat) for _ in range(threads)]
    for each in lookers:
        each.start()
    try:
        change()
    finally:
        ended.set()
        for each in lookers:
            each.join()
    if faults:
        raise faults[0]


def test_publishing_and_moving_a_tag(account: Account):
    """A tag means one of the releases that had it, never half of one."""
    store = Store(account, "OPEN")
    first = store.publish("1.0.0", tag="stable")
    known = {store.get("manifests/stable").headers["Docker-Content-Digest"]}

    def look() -> None:
        answer = store.get("manifests/latest", store.anonymous)
        assert answer.status == 200
        assert digest_of(answer.body) == answer.headers["Docker-Content-Digest"]
        for layer in answer.json["layers"]:
            blob = store.get(f"blobs/{layer['digest']}", store.anonymous)
            assert (blob.status, digest_of(blob.body)) == (200, layer["digest"])
        assert store.get("tags/list", store.anonymous).status == 200

    def change() -> None:
        for number in range(2, 8):
            store.publish(f"{number}.0.0")
            answer = store.get("manifests/latest", store.anonymous)
            known.add(answer.headers["Docker-Content-Digest"])

    assert first
    meanwhile(look, change)
    assert len(known) == 7


@pytest.mark.parametrize("end", ["yank", "delete"])
def test_withdrawn_while_it_is_pulled(account: Account, end: str):
    """What is on its way arrives whole; with the next request it is gone, for who holds a token too."""
    store = Store(account, "LICENSED")
    store.publish("1.0.0", simple(LARGE))
    license = store.licensed()
    token = store.token(license_basic(license))
    api = store.with_token(token)
    digest = digest_of(LARGE)
    with socket.create_connection(("localhost", account.daemon.port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        head = f"GET /v2/{store.name}/blobs/{digest} HTTP/1.1\r\nHost: {store.host}\r\nConnection: close\r\n"
        slow.sendall(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
        received = slow.recv(1000)
        (release,) = store.admin.get("/releases").json["data"]
        if end == "yank":
            assert store.admin.post(f"/releases/{release['id']}/actions/yank").status == 200
        else:
            assert store.admin.delete(f"/releases/{release['id']}").status == 204
        for what in ("manifests/1.0.0", f"blobs/{digest}", f"manifests/{digest}"):
            assert store.get(what, api).status == 404
        assert "1.0.0" not in store.get("tags/list", api).body.decode()
        while data := slow.recv(1 << 20):
            received += data
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.partition(b"\r\n\r\n")[2] == LARGE


def test_suspended_and_reinstated(account: Account):
    """After each answer to the vendor, the next request of the license holder is judged by it, in every form."""
    store = Store(account, "LICENSED")
    store.publish("1.0.0")
    license = store.licensed()
    manifest = store.get("manifests/1.0.0").headers["Docker-Content-Digest"]
    apis = [store.with_token(store.token(license_basic(license))), store.holder(license)]
    whats = ["manifests/1.0.0", f"manifests/{manifest}", f"blobs/{digest_of(b'layer of 1.0.0')}", "tags/list",
             f"referrers/{manifest}"]  # fmt: skip
    for _ in range(3):
        for action, status in (("suspend", 403), ("reinstate", 200)):
            assert store.admin.post(f"/licenses/{license['id']}/actions/{action}").status == 200
            for api in apis:
                for method in ("GET", "HEAD"):
                    assert {store.get(what, api, method=method).status for what in whats} == {status}


def test_policy_no_longer_takes_keys(account: Account):
    """A registry token is worth what its credentials are worth now."""
    store = Store(account, "LICENSED")
    store.publish("1.0.0")
    license = store.licensed(authenticationStrategy="MIXED")
    api = store.with_token(store.token(license_basic(license)))
    assert store.get("manifests/1.0.0", api).status == 200
    policy = license["relationships"]["policy"]["data"]["id"]
    attributes = {"authenticationStrategy": "TOKEN"}
    body = {"data": {"type": "policies", "id": policy, "attributes": attributes}}
    assert store.admin.patch(f"/policies/{policy}", body).status == 200
    for what in ("manifests/1.0.0", "tags/list", f"blobs/{digest_of(b'layer of 1.0.0')}"):
        assert store.get(what, api).status == 403
