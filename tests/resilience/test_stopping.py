"""SIGTERM: what is under way comes to its end first."""

from __future__ import annotations

import random
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psutil

from tests.resilience.conftest import KIB, MIB, PATIENCE, Registry, eventually
from tests.resilience.connections import open_request, read_head


def refuses(registry: Registry) -> bool:
    try:
        socket.create_connection(("127.0.0.1", registry.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def read_to_end(connection: socket.socket, data: bytes) -> bytes:
    pieces = [data]
    while piece := connection.recv(MIB):
        pieces.append(piece)
    return b"".join(pieces)


def test_stop_lets_a_download_and_an_upload_finish(registry: Registry) -> None:
    """New connections are refused meanwhile; then the daemon and its PostgreSQL are gone, with status 0."""
    content = random.randbytes(24 * MIB)
    release = registry.admin.make_release(registry.product, "5.0.0")
    artifact = registry.admin.make_artifact(release, "large.bin", content)
    related = {"release": {"data": {"type": "releases", "id": release["id"]}}}
    document = {"data": {"type": "artifacts", "attributes": {"filename": "late.bin"}, "relationships": related}}
    late = registry.admin.post("/artifacts", document, Prefer="no-redirect")
    postgres = registry.postmaster()

    with (
        closing(open_request(f"{registry.admin.base}/artifacts/{artifact['id']}", window=64 * KIB)) as download,
        closing(open_request(late.headers["Location"], "PUT", length=2 * MIB)) as upload,
        ThreadPoolExecutor(1) as thread,
    ):
        status, begun = read_head(download)
        assert status == 200
        upload.sendall(content[:MIB])
        eventually(registry.incoming, "the upload has begun")
        registry.process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(registry), "new connections are refused")
        rest = thread.submit(read_to_end, download, begun)
        upload.sendall(content[MIB : 2 * MIB])
        assert read_head(upload)[0] == 200
        assert rest.result(PATIENCE) == content
    assert registry.process.wait(PATIENCE) == 0
    assert not psutil.pid_exists(postgres.pid)

    registry.begin()
    assert registry.status_of(late.data["id"]) == "UPLOADED"
    assert registry.admin.get(f"/artifacts/{late.data['id']}", Accept="*/*").body == content[: 2 * MIB]
