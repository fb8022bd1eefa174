"""Upload of a large file, beside writing and hashing it on this machine."""

from __future__ import annotations

import http.client
import subprocess
import time
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from bench.context import Bench
from bench.figures import Case, Check, Section, Table, find, interleave, short
from bench.images import Blob, random_blob
from bench.machine import GIB, MIB, SERVER_CORE, MemoryWatch, Server, costs_of, on_cores
from bench.peers import DISTRIBUTION, DOCKER_REGISTRY
from bench.registry import OURS

_SHELL = "dd and sha256sum"


def run(bench: Bench) -> Section:
    size = 256 * MIB if bench.options.quick else GIB
    blob = random_blob(bench.new_folder("upload") / "file", size)
    cases = [
        Case(_SHELL, "copy with fsync, then hash", partial(_shell, bench, blob)),
        Case(OURS, "PUT of an artifact", partial(_ours, bench, blob)),
        *(
            Case(server.name, "PUT of a blob", partial(_registry, server, blob))
            for server in bench.registries(DOCKER_REGISTRY, DISTRIBUTION)
        ),
    ]
    interleave(cases, min(bench.options.rounds, 2))
    shell = cases[0]
    ours = find(cases, OURS, "PUT of an artifact")
    columns = ["What", "How", "MB/s", "CPU s/GB", "memory grew, MiB", f"/ {_SHELL}"]
    rows = [
        [case.server, case.what, *(short(case.of(name)) for name in ("rate", "cpu", "growth")),
         "" if case is shell else short(case.to(shell))]
        for case in cases
    ]  # fmt: skip
    return Section(
        "Upload",
        f"{size // MIB} MiB of random bytes in one PUT, until the answer, which comes when they are durable. `dd` "
        "copies with fsync, then `sha256sum` hashes the copy, on the server's core.",
        [Table(columns, rows, words=2)],
        [Check("memory while uploading grew", ours.most("growth"), 32, at_most=True, unit=" MiB")],
        cases,
    )


def _figures(size: int, seconds: float, cpu: float, growth: float) -> dict[str, float]:
    return {"rate": size / 1e6 / seconds, "cpu": cpu / (size / 1e9), "growth": growth / MIB}


def _shell(bench: Bench, blob: Blob) -> dict[str, float]:
    copy = bench.folder / "copy"
    began = time.monotonic()
    with on_cores(SERVER_CORE):
        subprocess.run(["dd", f"if={blob.path}", f"of={copy}", "bs=1M", "conv=fsync"], check=True, capture_output=True)
        subprocess.run(["sha256sum", copy], check=True, capture_output=True)
    took = time.monotonic() - began
    copy.unlink()
    return _figures(blob.size, took, 0, 0)


def _ours(bench: Bench, blob: Blob) -> dict[str, float]:
    admin = bench.registry.admin
    # Each round another file: what is there already need not be kept again.
    with blob.path.open("r+b") as file:
        file.write(time.time_ns().to_bytes(8, "big"))
    release = admin.make_release(admin.make_product("OPEN"))
    related = {"release": {"data": {"type": "releases", "id": release["id"]}}}
    document = {"data": {"type": "artifacts", "attributes": {"filename": "large.bin"}, "relationships": related}}
    link = admin.post("/artifacts", document, Prefer="no-redirect").headers["Location"]
    return _put(bench.registry.server, link, blob.path, (200,))


def _registry(server: Server, blob: Blob) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("POST", "/v2/uploads/blobs/uploads/")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    place = answer.headers["Location"]
    digest = subprocess.run(["sha256sum", blob.path], check=True, capture_output=True, text=True).stdout.split()[0]
    return _put(server, f"{place}{'&' if '?' in place else '?'}digest=sha256:{digest}", blob.path, (201,))


def _put(server: Server, url: str, path: Path, accepted: tuple[int, ...]) -> dict[str, float]:
    parts = urlsplit(url)
    size = path.stat().st_size
    before = costs_of(server.pid)
    with MemoryWatch(server.pid) as watch, path.open("rb") as file:
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        connection.putrequest("PUT", f"{parts.path}?{parts.query}" if parts.query else parts.path)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        connection.sock.sendfile(file)
        answer = connection.getresponse()
        body = answer.read()
        took = time.monotonic() - began
        connection.close()
    if answer.status not in accepted:
        raise RuntimeError(f"{server.name} answered an upload with {answer.status}: {body[:300]!r}")
    spent = costs_of(server.pid).since(before)
    return _figures(size, took, spent.server, watch.growth)
