"""A page and a file that came from an upstream index and are kept, beside our own and beside other mirrors."""

from __future__ import annotations

from functools import partial

from bench.context import Bench
from bench.figures import Case, Section, Skipped, Table, find, interleave, short
from bench.filling import publish_versions
from bench.load import Target, check, press
from bench.machine import Server
from bench.parts.pages import FILES, JSON, file_url
from bench.peers import DEVPI, NGINX, PROXPI
from bench.peers_filling import devpi_mirror, pypi_upstream
from bench.registry import OURS
from keygenreg.configuration import ConfigurationError, load

_MODE = "KEYGENREG_UPSTREAM_PYPI_MODE"
_PAGE, _FILE = f"page of {FILES:,} files, JSON", "file of 1 MiB"
_LOCAL, _MIRRORED = "own", "mirrored"
_CONNECTIONS = 16


def run(bench: Bench) -> Section:
    try:
        load(environment={_MODE: "mirror"})
    except ConfigurationError as error:
        raise Skipped(f"There is no mirror yet: {error}") from None
    if bench.peers.get(NGINX) is None:
        raise Skipped("nginx, which is the upstream here, is not installed.")
    registry, product = bench.registry, bench.open_product
    registry.stop()
    upstream = pypi_upstream(bench)
    registry.start(
        UPSTREAM_PYPI_MODE="mirror", UPSTREAM_PYPI_URL=upstream.simple, UPSTREAM_PYPI_PRIVATE_ADDRESSES="true",
        UPSTREAM_PYPI_ANONYMOUS="true",
    )  # fmt: skip
    publish_versions(registry, product, "pypi", "bench-mirrored", FILES, len(upstream.content))
    simple = f"{registry.url}/v1/engines/pypi/simple"
    cases: list[Case] = []

    def add(server: Server, kind: str, page: str, filename: str) -> None:
        asked = Target(page, {"Accept": JSON})
        found = Target(file_url(asked, filename))
        for what, target in ((_PAGE, asked), (_FILE, found)):
            # The first answer fills the cache.
            check(target)
            cases.append(Case(server.name, f"{what}, {kind}", partial(_measure, bench, server, target)))

    add(registry.server, _LOCAL, f"{simple}/bench-mirrored/", "bench_mirrored-1.1000.0-py3-none-any.whl")
    add(registry.server, _MIRRORED, f"{simple}/{upstream.name}/", upstream.filename)
    notes = []
    for name, path in ((DEVPI, f"/root/bench/+simple/{upstream.name}/"), (PROXPI, f"/index/{upstream.name}/")):
        server = bench.peers.get(name)
        if server is None:
            notes.append(f"Left out: {name} ({bench.peers.absent[name]}).")
            continue
        if name == DEVPI:
            devpi_mirror(server, bench.peers.get(NGINX))
        add(server, _MIRRORED, server.url + path, upstream.filename)
    interleave(cases, min(bench.options.rounds, 2))
    registry.stop()
    registry.start()
    return Section(
        "Mirror",
        f"wrk, {_CONNECTIONS} connections, anonymous; the upstream is nginx, asked once and then no more.",
        [_table(cases)],
        (),
        cases,
        notes,
    )


def _measure(bench: Bench, server: Server, target: Target) -> dict[str, float]:
    return press(target, server, connections=_CONNECTIONS, seconds=bench.options.seconds).figures()


def _table(cases: list[Case]) -> Table:
    columns = ["Server", "Request", "req/s", "p50 ms", "p99 ms", "MB/s", "CPU us", "PostgreSQL us", "errors",
               "/ our own", f"/ {DEVPI}", f"/ {PROXPI}"]  # fmt: skip
    rows = []
    for case in cases:
        what = case.what.rpartition(", ")[0]
        others = [(OURS, _LOCAL), (DEVPI, _MIRRORED), (PROXPI, _MIRRORED)]
        found = [find(cases, server, f"{what}, {kind}") for server, kind in others]
        ratios = ["" if other in (None, case) else short(case.to(other)) for other in found]
        figures = [short(case.of(name)) for name in ("rate", "p50", "p99", "megabytes", "cpu", "database_cpu")]
        rows.append([case.server, case.what, *figures, f"{case.most('errors'):.0f}", *ratios])
    return Table(columns, rows, words=2)
