"""The machine: which core runs what, processes started and stopped, and what they have used."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from attrs import define, field, frozen

GIB = 2**30
MIB = 2**20
KIB = 2**10
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
CLIENT_CORE = CORES[-1]
START_SECONDS = 60
ROOT = Path(__file__).absolute().parent.parent


@contextmanager
def on_cores(*cores: int) -> Iterator[None]:
    """Processes that this thread starts meanwhile run on these cores, as do their children."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@frozen
class Costs:
    """CPU in seconds since each process began, of a server and of its PostgreSQL; the server's memory in bytes."""

    server: float
    database: float
    memory: int

    def since(self, before: Costs) -> Costs:
        return Costs(self.server - before.server, self.database - before.database, self.memory)


def costs_of(pid: int) -> Costs:
    """Of a process with all its children."""
    server = database = 0.0
    memory = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return Costs(0, 0, 0)
    for process in family:
        try:
            times = process.cpu_times()
            if process.name().startswith("postgres"):
                database += times.user + times.system
            else:
                server += times.user + times.system
                memory += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return Costs(server, database, memory)


def memories(pid: int) -> tuple[int, list[int]]:
    """Resident memory in bytes of a process, and of each of its children that is not PostgreSQL's."""
    parent = psutil.Process(pid)
    children = [
        child.memory_info().rss for child in parent.children(recursive=True) if not child.name().startswith("postgres")
    ]
    return parent.memory_info().rss, children


def family_of(pid: int) -> list[psutil.Process]:
    """A server's processes but those of PostgreSQL; none if it has ended."""
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    return [process for process in family if not process.name().startswith("postgres")]


class MemoryWatch:
    """``with MemoryWatch(pid) as watch``: ``watch.most`` is the largest memory meanwhile, in bytes."""

    def __init__(self, pid: int, interval: float = 0.2) -> None:
        # Looked up once: that takes milliseconds, which a probe in this process would wait for.
        self._family = family_of(pid)
        self._interval = interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = self.most = self._now()

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.most = max(self.most, self._now())

    def _watch(self) -> None:
        while not self._over.wait(self._interval):
            self.most = max(self.most, self._now())

    def _now(self) -> int:
        found = 0
        for process in self._family:
            with suppress(psutil.NoSuchProcess):
                found += process.memory_info().rss
        return found

    @property
    def growth(self) -> int:
        return self.most - self.before


@define(eq=False)
class Server:
    """A program of somebody that listens on ``port``; ``name`` is its column or line in the tables."""

    name: str
    version: str
    port: int
    process: subprocess.Popen = field(repr=False)
    #: Whatever else its measurements need, such as the port for TLS.
    more: dict[str, object] = field(factory=dict)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Ask it to end, with its children; whoever does not is killed. Only processes of its own family."""
        try:
            family = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        _, alive = psutil.wait_procs(family, timeout=5)
        for child in alive:
            child.kill()


def start(
    name: str,
    version: str,
    command: Sequence[str | Path],
    *,
    port: int,
    log: Path,
    ready: Callable[[], bool] | None = None,
    env: Mapping[str, str] | None = None,
    cores: Sequence[int] = (SERVER_CORE,),
    folder: Path | None = None,
) -> Server:
    """
    Start a server and wait until it takes connections, or until ``ready`` says so.

    :raises RuntimeError: it did not start; with the end of what it said.
    """
    with log.open("ab") as out, on_cores(*cores):
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env=os.environ | (env or {}), cwd=folder or log.parent,
        )  # fmt: skip
    server = Server(name, version, port, process)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if ready() if ready else _takes_connections(port):
                return server
        except OSError:
            pass
        time.sleep(0.05)
    server.stop()
    raise RuntimeError(f"{name} did not start: {log.read_text(errors='replace')[-2000:]}")


def _takes_connections(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return True


def run_client(module: str, order: Mapping[str, object], pid: int, *, timeout: float) -> tuple[dict, int, float]:
    """
    Run a client module of ours as a process on the client's core.

    :return: what it printed as JSON; by how much the memory of process ``pid`` grew meanwhile, in bytes; the client's
        CPU in seconds.
    """
    command = [sys.executable, "-m", module, json.dumps(order)]
    before = os.times()
    with MemoryWatch(pid) as watch, on_cores(CLIENT_CORE):
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, cwd=ROOT)
    after = os.times()
    if done.returncode:
        raise RuntimeError(f"{module}: {done.stderr[-1000:]}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads(done.stdout), watch.growth, spent


def output_of(*command: str | Path) -> str:
    """What a program prints, such as its version; empty if it cannot be run."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout or done.stderr).strip()


def description() -> str:
    """The machine in one line, without its name."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    model = found[1].strip() if found else platform.machine()
    memory = psutil.virtual_memory().total / GIB
    return (
        f"{len(CORES)} cores ({model}), {memory:.0f} GiB, Linux {platform.release().split('-')[0]}, "
        f"CPython {platform.python_version()}"
    )


def load_average() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]
