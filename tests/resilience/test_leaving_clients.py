"""Clients that leave in the middle: nothing of theirs stays open or on disk."""

from __future__ import annotations

import random
import socket
import struct

import psutil
import pytest

from tests.resilience.conftest import KIB, MIB, Registry, eventually
from tests.resilience.connections import open_request, read_head

CLIENTS = 20
_RESET = struct.pack("ii", 1, 0)


def leave(connection: socket.socket, *, politely: bool) -> None:
    """Close: with a FIN, or with a RST as a killed process behind a firewall would."""
    if not politely:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


def held_files(registry: Registry) -> list[str]:
    """Blobs and unfinished uploads that the daemon has open."""
    kept = (str(registry.data_dir / "blobs"), str(registry.data_dir / "incoming"))
    return [file.path for file in registry.watched.open_files() if file.path.startswith(kept)]


def open_connections(registry: Registry) -> int:
    """Connections of clients."""
    found = registry.watched.net_connections(kind="tcp")
    return sum(one.status != psutil.CONN_LISTEN and one.laddr.port == registry.port for one in found)


def wait_until_nothing_is_held(registry: Registry) -> None:
    eventually(lambda: open_connections(registry) == 0, "all connections are closed")
    eventually(lambda: held_files(registry) == [], "all files are closed")
    eventually(lambda: registry.incoming() == [], "files of broken uploads are removed")


@pytest.mark.parametrize("politely", [True, False], ids=["FIN", "RST"])
def test_leaving_in_mid_upload(registry: Registry, politely: bool) -> None:
    release = registry.admin.make_release(registry.product, "3.0.0" if politely else "3.0.1")
    links = []
    for number in range(CLIENTS):
        related = {"release": {"data": {"type": "releases", "id": release["id"]}}}
        document = {"data": {"type": "artifacts", "attributes": {"filename": f"f{number}"}, "relationships": related}}
        made = registry.admin.post("/artifacts", document, Prefer="no-redirect")
        links.append((made.data["id"], made.headers["Location"]))
    connections = []
    for _, link in links:
        connection = open_request(link, "PUT", length=50 * MIB)
        connection.sendall(random.randbytes(MIB))
        connections.append(connection)
    eventually(lambda: len(registry.incoming()) == CLIENTS, "all uploads have begun")
    for connection in connections:
        leave(connection, politely=politely)
    wait_until_nothing_is_held(registry)
    assert {registry.status_of(artifact) for artifact, _ in links} == {"WAITING"}


@pytest.mark.parametrize("politely", [True, False], ids=["FIN", "RST"])
def test_leaving_in_mid_download(registry: Registry, politely: bool) -> None:
    release = registry.admin.make_release(registry.product, "4.0.0" if politely else "4.0.1")
    artifact = registry.admin.make_artifact(release, "large.bin", random.randbytes(24 * MIB))
    url = f"{registry.admin.base}/artifacts/{artifact['id']}"
    connections = [open_request(url, window=64 * KIB) for _ in range(CLIENTS)]
    for connection in connections:
        status, _ = read_head(connection)
        assert status == 200
    assert len(held_files(registry)) == CLIENTS
    for connection in connections:
        leave(connection, politely=politely)
    wait_until_nothing_is_held(registry)
