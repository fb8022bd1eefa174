"""``bench/run``: what one request of each kind costs, in rounds, beside pypiserver."""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from attrs import frozen

from bench.filled_registry import FILES, HTML, JSON, FilledRegistry, Project, filled_registry
from bench.load import Load, Target, has_wrk, press
from bench.peers import Peer, pypiserver
from bench.process_costs import costs_of
from tests.daemon_fixtures import fetch

COLUMNS = (
    "Request",
    "req/s",
    "p50 ms",
    "p99 ms",
    "CPU us: daemon",
    "CPU us: PostgreSQL",
    "RSS MiB",
    "MB/s",
    "errors",
    "peer req/s",
    "ratio",
)


@frozen
class Case:
    """One line of the table; ``peer`` is the same question for pypiserver, where it has an answer to it."""

    name: str
    target: Target
    peer: Target | None = None


@frozen
class Measured:
    """One measurement; CPU in seconds per request, memory in bytes."""

    load: Load
    daemon_cpu: float
    database_cpu: float
    memory: int


def cases_of(registry: FilledRegistry, peer: Peer | None) -> list[Case]:
    """All questions, for somebody anonymous at an OPEN product and for a license key at a LICENSED one."""
    found = [Case("ping", Target(f"{registry.daemon.url}/v1/ping", {}))]
    for who, prefix in (("anonymous, OPEN", "open"), ("license key, LICENSED", "licensed")):
        found += _cases_of(who, registry.projects[f"{prefix}-small"], registry.projects[f"{prefix}-large"], peer)
    return found


def _cases_of(who: str, small: Project, large: Project, peer: Peer | None) -> Iterable[Case]:
    some, most = list(small.files)[FILES // 2], next(iter(large.files))
    etag = fetch("GET", small.page, headers=small.headers(JSON)).headers["ETag"]
    page = lambda accept: Target(peer.page(small.name), {"Accept": accept}) if peer else None  # noqa: E731
    file = lambda name: Target(peer.file(name), {"Accept": "*/*"}) if peer else None  # noqa: E731
    yield Case(f"simple page, {FILES} files, JSON; {who}", Target(small.page, small.headers(JSON)), page(JSON))
    yield Case(f"simple page, {FILES} files, HTML; {who}", Target(small.page, small.headers(HTML)), page(HTML))
    unchanged = Target(small.page, small.headers(JSON) | {"If-None-Match": etag}, 304)
    yield Case(f"simple page, unchanged (304); {who}", unchanged)
    yield Case(f"metadata file; {who}", Target(small.file_url(some) + ".metadata", small.headers()))
    yield Case(f"file of 2 KiB; {who}", Target(small.file_url(some), small.headers()), file(some))
    yield Case(f"file of 1 MiB; {who}", Target(large.file_url(most), large.headers()), file(most))


def measure(target: Target, pid: int, options: argparse.Namespace) -> Measured:
    before = costs_of(pid)
    core = None if options.anywhere else max(os.sched_getaffinity(0))
    load = press(target, connections=options.connections, seconds=options.seconds, core=core)
    after = costs_of(pid)
    count = max(load.requests, 1)
    return Measured(
        load,
        (after.daemon_cpu - before.daemon_cpu) / count,
        (after.database_cpu - before.database_cpu) / count,
        after.memory,
    )


def run(options: argparse.Namespace) -> None:
    cores = None if options.anywhere else os.sched_getaffinity(0) - {max(os.sched_getaffinity(0))} or None
    with filled_registry(options.serve, cores) as registry, _peer(registry, options, cores) as peer:
        cases = [case for case in cases_of(registry, peer) if options.only in case.name]
        ours: dict[str, list[Measured]] = defaultdict(list)
        theirs: dict[str, list[Measured]] = defaultdict(list)
        for _ in range(options.rounds):
            for case in cases:
                ours[case.name].append(measure(case.target, registry.daemon.process.pid, options))
                if case.peer is not None:
                    theirs[case.name].append(measure(case.peer, peer.pid, options))
    print(report(cases, ours, theirs, peer, options))


def _peer(registry: FilledRegistry, options: argparse.Namespace, cores: set[int] | None):
    return pypiserver([] if options.no_peer else list(registry.projects.values()), cores)


def report(cases: list[Case], ours: dict, theirs: dict, peer: Peer | None, options: argparse.Namespace) -> str:
    """The table, in Markdown; medians of the rounds."""
    lines = [
        f"{options.connections} connections, {options.rounds} rounds of {options.seconds:g} s, generator: "
        f"{'wrk' if has_wrk() else 'threads of Python'}; serve {' '.join(options.serve) or 'with defaults'}; "
        f"peer: {peer.version if peer else 'none'}",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|---|{'---:|' * (len(COLUMNS) - 1)}",
    ]
    for case in cases:
        of = lambda what, found=ours[case.name]: median(map(what, found))  # noqa: E731
        rate = of(lambda one: one.load.rate)
        peer_rate = median(one.load.rate for one in theirs[case.name]) if theirs[case.name] else None
        errors = sum(one.load.errors for one in ours[case.name])
        figures = [
            f"{rate:,.0f}",
            f"{of(lambda one: one.load.p50) * 1e3:.2f}",
            f"{of(lambda one: one.load.p99) * 1e3:.2f}",
            f"{of(lambda one: one.daemon_cpu) * 1e6:,.0f}",
            f"{of(lambda one: one.database_cpu) * 1e6:,.0f}",
            f"{of(lambda one: one.memory) / 2**20:.0f}",
            f"{of(lambda one: one.load.bytes / one.load.seconds) / 1e6:,.1f}",
            str(errors),
            "" if peer_rate is None else f"{peer_rate:,.0f}",
            "" if not peer_rate else f"{rate / peer_rate:.1f}",
        ]
        lines.append(f"| {case.name} | {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="all requests are measured once in each")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", default="", help="requests whose name has this text")
    parser.add_argument("--no-peer", action="store_true", help="leave pypiserver out")
    parser.add_argument("--anywhere", action="store_true", help="do not keep server and generator apart")
    parser.add_argument("serve", nargs="*", help='options of "keygenreg serve", after --')
    run(parser.parse_args())


if __name__ == "__main__":
    main()
