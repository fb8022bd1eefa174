"""An upstream index for mirrors, served by nginx, and devpi's mirror of it."""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
from base64 import b64encode
from typing import Any

from attrs import frozen

from bench.context import Bench
from bench.machine import MIB, Server
from bench.peers import NGINX

_NAME = "upstream-wheels"
_FILES = 1000


@frozen
class Upstream:
    """A project of many files of which the first is there; ``url`` is the index."""

    name: str
    url: str
    filename: str
    content: bytes

    @property
    def simple(self) -> str:
        return f"{self.url}/simple/"


def pypi_upstream(bench: Bench) -> Upstream:
    """Put the project below nginx's root, or find it there."""
    server = bench.peers.get(NGINX)
    root = bench.peers.root(NGINX)
    folder = root / "simple" / _NAME
    stem = _NAME.replace("-", "_")
    names = [f"{stem}-1.{1000 + number}.0-py3-none-any.whl" for number in range(_FILES)]
    file = root / "files" / names[0]
    if not folder.exists():
        folder.mkdir(parents=True)
        file.parent.mkdir(exist_ok=True)
        content = secrets.token_bytes(MIB)
        file.write_bytes(content)
        digests = [hashlib.sha256(content).hexdigest(), *(secrets.token_hex(32) for _ in names[1:])]
        files = [
            {
                "filename": name, "url": f"{server.url}/files/{name}", "hashes": {"sha256": digest}, "size": MIB,
                "requires-python": ">=3.9", "upload-time": "2025-01-01T00:00:00.000000Z",
            }
            for name, digest in zip(names, digests, strict=True)
        ]  # fmt: skip
        versions = [name.split("-")[1] for name in names]
        page = {"meta": {"api-version": "1.1"}, "name": _NAME, "versions": versions, "files": files}
        (folder / "index.json").write_text(json.dumps(page))
        projects = {"meta": {"api-version": "1.1"}, "projects": [{"name": _NAME}]}
        (root / "simple/index.json").write_text(json.dumps(projects))
    return Upstream(_NAME, server.url, names[0], file.read_bytes())


def devpi_mirror(server: Server, upstream: Server) -> None:
    """Let devpi's index ``root/bench`` mirror the upstream; nothing if it does."""
    if server.more.get("mirrors"):
        return
    token = _devpi(server, "POST", "/+login", {"user": "root", "password": ""}, None)["result"]["password"]
    index = {"type": "mirror", "mirror_url": f"{upstream.url}/simple/", "mirror_cache_expiry": 86400, "volatile": True}
    _devpi(server, "PUT", "/root/bench", index, token)
    server.more["mirrors"] = True


def _devpi(server: Server, method: str, path: str, document: dict[str, Any], token: str | None) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["X-Devpi-Auth"] = b64encode(f"root:{token}".encode()).decode()
    connection.request(method, path, json.dumps(document), headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status not in (200, 201):
        raise RuntimeError(f"devpi-server: {method} {path}: {answer.status} {body[:300]!r}")
    return json.loads(body)
