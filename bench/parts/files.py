"""Small files and parts of files: an artifact by its URL, and 64 KiB of a layer; one credential and a thousand."""

from __future__ import annotations

import random
from functools import partial

from bench.context import CUSTOMERS, Bench
from bench.figures import Case, Check, Section, Table, interleave, ratio, short
from bench.filling import license_customers
from bench.load import Target, press
from bench.machine import GIB, KIB, MIB, Server
from bench.peers import NGINX
from bench.registry import OURS

_RANGE = 64 * KIB
_SIZES = {"4 KiB": 4 * KIB, "64 KiB": 64 * KIB, "1 MiB": MIB}
_PART = "64 KiB of a layer"
_MANY = f"{CUSTOMERS:,} credentials"
_CONNECTIONS = 16


def run(bench: Bench) -> Section:
    cases: list[Case] = []

    def add(server: Server, what: str, target: Target) -> None:
        cases.append(Case(server.name, what, partial(_measure, bench, target, server)))

    ours, nginx = bench.registry, bench.peers.get(NGINX)
    product = ours.admin.make_product("LICENSED")
    keys = license_customers(ours, product, CUSTOMERS).basic(CUSTOMERS)
    opened, licensed = (ours.admin.make_release(one, "1.0.0") for one in (bench.open_product, product))
    for what, size in _SIZES.items():
        name, content = f"file-{size}.bin", random.Random(size).randbytes(size)
        add(ours.server, f"{what}, anonymous", Target(_url(bench, opened, name, content)))
        found = Target(_url(bench, licensed, f"licensed-{name}", content))
        add(ours.server, f"{what}, one credential", Target(found.url, {"Authorization": keys[0]}))
        add(ours.server, f"{what}, {_MANY}", Target(found.url, {}, ("Authorization", keys)))
        if nginx is not None:
            (bench.peers.root(NGINX) / name).write_bytes(content)
            add(nginx, what, Target(f"{nginx.url}/{name}"))
    layer = bench.small_licensed.layer_path()
    asked = {"Range": f"bytes={MIB // 2}-{MIB // 2 + _RANGE - 1}"}
    tokens = bench.tokens
    for server in filter(None, (ours.server, nginx)):
        add(server, f"{_PART}, anonymous" if server is ours.server else _PART, _random_parts(bench, server))
    one = {**asked, "Authorization": tokens[0]}
    add(ours.server, f"{_PART}, one credential", Target(ours.url + layer, one, status=206))
    add(ours.server, f"{_PART}, {_MANY}", Target(ours.url + layer, asked, ("Authorization", tokens), status=206))
    interleave(cases, bench.options.rounds)
    parts = [case for case in cases if case.server == OURS and case.what.startswith(_PART)]
    checks = [Check(f"{case.what}: CPU us", case.of("cpu"), 160, at_most=True) for case in parts]
    return Section(
        "Small files and parts of files",
        f"wrk, {_CONNECTIONS} connections; from the page cache. Artifacts by their own URL; anonymous and nginx: parts "
        "at random places of a layer of 1 GiB; with credentials: of one of 1 MiB.",
        [_table(cases)],
        checks,
        cases,
    )


def _url(bench: Bench, release: dict, name: str, content: bytes) -> str:
    artifact = bench.registry.admin.make_artifact(release, name, content)
    return f"{bench.registry.base}/artifacts/{artifact['id']}/{name}"


def _random_parts(bench: Bench, server: Server) -> Target:
    chosen = random.Random(1)
    starts = [chosen.randrange(0, GIB - _RANGE) for _ in range(500)]
    values = [f"bytes={start}-{start + _RANGE - 1}" for start in starts]
    return Target(server.url + bench.large.layer_path(), {}, ("Range", values), status=206)


def _measure(bench: Bench, target: Target, server: Server) -> dict[str, float]:
    return press(target, server, connections=_CONNECTIONS, seconds=bench.options.seconds).figures()


def _table(cases: list[Case]) -> Table:
    columns = ["Server", "Request", "req/s", "p50 ms", "p99 ms", "MB/s", "CPU us", "PostgreSQL us", "errors",
               "/ nginx", "CPU / nginx"]  # fmt: skip
    rows = []
    for case in cases:
        what = case.what.partition(",")[0]
        figures = [short(case.of(name)) for name in ("rate", "p50", "p99", "megabytes", "cpu", "database_cpu")]
        ratios = [ratio(case, cases, NGINX, figure, what) for figure in ("rate", "cpu")]
        rows.append([case.server, case.what, *figures, f"{case.most('errors'):.0f}", *ratios])
    return Table(columns, rows, words=2)
