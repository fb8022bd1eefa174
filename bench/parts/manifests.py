"""GET of a manifest by tag: anonymous, with a registry token, with a license key; one credential and a thousand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bench.context import CUSTOMERS, REGISTRIES, Bench
from bench.figures import Case, Check, Section, Table, find, interleave, ratio, short
from bench.images import MANIFEST
from bench.load import Target, press
from bench.machine import Server
from bench.peers import DISTRIBUTION, DOCKER_REGISTRY, NGINX, ZOT
from bench.registry import OURS

_PLAIN = "as is"
_HEADERS = {"Accept": MANIFEST}
_ONE, _MANY = "one credential", f"{CUSTOMERS:,} credentials"


def run(bench: Bench) -> Section:
    ours, tokens = bench.registry, bench.tokens
    keys = bench.customers.basic(CUSTOMERS)
    large = bench.large.manifest_path()
    licensed = Target(ours.url + bench.small_licensed.manifest_path(), _HEADERS)
    cases = []

    def add(server: Server, who: str, target: Target, *counts: int) -> None:
        for count in counts[-1:] if bench.options.quick else counts:
            what = f"{who}, {count} connection{'s' if count > 1 else ''}"
            cases.append(Case(server.name, what, partial(_measure, bench, target, server, count)))

    add(ours.server, "anonymous", Target(ours.url + large, _HEADERS), 1, 16)
    for name, values in (("Bearer", tokens), ("Basic", keys)):
        add(ours.server, f"{name}, {_ONE}", _with(licensed, values[:1]), 1, 16)
        add(ours.server, f"{name}, {_MANY}", _with(licensed, values), 16)
    for server in bench.registries(NGINX, *REGISTRIES):
        add(server, _PLAIN, Target(server.url + large, _HEADERS), 1, 16)
    interleave(cases, bench.options.rounds)
    return Section(
        "Manifest by tag",
        "`wrk` with keep-alive; 2 KiB or a little more each. nginx serves the same bytes as a static file, the other "
        "registries check no credentials at all. CPU is per request; that of our PostgreSQL apart. Ratios are of "
        "requests per second with the same number of connections.",
        [_table(cases)],
        _checks(cases),
        cases,
        [f"Left out: {name} ({why})." for name, why in bench.peers.absent.items() if name in (NGINX, *REGISTRIES)],
    )


def _with(target: Target, values: Sequence[str]) -> Target:
    if len(values) == 1:
        return Target(target.url, {**target.headers, "Authorization": values[0]})
    return Target(target.url, target.headers, ("Authorization", values))


def _measure(bench: Bench, target: Target, server: Server, connections: int) -> dict[str, float]:
    return press(target, server, connections=connections, seconds=bench.options.seconds).figures()


def _as_is(case: Case) -> str:
    """What peers were asked with as many connections."""
    return f"{_PLAIN}, {case.what.rpartition(', ')[2]}"


def _table(cases: list[Case]) -> Table:
    columns = ["Server", "Request", "req/s", "p50 ms", "p99 ms", "CPU us", "PostgreSQL us", "errors",
               "/ docker-registry", "/ distribution", "/ zot", "/ nginx"]  # fmt: skip
    rows = []
    for case in cases:
        ratios = [ratio(case, cases, name, what=_as_is(case)) for name in (DOCKER_REGISTRY, DISTRIBUTION, ZOT, NGINX)]
        figures = [short(case.of(name)) for name in ("rate", "p50", "p99", "cpu", "database_cpu")]
        rows.append([case.server, case.what, *figures, f"{case.most('errors'):.0f}", *ratios])
    return Table(columns, rows, words=2)


def _checks(cases: list[Case]) -> list[Check]:
    checks = []
    for case in cases:
        if case.server != OURS or "credential" not in case.what:
            continue
        for name, least in ((DOCKER_REGISTRY, 30), (DISTRIBUTION, 10), (ZOT, 10), (NGINX, 0.8)):
            other = find(cases, name, _as_is(case))
            if other:
                checks.append(Check(f"{case.what}: times {name}", case.to(other), least))
    return checks
