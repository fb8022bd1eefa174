"""500 clients that read the large blob slowly: what they cost, and what somebody who asks for a manifest notices."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bench.context import Bench
from bench.figures import Case, Check, Section, Table, interleave, short
from bench.images import MANIFEST
from bench.load import Target, percentile
from bench.machine import CLIENT_CORE, GIB, KIB, MIB, ROOT, MemoryWatch, Server, costs_of, on_cores
from bench.peers import DOCKER_REGISTRY, NGINX
from bench.probe import probe
from bench.registry import OURS

CLIENTS = 500
RATE = 64 * KIB
PER_SECOND = 100
_PATIENCE = 60
#: How long clients may take to settle, how often that is looked at, in seconds; the part of a core that is idle enough.
_ARRIVAL, _LOOK, _IDLE = 10, 0.5, 0.25


def run(bench: Bench) -> Section:
    servers = [bench.registry.server, *bench.registries(NGINX, DOCKER_REGISTRY)]
    cases = [Case(server.name, "HTTP", partial(measure, bench, server)) for server in servers]
    interleave(cases, 1)
    ours = next(case for case in cases if case.server == OURS)
    return Section(
        "Slow clients",
        f"{CLIENTS} clients read the blob at {RATE // KIB} KiB/s each, {CLIENTS * RATE / MIB:.0f} MiB/s together; "
        f"meanwhile the manifest is asked for {PER_SECOND} times a second on one connection, from the same core as the "
        "clients. First while they arrive, until the kernel's buffers of all of them are full and the server has "
        "little to do, then beside them. Once, not in rounds.",
        [table(cases)],
        checks(ours, growth=16, p99=5),
        cases,
    )


def checks(ours: Case, *, growth: float, p99: float) -> list[Check]:
    return [
        Check("growth of memory", ours.of("growth"), growth, at_most=True, unit=" MiB"),
        Check("p99 of the probe", ours.of("during_p99"), p99, at_most=True, unit=" ms"),
    ]


def measure(bench: Bench, server: Server, *, tls: bool = False) -> dict[str, float]:
    """The probe alone and then beside the clients: ms; memory in MiB; CPU as a part of the server's core."""
    port = server.more["tls"] if tls else server.port
    scheme = "https" if tls else "http"
    target = Target(f"{scheme}://127.0.0.1:{port}{bench.large.manifest_path()}", {"Accept": MANIFEST})
    seconds = 2 if bench.options.quick else 8
    probe(target, seconds=0.5)
    alone = probe(target, seconds=seconds / 2, per_second=PER_SECOND)
    order = {"port": port, "path": bench.large.layer_path(), "size": GIB, "connections": CLIENTS, "rate": RATE,
             "tls": tls}  # fmt: skip
    with MemoryWatch(server.pid) as watch, _readers(order) as received:
        arriving = probe(target, seconds=_PATIENCE, per_second=PER_SECOND, until=_Settled(server))
        before, began = costs_of(server.pid), time.monotonic()
        during = probe(target, seconds=seconds, per_second=PER_SECOND)
        spent, took = costs_of(server.pid).since(before), time.monotonic() - began
    return {
        "before": watch.before / MIB,
        "most": watch.most / MIB,
        "growth": watch.growth / MIB,
        "alone_p50": percentile(alone, 50) * 1e3,
        "alone_p99": percentile(alone, 99) * 1e3,
        "arriving_p99": percentile(arriving, 99) * 1e3,
        "during_p50": percentile(during, 50) * 1e3,
        "during_p99": percentile(during, 99) * 1e3,
        "during_most": max(during) * 1e3,
        "cpu": spent.server / took,
        "rate": received[0] / CLIENTS / KIB,
    }


class _Settled:
    """Called again and again: whether a server has filled the kernel's buffers of all clients and has little to do."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._since, self._costs = time.monotonic(), costs_of(server.pid)
        self._end = self._since + _ARRIVAL

    def __call__(self) -> bool:
        now = time.monotonic()
        if now - self._since < _LOOK:
            return False
        costs = costs_of(self._server.pid)
        busy = costs.since(self._costs).server / (now - self._since)
        self._since, self._costs = now, costs
        return busy < _IDLE or now > self._end


@contextmanager
def _readers(order: dict[str, object]) -> Iterator[list[float]]:
    """The clients, while all of them read; afterwards the list has their bytes per second together."""
    received: list[float] = []
    with on_cores(CLIENT_CORE):
        readers = subprocess.Popen(
            [sys.executable, "-m", "bench.slow_readers", json.dumps(order)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
    try:
        if readers.stdout.readline().strip() != "reading":
            raise RuntimeError(f"slow clients: {readers.communicate(timeout=_PATIENCE)[1][-500:]}")
        yield received
        line, errors = readers.communicate(timeout=_PATIENCE)
        if not line:
            raise RuntimeError(f"slow clients: {errors[-500:]}")
        said = json.loads(line)
        received.append(said["bytes"] / said["seconds"])
    finally:
        if readers.poll() is None:
            readers.terminate()
        readers.wait(_PATIENCE)


def table(cases: list[Case]) -> Table:
    columns = ["Server", "Over", "RSS before, MiB", "most", "grew", "probe alone: p50 ms", "p99",
               "while they arrive: p99", "beside them: p50", "p99", "most", "CPU", "KiB/s each"]  # fmt: skip
    names = ("before", "most", "growth", "alone_p50", "alone_p99", "arriving_p99", "during_p50", "during_p99",
             "during_most")  # fmt: skip
    rows = [
        [case.server, case.what, *(short(case.of(name)) for name in names), f"{case.of('cpu'):.0%}",
         short(case.of("rate"))]
        for case in cases
    ]  # fmt: skip
    return Table(columns, rows, words=2)
