"""16 pulls of the large layer as fast as they go: what they cost, and what somebody who asks for a manifest notices."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.blob_client import download
from bench.context import LICENSED, Bench
from bench.figures import Case, Check, Section, Table, interleave, ratio, short
from bench.images import MANIFEST
from bench.load import Target, percentile
from bench.machine import GIB, Server
from bench.peers import DOCKER_REGISTRY, NGINX
from bench.probe import probe
from bench.registry import OURS

PULLERS = 16
PER_SECOND = 100
#: Seconds in which the pullers are started, and which they go on after the probe.
_MARGIN = 1.5


def run(bench: Bench) -> Section:
    servers = [bench.registry.server, *bench.registries(NGINX, DOCKER_REGISTRY)]
    cases = [Case(server.name, _asked(server), partial(_measure, bench, server)) for server in servers]
    interleave(cases, bench.options.rounds)
    ours = cases[0]
    return Section(
        "Fast pulls, and a probe",
        f"{PULLERS} clients pull the layer of 1 GiB again and again, unthrottled, and drop what comes; meanwhile a "
        f"manifest is asked for {PER_SECOND} times a second on one connection, from the clients' core: ours one that "
        "needs a license, with a registry token, the others' one that anybody may read. The probe waits for the "
        "clients' core too.",
        [_table(cases)],
        [
            Check("p99 of the probe beside them", ours.of("during_p99"), 50, at_most=True, unit=" ms"),
            Check("growth of memory", ours.most("growth"), 100, at_most=True, unit=" MiB"),
        ],
        cases,
    )


def _asked(server: Server) -> str:
    return "manifest, licensed" if server.name == OURS else "manifest"


def _target(bench: Bench, server: Server) -> Target:
    if server.name != OURS:
        return Target(server.url + bench.large.manifest_path(), {"Accept": MANIFEST})
    (token,) = bench.customers.bearers(bench.registry, LICENSED, 1)
    return Target(
        server.url + bench.small_licensed.manifest_path(), {"Accept": MANIFEST, "Authorization": token}
    )  # fmt: skip


def _measure(bench: Bench, server: Server) -> dict[str, float]:
    """The probe alone and then beside the pullers, in ms; what the pullers got, as :func:`download` says it."""
    target = _target(bench, server)
    seconds = 2 if bench.options.quick else 6
    probe(target, seconds=0.5)
    alone = probe(target, seconds=seconds / 2, per_second=PER_SECOND)
    with ThreadPoolExecutor(1) as threads:
        pulling = threads.submit(
            download, server, port=server.port, path=bench.large.layer_path(), size=GIB, connections=PULLERS,
            seconds=seconds + 2 * _MARGIN, mode="discard",
        )  # fmt: skip
        time.sleep(_MARGIN)
        during = probe(target, seconds=seconds, per_second=PER_SECOND)
        if pulling.done() and (failure := pulling.exception()):
            raise failure
        pulled = pulling.result()
    return {
        "alone_p50": percentile(alone, 50) * 1e3,
        "alone_p99": percentile(alone, 99) * 1e3,
        "during_p50": percentile(during, 50) * 1e3,
        "during_p99": percentile(during, 99) * 1e3,
        "during_most": max(during) * 1e3,
        **pulled,
    }


def _table(cases: list[Case]) -> Table:
    columns = ["Server", "Asked for", "probe alone: p50 ms", "p99", "beside them: p50", "p99", "most", "pulled, GB/s",
               "CPU s/GB", "memory grew, MiB", f"GB/s / {DOCKER_REGISTRY}"]  # fmt: skip
    names = ("alone_p50", "alone_p99", "during_p50", "during_p99", "during_most", "rate", "cpu")
    other = next((case for case in cases if case.server == DOCKER_REGISTRY), None)
    rows = [
        [case.server, case.what, *(short(case.of(name)) for name in names), short(case.most("growth")),
         ratio(case, cases, DOCKER_REGISTRY, what=other.what if other else None)]
        for case in cases
    ]  # fmt: skip
    return Table(columns, rows, words=2)
