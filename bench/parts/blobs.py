"""A file of a GiB from the page cache, and small ranges of it."""

from __future__ import annotations

import random
from functools import partial

from bench.blob_client import download
from bench.context import Bench
from bench.figures import Case, Check, Section, Table, find, interleave, ratio, short
from bench.load import Target, press
from bench.machine import GIB, KIB, Server
from bench.peers import DISTRIBUTION, DOCKER_REGISTRY, NGINX
from bench.registry import OURS

_RANGE = 64 * KIB
_RANGES = 500


def run(bench: Bench) -> Section:
    servers = [bench.registry.server, *bench.registries(NGINX, DOCKER_REGISTRY, DISTRIBUTION)]
    kinds = [("discard", count) for count in bench.options.connections]
    cases = downloads(bench, servers, [*kinds, ("read", 16)])
    ranges = [
        Case(server.name, "ranges", partial(_ranges, bench, server, _target(bench, server))) for server in servers
    ]
    interleave(cases, bench.options.slices, back_and_forth=True)
    interleave(ranges, bench.options.rounds)
    checks = []
    for case in (one for one in cases if one.server == OURS and one.what.startswith("discard")):
        nginx, registry = find(cases, NGINX, case.what), find(cases, DOCKER_REGISTRY, case.what)
        if registry:
            checks.append(Check(f"{case.what}: throughput, times docker-registry", case.to(registry), 2.5))
        if nginx:
            checks.append(Check(f"{case.what}: throughput, times nginx", case.to(nginx), 1))
            checks.append(Check(f"{case.what}: CPU per GB, times nginx", case.to(nginx, "cpu"), 1.3, at_most=True))
        checks.append(Check(f"{case.what}: growth of memory", case.most("growth"), 16, at_most=True, unit=" MiB"))
    return Section(
        "Blob of 1 GiB",
        "One file for all: what the daemon stored, and hard links to it for the others, in the page cache; over plain "
        "TCP, by a client of our own on a core of its own. `discard`: the kernel drops what came, so that the client "
        "is never what limits; `read`: it is copied once, as in real clients, whose core then is the limit for the "
        f"fastest (see its load). {bench.options.slices} slices of {bench.options.window:g} s of each, back and forth "
        "between the servers. CPU is user and system time of all of a server's processes, for nginx that of its one "
        "worker; nginx has `worker_processes 1; sendfile on;` and its default `sendfile_max_chunk` of "
        "2 MiB. Ranges: 64 KiB at random places, wrk, 16 connections.",
        [blob_table(cases, (DOCKER_REGISTRY, DISTRIBUTION, NGINX)), _range_table(ranges)],
        checks,
        [*cases, *ranges],
    )


def downloads(bench: Bench, servers: list[Server], kinds: list[tuple[str, int]], *, tls: bool = False) -> list[Case]:
    """Cases of downloads: ``kinds`` are what the client does with the bytes, and connections."""
    path = bench.large.layer_path()
    return [
        Case(
            server.name,
            f"{mode}, {count} connection{'s' if count > 1 else ''}",
            partial(
                download, server, port=server.more["tls"] if tls else server.port, path=path, size=GIB,
                connections=count, seconds=bench.options.window, mode=mode, tls=tls,
            ),
        )
        for mode, count in kinds
        for server in servers
    ]  # fmt: skip


def blob_table(cases: list[Case], peers: tuple[str, ...]) -> Table:
    columns = ["Server", "Client", "GB/s", "CPU s/GB", "memory grew, MiB", "client's load",
               *(f"/ {name}" for name in peers), "CPU / nginx"]  # fmt: skip
    rows = [
        [
            case.server, case.what, short(case.of("rate")), short(case.of("cpu")), short(case.most("growth")),
            f"{case.of('client'):.0%}", *(ratio(case, cases, name) for name in peers), ratio(case, cases, NGINX, "cpu"),
        ]
        for case in cases
    ]  # fmt: skip
    return Table(columns, rows, words=2)


def _target(bench: Bench, server: Server) -> Target:
    chosen = random.Random(1)
    starts = [chosen.randrange(0, GIB - _RANGE) for _ in range(_RANGES)]
    values = [f"bytes={start}-{start + _RANGE - 1}" for start in starts]
    return Target(server.url + bench.large.layer_path(), {}, ("Range", values), status=206)


def _ranges(bench: Bench, server: Server, target: Target) -> dict[str, float]:
    return press(target, server, connections=16, seconds=bench.options.seconds).figures()


def _range_table(cases: list[Case]) -> Table:
    columns = ["Ranges of 64 KiB", "req/s", "MB/s", "p50 ms", "p99 ms", "CPU us", "PostgreSQL us", "/ docker-registry",
               "/ nginx"]  # fmt: skip
    rows = []
    for case in cases:
        figures = [short(case.of(name)) for name in ("rate", "megabytes", "p50", "p99", "cpu", "database_cpu")]
        rows.append([case.server, *figures, *(ratio(case, cases, name) for name in (DOCKER_REGISTRY, NGINX))])
    return Table(columns, rows)
