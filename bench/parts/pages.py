"""Documents of package indexes: hot, as first asked for after a change, and beside other indexes."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import urljoin

from bench.context import CUSTOMERS, Bench
from bench.figures import Case, Check, Section, Table, interleave, ratio, short
from bench.filling import FIRST, Published, publish_versions
from bench.load import Target, check, press
from bench.machine import Server
from bench.peers import DEVPI, NGINX, PROXPI, PYPISERVER, VERDACCIO
from bench.peers_filling import devpi_mirror, pypi_upstream
from bench.registry import OURS

JSON = "application/vnd.pypi.simple.v1+json"
_FULL, _SHORT = "application/json", "application/vnd.npm.install-v1+json"
FILES, VERSIONS, GEMS = 1000, 500, 500
_CHANGES = 5
_AT_ONCE = 16
#: Ends of what a look goes without.
_LONG = ("gzip", "HTML", "abbreviated")
_PAGE = f"simple page, {FILES:,} files"
_PACKUMENT = f"packument, {VERSIONS} versions"
_INFO = f"compact index `info`, {GEMS} versions"


def run(bench: Bench) -> Section:
    registry, product = bench.registry, bench.open_product
    pages = {
        "pypi": publish_versions(registry, product, "pypi", "bench-wheels", FILES),
        "npm": publish_versions(registry, product, "npm", "bench-tarballs", VERSIONS),
        "rubygems": publish_versions(registry, product, "rubygems", "bench-gems", GEMS),
    }
    publish_versions(registry, bench.customers.product, "pypi", "bench-licensed", FILES)
    engines = f"{registry.url}/v1/engines"
    targets = {
        f"{_PAGE}, JSON": Target(f"{engines}/pypi/simple/bench-wheels/", {"Accept": JSON}),
        f"{_PAGE}, JSON, gzip": Target(
            f"{engines}/pypi/simple/bench-wheels/", {"Accept": JSON, "Accept-Encoding": "gzip"}
        ),
        f"{_PAGE}, HTML": Target(f"{engines}/pypi/simple/bench-wheels/", {"Accept": "text/html"}),
        f"{_PAGE}, JSON, {CUSTOMERS:,} license keys": Target(
            f"{engines}/pypi/simple/bench-licensed/", {"Accept": JSON},
            ("Authorization", bench.customers.basic(CUSTOMERS)),
        ),
        f"{_PACKUMENT}, full": Target(f"{engines}/npm/bench-tarballs", {"Accept": _FULL}),
        f"{_PACKUMENT}, abbreviated": Target(f"{engines}/npm/bench-tarballs", {"Accept": _SHORT}),
        _INFO: Target(f"{engines}/rubygems/info/bench-gems"),
    }  # fmt: skip
    hot = [_hot(bench, registry.server, what, target) for what, target in targets.items()]
    hot += _others(bench, targets, pages)
    if bench.options.quick:
        hot = [case for case in hot if not case.what.endswith(_LONG)]
    changing = {"pypi": f"{_PAGE}, JSON", "npm": f"{_PACKUMENT}, full", "rubygems": _INFO}
    cold = [
        Case(OURS, what, partial(_cold, bench, targets[what], pages[engine])) for engine, what in changing.items()
    ]
    # First what is hot, as a change makes everything cold.
    interleave(hot, bench.options.rounds)
    interleave(cold, bench.options.rounds)
    checks = [
        Check(f"{case.what}: first answer after a change", case.of("worst"), 30, at_most=True, unit=" ms")
        for case in cold
    ]
    return Section(
        "Indexes",
        "wrk, 16 connections, anonymous unless said. nginx serves our bytes as a static file. devpi-server and proxpi "
        "mirror an upstream here, as that is what they are for; their pages are in their caches. Cold: a release is "
        "changed through the API, then the document is asked for, on a new connection; the worst of some changes in "
        "each round, the median of rounds. At once: as many ask together after a change.",
        [_hot_table(hot), _cold_table(cold)],
        checks,
        [*hot, *cold],
        [f"Left out: {name} ({why})." for name, why in bench.peers.absent.items()
         if name in (PYPISERVER, DEVPI, PROXPI, VERDACCIO)],
    )  # fmt: skip


def file_url(page: Target, filename: str) -> str:
    """Where a simple page says that a file is."""
    files = json.loads(check(page))["files"]
    (found,) = [file["url"] for file in files if file["filename"] == filename]
    return urljoin(page.url, found.partition("#")[0])


def _hot(bench: Bench, server: Server, what: str, target: Target) -> Case:
    def measure() -> dict[str, float]:
        check(target)
        return press(target, server, connections=16, seconds=bench.options.seconds).figures()

    return Case(server.name, what, measure)


def _others(bench: Bench, targets: dict[str, Target], pages: dict[str, Published]) -> list[Case]:
    """Peers with the same documents; those that are not there are left out."""
    cases = []
    page, packument = targets[f"{_PAGE}, JSON"], targets[f"{_PACKUMENT}, full"]
    body = check(packument)
    root = bench.peers.root(NGINX)
    _fill_verdaccio(bench.peers.root(VERDACCIO), json.loads(body))
    _fill_pypiserver(bench.peers.root(PYPISERVER), pages["pypi"])
    for path, content in (("simple/ours", check(page)), ("npm/ours", body), ("gems/ours", check(targets[_INFO]))):
        (root / path).mkdir(parents=True, exist_ok=True)
        (root / path / "index.json").write_bytes(content)

    def add(name: str, what: str, path: str, accept: str) -> None:
        server = bench.peers.get(name)
        if server is not None:
            if name == DEVPI:
                devpi_mirror(server, bench.peers.get(NGINX))
            cases.append(_hot(bench, server, what, Target(server.url + path, {"Accept": accept})))

    add(NGINX, f"{_PAGE}, JSON", "/simple/ours/", JSON)
    add(PYPISERVER, f"{_PAGE}, JSON", "/simple/bench-wheels/", JSON)
    if bench.peers.get(NGINX):
        upstream = pypi_upstream(bench)
        add(DEVPI, f"{_PAGE}, JSON", f"/root/bench/+simple/{upstream.name}/", JSON)
        add(PROXPI, f"{_PAGE}, JSON", f"/index/{upstream.name}/", JSON)
    add(NGINX, f"{_PACKUMENT}, full", "/npm/ours/", _FULL)
    add(VERDACCIO, f"{_PACKUMENT}, full", "/bench-tarballs", _FULL)
    add(VERDACCIO, f"{_PACKUMENT}, abbreviated", "/bench-tarballs", _SHORT)
    add(NGINX, _INFO, "/gems/ours/", "*/*")
    return cases


def _fill_pypiserver(root: Path, published: Published) -> None:
    """As many files of the same name; their content does not matter here."""
    first = root / f"bench_wheels-{FIRST}-py3-none-any.whl"
    first.write_bytes(published.first_file)
    for number in range(1, FILES):
        os.link(first, root / f"bench_wheels-1.{1000 + number}.0-py3-none-any.whl")


def _fill_verdaccio(root: Path, packument: dict) -> None:
    """The document as verdaccio keeps it."""
    name = packument["name"]
    (root / name).mkdir(parents=True)
    own = {"_attachments": {}, "_uplinks": {}, "_distfiles": {}, "_rev": "1-0", "_id": name}
    (root / name / "package.json").write_text(json.dumps({**packument, **own}))
    (root / ".verdaccio-db.json").write_text(json.dumps({"list": [name], "secret": "0" * 32}))


def _cold(bench: Bench, target: Target, published: Published) -> dict[str, float]:
    """The first answer after each of some changes and the one after it; the last of many asked for at once; in ms."""
    firsts, seconds = [], []
    for release in published.releases[:_CHANGES]:
        _change(bench, release)
        firsts.append(_timed(target))
        seconds.append(_timed(target))
    _change(bench, published.releases[_CHANGES])
    began = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(lambda _: _timed(target), range(_AT_ONCE)))
    herd = (time.perf_counter() - began) * 1e3
    return {"median": median(firsts), "worst": max(firsts), "then": median(seconds), "herd": herd}


def _change(bench: Bench, release: str) -> None:
    document = {"data": {"type": "releases", "attributes": {"name": f"changed at {time.time()}"}}}
    answer = bench.registry.admin.patch(f"/releases/{release}", document)
    if answer.status != 200:
        raise RuntimeError(f"a release could not be changed: {answer}")


def _timed(target: Target) -> float:
    """Milliseconds of one answer, with those of a connection."""
    began = time.perf_counter()
    check(target)
    return (time.perf_counter() - began) * 1e3


def _hot_table(cases: list[Case]) -> Table:
    peers = (NGINX, PYPISERVER, DEVPI, PROXPI, VERDACCIO)
    columns = ["Document", "Server", "req/s", "p50 ms", "p99 ms", "MB/s", "CPU us", "PostgreSQL us", "errors",
               *(f"/ {name}" for name in peers)]  # fmt: skip
    rows = []
    for case in sorted(cases, key=lambda one: list(dict.fromkeys(each.what for each in cases)).index(one.what)):
        figures = [short(case.of(name)) for name in ("rate", "p50", "p99", "megabytes", "cpu", "database_cpu")]
        ratios = [ratio(case, cases, name) if case.server == OURS else "" for name in peers]
        rows.append([case.what, case.server, *figures, f"{case.most('errors'):.0f}", *ratios])
    return Table(columns, rows, words=2)


def _cold_table(cases: list[Case]) -> Table:
    columns = ["Cold", "first answer, ms: median", "worst", "the next one, ms", f"{_AT_ONCE} at once: the last, ms"]
    names = ("median", "worst", "then", "herd")
    return Table(columns, [[case.what, *(short(case.of(name)) for name in names)] for case in cases])
