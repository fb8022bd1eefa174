"""Other ways in which a daemon may be set up: redirects, one account, and a stop in the middle of a pull."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon_fixtures import Api, Daemon, basic, fetch
from tests.engines.oci.layouts import digest_of, simple

SMALL, LARGE = b"a small layer", os.urandom(40 << 20)
KEY = "KEY-OF-THE-TESTS"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One account, and redirects for everything above 1 MiB."""
    folder = tmp_path_factory.mktemp("single") / "data"
    running = Daemon(folder, env={"KEYGENREG_DELIVERY_REDIRECT_ABOVE_BYTES": str(1 << 20)}).start()
    first = json.loads((folder / "first-admin.json").read_text())
    admin = Api(running.url, first["account"]["id"], f"Bearer {first['token']}")
    product = admin.make_product()
    admin.make_license(admin.make_policy(product), key=KEY)
    package = admin.make_package(product, "tools/app", "oci")
    release = admin.make_release(product, package=package)
    admin.make_artifact(release, "image.tar", simple(SMALL, LARGE).tar())
    running.slug = first["account"]["slug"]
    yield running
    if running.process.poll() is None:
        running.stop()


def get(daemon: Daemon, path: str, method: str = "GET", **headers: str):
    return fetch(method, daemon.url + path, headers={"Authorization": basic("license", KEY)} | headers)


@pytest.mark.parametrize("name", ["tools/app", "{slug}/tools/app"])
def test_one_account(daemon: Daemon, name: str):
    """Its name may be in the path and need not be."""
    path = f"/v2/{name.format(slug=daemon.slug)}"
    assert get(daemon, f"{path}/manifests/latest").status == 200
    assert get(daemon, f"{path}/tags/list").json["tags"] == ["1.0.0"]
    scope = f"scope=repository:{path[4:]}:pull"
    token = get(daemon, f"/v2/token?{scope}").json["token"]
    assert get(daemon, f"{path}/manifests/latest", Authorization=f"Bearer {token}").status == 200
    assert fetch("GET", f"{daemon.url}/v1/engines/oci/tools/app/tags/list").status == 401


def test_log_in(daemon: Daemon):
    assert get(daemon, "/v2/").status == 200
    assert get(daemon, "/v2/", Authorization=basic("license", "wrong")).status == 401
    assert get(daemon, "/v2/token", Authorization=basic("license", "wrong")).status == 401


def test_small_blobs_are_streamed(daemon: Daemon):
    assert get(daemon, f"/v2/tools/app/blobs/{digest_of(SMALL)}").body == SMALL


def test_large_blobs_are_elsewhere(daemon: Daemon):
    """The link works without credentials, with ranges, and says nothing of them."""
    path = f"/v2/tools/app/blobs/{digest_of(LARGE)}"
    answer = get(daemon, path)
    assert answer.status == 303
    location = answer.headers["Location"]
    assert location.startswith(f"{daemon.url}/-/blobs/")
    assert KEY not in location
    followed = fetch("GET", location, headers={"Range": "bytes=100-199"})
    assert (followed.status, followed.body) == (206, LARGE[100:200])
    head = get(daemon, path, "HEAD")
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(LARGE)))
    assert fetch("GET", daemon.url + path).status == 401


def test_stop_in_the_middle_of_a_pull(daemon: Daemon):
    """A pull under way is served to its end; a new connection is not taken. This test ends the daemon."""
    location = get(daemon, f"/v2/tools/app/blobs/{digest_of(LARGE)}").headers["Location"]
    with socket.create_connection(("localhost", daemon.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        target = location.removeprefix(daemon.url)
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        received = connection.recv(65536)
        daemon.process.send_signal(signal.SIGTERM)
        while data := connection.recv(1 << 20):
            received += data
    assert received.endswith(LARGE[-1000:])
    assert len(received) > len(LARGE)
    assert daemon.process.wait(60) == 0
    assert not Path(daemon.data_dir / "incoming").is_dir() or not list((daemon.data_dir / "incoming").iterdir())
