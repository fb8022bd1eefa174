"""Two workers on two cores against one on one, what a worker weighs, and how long a start takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from statistics import median

from attrs import define

from bench.context import LICENSED, Bench
from bench.figures import Case, Check, Section, Skipped, Table, interleave, ratio, short
from bench.images import MANIFEST
from bench.load import Target, press
from bench.machine import CORES, MIB, SERVER_CORE, memories
from bench.registry import OURS, Registry

_CUSTOMERS = 10
_CONNECTIONS = 32
_STARTS = 3
_MANIFEST, _RANGE = f"manifest, Bearer, {_CUSTOMERS} credentials", "range of 64 KiB, Bearer"


@define
class _Some:
    """A daemon of some workers, idle and then ready to be measured; seconds of its starts, MiB when idle."""

    registry: Registry
    starts: list[float]
    daemon: float
    workers: list[float]
    targets: dict[str, Target]

    @property
    def name(self) -> str:
        count = self.registry.workers
        return f"{OURS}, {count} worker{'s' if count > 1 else ''}"


def run(bench: Bench) -> Section:
    if len(CORES) == 1:
        raise Skipped("This machine has one core.")
    one, two = _prepare(bench, 1, [SERVER_CORE]), _prepare(bench, 2, CORES[:2])
    cases = [
        Case(some.name, what, partial(_measure, bench, some.registry, target))
        for some in (one, two)
        for what, target in some.targets.items()
    ]
    interleave(cases, bench.options.rounds)
    columns = ["Server", "Request", "req/s", "p50 ms", "p99 ms", "errors", "/ one worker"]
    rows = [
        [case.server, case.what, *(short(case.of(each)) for each in ("rate", "p50", "p99")),
         f"{case.most('errors'):.0f}", ratio(case, cases, one.name)]
        for case in cases
    ]  # fmt: skip
    idle = [
        [some.name, ", ".join(f"{start:.2f}" for start in some.starts), short(some.daemon),
         ", ".join(short(worker) for worker in some.workers)]
        for some in (one, two)
    ]  # fmt: skip
    alone = {case.what: case for case in cases if case.server == one.name}
    checks = [
        Check(f"{case.what}: two workers, times one", case.to(alone[case.what]), 1.7)
        for case in cases
        if case.server == two.name
    ]
    checks += [
        Check("start to ready with existing data", median(one.starts), 2, at_most=True, unit=" s"),
        Check("idle memory of a worker", max([one.daemon, *two.workers]), 90, at_most=True, unit=" MiB"),
    ]
    return Section(
        "Workers, start and idle memory",
        "One worker and wrk together on one core, two workers and wrk (two threads) together on two: wrk takes the "
        f"same share of each, and twice is what two cores can give. {_CONNECTIONS} connections. A start, with compiled "
        "modules as an installed package has them, ends with the first answer to a request; memory is that of the "
        "process, shared libraries included, a second after it.",
        [
            Table(columns, rows, words=2),
            Table(["Idle", "starts, s", "the daemon itself, MiB", "its web processes, MiB"], idle),
        ],
        checks,
        cases,
    )


def _prepare(bench: Bench, workers: int, cores: Sequence[int]) -> _Some:
    registry = bench.another(Registry(bench.folder / f"workers-{workers}", workers, cores))
    registry.start()
    customers = bench.make_customers(registry, _CUSTOMERS)
    starts = []
    for _ in range(1 if bench.options.quick else _STARTS):
        registry.stop()
        starts.append(registry.start())
    time.sleep(1)
    daemon, children = memories(registry.server.pid)
    tokens = customers.bearers(registry, LICENSED, _CUSTOMERS)
    image = bench.small_licensed
    accept = {"Accept": MANIFEST}
    part = {"Range": "bytes=0-65535", "Authorization": tokens[0]}
    targets = {
        _MANIFEST: Target(registry.url + image.manifest_path(), accept, ("Authorization", tokens)),
        _RANGE: Target(registry.url + image.layer_path(), part, status=206),
    }
    return _Some(registry, starts, daemon / MIB, [each / MIB for each in children], targets)


def _measure(bench: Bench, registry: Registry, target: Target) -> dict[str, float]:
    cores = registry.cores
    load = press(
        target, registry.server, connections=_CONNECTIONS, seconds=bench.options.seconds, threads=len(cores),
        cores=cores,
    )  # fmt: skip
    return load.figures()
