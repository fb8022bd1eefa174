"""A whole image pulled by real clients, skopeo and crane."""

from __future__ import annotations

import shutil
import subprocess
import time
from functools import partial
from pathlib import Path

from bench.context import PULLED, Bench
from bench.figures import Case, Section, Skipped, Table, find, interleave, short
from bench.images import TAG
from bench.machine import CLIENT_CORE, Server, costs_of, on_cores
from bench.peers import DISTRIBUTION, DOCKER_REGISTRY, ZOT, program


def run(bench: Bench) -> Section:
    clients = [name for name in ("skopeo", "crane") if program(name)]
    if not clients:
        raise Skipped("Neither skopeo nor crane is installed.")
    servers = [bench.registry.server, *bench.registries()]
    cases = [
        Case(server.name, client, partial(_pull, bench, client, server)) for client in clients for server in servers
    ]
    interleave(cases, bench.options.rounds)
    return Section(
        "Pull of an image",
        "Eight layers of 8 MiB, anonymous, by real clients on the client's core, which verify what they get: most of "
        "the time is theirs. CPU is the server's for one pull.",
        [_table(cases)],
        (),
        cases,
    )


def _pull(bench: Bench, client: str, server: Server) -> dict[str, float]:
    place = bench.folder / "pull"
    image = f"127.0.0.1:{server.port}/{PULLED}:{TAG}"
    tool = program(client)
    if client == "skopeo":
        command = [tool, "copy", "-q", "--src-tls-verify=false", f"docker://{image}", f"dir:{place}"]
    else:
        command = [tool, "pull", "--insecure", image, str(place)]
    before, began = costs_of(server.pid), time.monotonic()
    with on_cores(CLIENT_CORE):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    took, spent = time.monotonic() - began, costs_of(server.pid).since(before)
    _remove(place)
    if done.returncode:
        raise RuntimeError(f"{client}, {server.name}: {done.stderr[-500:]}")
    return {"seconds": took, "cpu": spent.server, "database_cpu": spent.database}


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _table(cases: list[Case]) -> Table:
    columns = ["Server", "Client", "seconds", "CPU ms", "PostgreSQL ms", *(
        f"time / {name}" for name in (DOCKER_REGISTRY, DISTRIBUTION, ZOT))]  # fmt: skip
    rows = []
    for case in cases:
        others = [find(cases, name, case.what) for name in (DOCKER_REGISTRY, DISTRIBUTION, ZOT)]
        ratios = ["" if other in (None, case) else short(case.to(other, "seconds")) for other in others]
        figures = [short(case.of("seconds")), short(case.of("cpu") * 1e3), short(case.of("database_cpu") * 1e3)]
        rows.append([case.server, case.what, *figures, *ratios])
    return Table(columns, rows, words=2)
