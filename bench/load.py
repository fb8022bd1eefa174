"""Many requests on connections that stay open, by wrk on the client's core, and what they cost the server."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from attrs import field, frozen

from bench.machine import CLIENT_CORE, Server, costs_of, on_cores

_REPORT = """
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "bytes": %d, "errors": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    summary.bytes, errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""
# Each request is written out before the first is sent, so that changing a header costs the generator next to nothing.
_ROTATE = """
local ready, turn = {}, 0
for line in io.lines("%s") do
  ready[#ready + 1] = line:gsub("\\t", "\\r\\n")
end
request = function()
  turn = turn %% #ready + 1
  return ready[turn]
end
"""
_TOGETHER = 8


@frozen(eq=False)
class Target:
    """What is asked for. ``rotating`` is a header's name and the values that requests take in turn."""

    url: str
    headers: Mapping[str, str] = field(factory=dict)
    rotating: tuple[str, Sequence[str]] | None = None
    status: int = 200

    def heads(self) -> list[bytes]:
        """The requests byte for byte, one for each of the rotating values."""
        parts = urlsplit(self.url)
        name, values = self.rotating
        first = [f"GET {parts.path} HTTP/1.1", f"Host: {parts.netloc}", *(f"{k}: {v}" for k, v in self.headers.items())]
        return ["\r\n".join([*first, f"{name}: {value}", "", ""]).encode() for value in values]

    def with_first(self) -> dict[str, str]:
        """The headers of the first request."""
        return {**self.headers, **({self.rotating[0]: self.rotating[1][0]} if self.rotating else {})}


@frozen
class Load:
    """How it went, in seconds; ``errors``: answers of 400 and above, broken connections; CPU in seconds a request."""

    requests: int
    seconds: float
    p50: float
    p99: float
    bytes: int
    errors: int
    cpu: float = 0.0
    database_cpu: float = 0.0
    memory: int = 0

    def figures(self) -> dict[str, float]:
        """As tables want it: rate per second, times in ms, CPU in us per request, MB/s, MiB."""
        return {
            "rate": self.requests / self.seconds,
            "p50": self.p50 * 1e3,
            "p99": self.p99 * 1e3,
            "cpu": self.cpu * 1e6,
            "database_cpu": self.database_cpu * 1e6,
            "megabytes": self.bytes / self.seconds / 1e6,
            "memory": self.memory / 2**20,
            "errors": self.errors,
        }


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def press(
    target: Target,
    server: Server,
    *,
    connections: int,
    seconds: float,
    threads: int = 1,
    cores: Sequence[int] = (CLIENT_CORE,),
) -> Load:
    """
    Ask again and again for ``seconds``. Before a target's first measurement, twice with each of its rotating headers,
    and for some seconds that are not counted: what servers remember is remembered.

    :raises RuntimeError: the first answer is not what is to be measured.
    """
    check(target)
    with tempfile.TemporaryDirectory(prefix="keygenreg-wrk-") as folder:
        script = Path(folder) / "script.lua"
        script.write_text(_script(target, Path(folder)))
        # wrk takes whole seconds only.
        command = ["wrk", f"-t{threads}", f"-c{connections}", "-s", str(script)]
        for name, value in target.headers.items():
            command += ["-H", f"{name}: {value}"]
        if (server.port, target) not in _warm:
            _warm.add((server.port, target))
            _ask_with_each(target)
            _warm_up([*command, "-d1s", target.url], cores, most=5 if target.rotating else 1)
        before = costs_of(server.pid)
        said = json.loads(_wrk([*command, f"-d{max(round(seconds), 1)}s", target.url], cores).splitlines()[-1])
        spent = costs_of(server.pid).since(before)
    count = max(said["requests"], 1)
    return Load(**said, cpu=spent.server / count, database_cpu=spent.database / count, memory=spent.memory)


#: Ports of servers with what was asked of them.
_warm: set[tuple[int, Target]] = set()


def _script(target: Target, folder: Path) -> str:
    if target.rotating is None:
        return _REPORT
    lines = folder / "requests"
    lines.write_bytes(b"".join(head.replace(b"\r\n", b"\t") + b"\n" for head in target.heads()))
    return _REPORT + _ROTATE % lines


def _warm_up(command: Sequence[str], cores: Sequence[int], *, most: int) -> None:
    """Ask until the rate does not grow any more, as with many values not all were asked for in the first second."""
    rate = 0.0
    for _ in range(most):
        before, rate = rate, json.loads(_wrk(command, cores).splitlines()[-1])["requests"]
        if rate < 1.3 * before:
            return


def _wrk(command: Sequence[str], cores: Sequence[int]) -> str:
    with on_cores(*cores):
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout.strip()


def _ask_with_each(target: Target) -> None:
    """Twice with each of the rotating values, over some connections; the same bytes as wrk sends."""
    if target.rotating is None:
        return
    heads = target.heads()
    parts = urlsplit(target.url)

    def some(number: int) -> None:
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            for head in heads[number::_TOGETHER] * 2:
                connection.sendall(head)
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                answer.read()

    with ThreadPoolExecutor(_TOGETHER) as threads:
        list(threads.map(some, range(_TOGETHER)))


def ask(target: Target, *, timeout: float = 60) -> tuple[int, http.client.HTTPMessage, bytes]:
    """One request on a connection of its own: status, headers, body. Certificates are not checked."""
    parts = urlsplit(target.url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=timeout, context=ssl._create_unverified_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request("GET", path, headers=target.with_first())
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def check(target: Target) -> bytes:
    """The body of one answer. :raises RuntimeError: its status is another."""
    status, _, body = ask(target)
    if status != target.status:
        raise RuntimeError(f"{urlsplit(target.url).path} answered {status} and not {target.status}: {body[:300]!r}")
    return body


def percentile(values: Sequence[float], percent: float) -> float:
    """0 for no values."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] if ordered else 0.0
