"""``bench/slow_clients``: many slow downloads, and what a client who asks for a small page notices of them."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import multiprocessing
import socket
import time
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from attrs import frozen

from bench.filled_registry import JSON, KIB, MIB, Project, filled_registry
from bench.load import percentile
from bench.process_costs import costs_of

_TICK = 0.1


@frozen
class Probe:
    """Latencies of the small page in seconds, ascending; ``memory`` is the daemon's largest, in bytes."""

    times: list[float]
    memory: int
    cpu: float

    def line(self, name: str) -> str:
        p50, p99, most = (percentile(self.times, percent) * 1e3 for percent in (50, 99, 100))
        memory = self.memory / 2**20
        return f"| {name} | {len(self.times)} | {p50:.2f} | {p99:.2f} | {most:.2f} | {memory:.0f} | {self.cpu:.0%} |"


def probe(project: Project, pid: int, seconds: float, per_second: float) -> Probe:
    """Ask for a project's page at a steady rate, on one connection."""
    parts = urlsplit(project.page)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    times, memory = [], 0
    before, began = costs_of(pid), time.monotonic()
    for number in range(round(seconds * per_second)):
        time.sleep(max(0.0, began + number / per_second - time.monotonic()))
        asked = time.monotonic()
        connection.request("GET", parts.path, headers=project.headers(JSON))
        answer = connection.getresponse()
        answer.read()
        times.append(time.monotonic() - asked)
        if answer.status != 200:
            raise RuntimeError(f"the page answered {answer.status}")
        if number % 50 == 0:
            memory = max(memory, costs_of(pid).memory)
    cpu = (costs_of(pid).daemon_cpu - before.daemon_cpu) / (time.monotonic() - began)
    return Probe(sorted(times), memory, cpu)


def read_slowly(url: str, clients: int, rate: int, told: Connection) -> None:
    """A process of its own: ``clients`` downloads at ``rate`` bytes a second each, until ``told`` has something."""
    told.send(asyncio.run(_read_slowly(url, clients, rate, told)))


async def _read_slowly(url: str, clients: int, rate: int, told: Connection) -> int:
    received = [0] * clients
    readers = [asyncio.create_task(_reader(url, rate, received, number)) for number in range(clients)]
    while min(received) == 0:
        await asyncio.sleep(_TICK)
    told.send("all read")
    while not told.poll():
        await asyncio.sleep(_TICK)
        for reader in readers:
            if reader.done():
                reader.result()
    for reader in readers:
        reader.cancel()
    return sum(received)


async def _reader(url: str, rate: int, received: list[int], number: int) -> None:
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    connection = socket.socket()
    connection.setblocking(False)
    # As small as the link that it stands for: what the kernel holds for it is not read.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * KIB)
    await loop.sock_connect(connection, ("127.0.0.1", parts.port))
    head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*\r\n\r\n"
    await loop.sock_sendall(connection, head.encode())
    await asyncio.sleep(_TICK * (number % 10) / 10)
    while True:
        data = await loop.sock_recv(connection, int(rate * _TICK))
        if not data:
            raise ConnectionError("a download ended early")
        received[number] += len(data)
        await asyncio.sleep(_TICK * len(data) / (rate * _TICK))


def run(options: argparse.Namespace) -> None:
    with filled_registry(options.serve, None) as registry:
        url = registry.add_file(options.size * MIB)
        project, pid = registry.projects["licensed-small"], registry.daemon.process.pid
        probe(project, pid, 1, options.per_second)
        alone = probe(project, pid, options.seconds, options.per_second)
        ours, theirs = multiprocessing.Pipe()
        readers = multiprocessing.Process(
            target=read_slowly, args=(url, options.clients, options.rate * KIB, theirs), daemon=True
        )
        readers.start()
        ours.recv()
        began = time.monotonic()
        during = probe(project, pid, options.seconds, options.per_second)
        took = time.monotonic() - began
        ours.send("enough")
        received = ours.recv()
        readers.join(30)
    print(
        f"{options.clients} clients at {options.rate} KiB/s each from a file of {options.size} MiB (they got "
        f"{received / took / options.clients / KIB:.0f} KiB/s); a licensed page of 100 files asked for "
        f"{options.per_second:g} times a second\n"
    )
    print("| Probe | requests | p50 ms | p99 ms | most ms | RSS MiB | daemon's CPU |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    print(alone.line("alone"))
    print(during.line(f"beside {options.clients} slow clients"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/slow_clients", description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rate", type=int, default=64, help="KiB a second of each client")
    parser.add_argument("--size", type=int, default=256, help="MiB of the file they read")
    parser.add_argument("--seconds", type=float, default=30, help="of each probe")
    parser.add_argument("--per-second", type=float, default=10, help="requests of the probe")
    parser.add_argument("serve", nargs="*", help='options of "keygenreg serve", after --')
    run(parser.parse_args())


if __name__ == "__main__":
    main()
