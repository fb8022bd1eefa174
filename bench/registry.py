"""Our daemon: started on the server's core with its PostgreSQL, and what it says of itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg2
from attrs import define, field

import keygenreg
from bench.load import Target, ask
from bench.machine import GIB, ROOT, SERVER_CORE, Server, free_port, start
from keygenreg.database.running import running_database
from tests.daemon_fixtures import Api, fetch

OURS = "keygenreg"
_LAG = re.compile(r'keygenreg_reactor_lag_seconds_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)')


def version() -> str:
    """Of the package, with the commit it was taken from."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return f"{keygenreg.__version__} ({done.stdout.strip() or 'no commit'})"


@define(eq=False)
class Registry:
    """A daemon on a directory of its own; ``cores`` are those of the daemon and of its PostgreSQL."""

    folder: Path
    workers: int = 1
    cores: Sequence[int] = (SERVER_CORE,)
    settings: Mapping[str, str] = field(factory=dict)
    server: Server | None = None
    #: Where it is written why timers were late, by :mod:`bench.watched`, and whether with stacks.
    watch: Path | None = None
    stacks: bool = False
    #: When it was ready, and for past starts when it was told to end, in Unix seconds.
    _ready: float = 0.0
    _served: list[tuple[float, float]] = field(factory=list)
    #: What ended daemons said of their reactor's lag: samples above a bound in seconds, by bound.
    _late: dict[float, float] = field(factory=dict)

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def stored(self, sha256: str) -> Path:
        """The file of a blob in the daemon's store."""
        return self.data_dir / "blobs" / "sha256" / sha256[:2] / sha256

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def base(self) -> str:
        """The account's paths."""
        return self.admin.base

    @property
    def admin(self) -> Api:
        first = json.loads((self.data_dir / "first-admin.json").read_text())
        return Api(self.url, first["account"]["id"], f"Bearer {first['token']}")

    def start(self, **settings: str) -> float:
        """
        Start, or start again; the seconds until the first answer.

        :param settings: environment variables after ``KEYGENREG_``, for this start only.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        port, operator = free_port(), free_port()
        given = {"PROCESSING_IMAGE_BYTES": str(4 * GIB), "OPERATOR_PORT": str(operator), **self.settings, **settings}
        env = {f"KEYGENREG_{name}": value for name, value in given.items()}
        # As of an installed package, whose modules are compiled.
        env |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(self.folder.parent / "compiled")}
        watched = ["bench.watched", self.watch, "stacks" if self.stacks else "no"] if self.watch else ["keygenreg"]
        command = [sys.executable, "-m", *watched, "serve", "--data-dir", self.data_dir, "--host", "127.0.0.1",
                   "--port", str(port), "--workers", str(self.workers)]  # fmt: skip
        secure = "SERVER_TLS_CERTIFICATE" in given
        scheme = "https" if secure else "http"

        def ready() -> bool:
            return ask(Target(f"{scheme}://127.0.0.1:{port}/v1/ping"), timeout=5)[0] == 200

        began = time.monotonic()
        self.server = start(
            OURS, version(), command, port=port, log=self.folder / "log", ready=ready, env=env, cores=self.cores,
            folder=ROOT,
        )  # fmt: skip
        took = time.monotonic() - began
        self.server.more["operator"] = operator
        self._ready = time.time()
        return took

    def stop(self) -> None:
        if self.server is not None:
            self._late = self.late()
            self._served.append((self._ready, time.time()))
            self.server.stop()
            self.server = None

    def connect(self) -> Any:
        """A psycopg2 connection to the daemon's database, in autocommit mode."""
        connection = psycopg2.connect(**running_database(self.data_dir).keywords(statement_timeout=120))
        connection.autocommit = True
        return connection

    def metrics(self) -> str:
        return fetch("GET", f"http://127.0.0.1:{self.server.more['operator']}/metrics").body.decode()

    def stalls(self) -> list[dict[str, Any]]:
        """What :mod:`bench.watched` wrote about timers that were late while it served, in order; in seconds."""
        if self.watch is None or not self.watch.exists():
            return []
        lines = [json.loads(line) for line in self.watch.read_text().splitlines()]
        served = [*self._served, (self._ready, time.time())]
        return [
            line
            for line in lines
            if "late" in line and any(ready <= line["at"] - line["wall"] <= end for ready, end in served)
        ]

    def late(self) -> dict[float, float]:
        """How many samples of the reactor's lag were above each bound in seconds, since the first start of all."""
        found = dict(self._late)
        if self.server is None:
            return found
        try:
            buckets = [(float(bound), float(count)) for bound, count in _LAG.findall(self.metrics())]
        except OSError:
            return found
        total = max((count for _, count in buckets), default=0)
        for bound, count in buckets:
            found[bound] = found.get(bound, 0) + total - count
        found[0.0] = found.get(0.0, 0) + total
        return found


def most_late(late: Mapping[float, float]) -> float:
    """The bound in seconds that no sample of the lag was above."""
    return min((bound for bound, samples in late.items() if not samples), default=float("inf"))
