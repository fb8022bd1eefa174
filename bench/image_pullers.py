"""``bench/image_pulls``: many pulls of one large layer at a time, and how manifests are answered meanwhile."""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import socket
import tempfile
import threading
import time
from pathlib import Path

from attrs import frozen

from bench.filled_registry import LICENSE_KEY, MIB
from bench.load import percentile
from bench.process_costs import costs_of
from tests.daemon_fixtures import Api, Daemon, basic, fetch
from tests.engines.oci.layouts import Layout, digest_of

_BUFFER = MIB


@frozen
class Image:
    """A licensed image in a registry: where it is, and a registry token for it."""

    port: int
    token: str
    layer: str

    def head(self, path: str) -> bytes:
        return (
            f"GET /v2/app/{path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n"
            f"Authorization: Bearer {self.token}\r\nConnection: close\r\n\r\n"
        ).encode()


@frozen
class Probe:
    """Latencies of a manifest in seconds, ascending; ``memory`` is the daemon's largest, in bytes."""

    times: list[float]
    memory: int

    def line(self, name: str) -> str:
        p50, p99, most = (percentile(self.times, percent) * 1e3 for percent in (50, 99, 100))
        return f"| {name} | {len(self.times)} | {p50:.2f} | {p99:.2f} | {most:.2f} | {self.memory / 2**20:.0f} |"


def publish(daemon: Daemon, size: int) -> Image:
    """An image whose layer has ``size`` bytes, and a license for it."""
    first = json.loads((daemon.data_dir / "first-admin.json").read_text())
    admin = Api(daemon.url, first["account"]["id"], f"Bearer {first['token']}")
    product = admin.make_product("LICENSED")
    package = admin.make_package(product, "app", "oci")
    admin.make_license(admin.make_policy(product), key=LICENSE_KEY)
    layer = os.urandom(size)
    layout = Layout()
    archive = layout.add(layout.image(layer)).tar()
    release = admin.make_release(product, package=package)
    artifact = admin.make_artifact(release, "image.tar", archive)
    while artifact["attributes"]["status"] == "PROCESSING":
        time.sleep(0.5)
        artifact = admin.get(f"/artifacts/{artifact['id']}", Prefer="no-download").data
    if artifact["attributes"]["status"] != "UPLOADED":
        raise RuntimeError(artifact["attributes"]["failureReason"])
    url = f"http://localhost:{daemon.port}/v2/token?scope=repository:app:pull"
    token = fetch("GET", url, headers={"Authorization": basic("license", LICENSE_KEY)}).json["token"]
    return Image(daemon.port, token, digest_of(layer))


def probe(image: Image, pid: int, seconds: float, per_second: float, until: threading.Event | None = None) -> Probe:
    """Ask for the manifest at a steady rate, on one connection, for some time or until something has happened."""
    connection = http.client.HTTPConnection("localhost", image.port, timeout=60)
    times, memory, number, began = [], 0, 0, time.monotonic()
    while time.monotonic() - began < seconds and not (until and until.is_set()):
        time.sleep(max(0.0, began + number / per_second - time.monotonic()))
        asked = time.monotonic()
        connection.request("GET", "/v2/app/manifests/latest", headers={"Authorization": f"Bearer {image.token}"})
        answer = connection.getresponse()
        answer.read()
        times.append(time.monotonic() - asked)
        if answer.status != 200:
            raise RuntimeError(f"the manifest answered {answer.status}")
        if number % 10 == 0:
            memory = max(memory, costs_of(pid).memory)
        number += 1
    return Probe(sorted(times), memory)


def pull(image: Image, size: int) -> None:
    """One pull of the layer in a process of its own; the bytes are counted and thrown away."""
    buffer, received = bytearray(_BUFFER), 0
    with socket.create_connection(("localhost", image.port)) as connection:
        connection.sendall(image.head(f"blobs/{image.layer}"))
        while count := connection.recv_into(buffer):
            received += count
    if received <= size:
        raise RuntimeError(f"a pull got {received} bytes")


def run(options: argparse.Namespace) -> None:
    size = options.size * MIB
    with tempfile.TemporaryDirectory(prefix="keygenreg-bench-") as folder:
        allowed = {"KEYGENREG_PROCESSING_IMAGE_BYTES": str(2 * size + MIB)}
        daemon = Daemon(Path(folder) / "data", *options.serve, env=allowed).start()
        try:
            image = publish(daemon, size)
            probe(image, daemon.process.pid, 1, options.per_second)
            alone = probe(image, daemon.process.pid, options.seconds, options.per_second)
            pullers = [multiprocessing.Process(target=pull, args=(image, size)) for _ in range(options.pullers)]
            done = threading.Event()
            began = time.monotonic()
            for each in pullers:
                each.start()
            waiting = threading.Thread(target=lambda: [[each.join() for each in pullers], done.set()])
            waiting.start()
            during = probe(image, daemon.process.pid, 600, options.per_second, done)
            waiting.join()
            took = time.monotonic() - began
        finally:
            daemon.stop()
    if any(each.exitcode for each in pullers):
        raise RuntimeError("a pull failed")
    rate = options.pullers * size / took / MIB
    print(
        f"{options.pullers} pulls of a layer of {options.size} MiB at a time ({rate:,.0f} MiB/s together, "
        f"{took:.1f} s); its manifest asked for by tag with a registry token {options.per_second:g} times a second\n"
    )
    print("| Probe | requests | p50 ms | p99 ms | most ms | RSS MiB |")
    print("|---|---:|---:|---:|---:|---:|")
    print(alone.line("alone"))
    print(during.line(f"beside {options.pullers} pulls"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/image_pulls", description=__doc__)
    parser.add_argument("--pullers", type=int, default=16)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the layer")
    parser.add_argument("--seconds", type=float, default=15, help="of the probe before the pulls")
    parser.add_argument("--per-second", type=float, default=20, help="requests of the probe")
    parser.add_argument("serve", nargs="*", help='options of "keygenreg serve", after --')
    run(parser.parse_args())


if __name__ == "__main__":
    main()
