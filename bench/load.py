"""Many requests for one URL: by wrk where it is installed, else by threads of our own."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

_LUA = """
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "bytes": %d, "errors": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    summary.bytes, errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@frozen
class Target:
    """What is asked for. ``status`` is what the answer must have."""

    url: str
    headers: Mapping[str, str]
    status: int = 200


@frozen
class Load:
    """How it went; times in seconds, ``errors`` counts answers of 400 and above and broken connections."""

    requests: int
    seconds: float
    p50: float
    p99: float
    bytes: int
    errors: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def press(target: Target, *, connections: int, seconds: float, core: int | None) -> Load:
    """
    Ask again and again on connections that stay open.

    :param core: where the generator runs; ``None``: anywhere.
    """
    check(target)
    prefix = [] if core is None else ["taskset", "-c", str(core)]
    if not has_wrk():
        return _press_with_threads(target, connections, seconds)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "report.lua"
        script.write_text(_LUA)
        command = [*prefix, "wrk", "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "-s", str(script)]
        for name, value in target.headers.items():
            command += ["-H", f"{name}: {value}"]
        said = subprocess.run([*command, target.url], check=True, capture_output=True, text=True).stdout
    return Load(**json.loads(said.strip().splitlines()[-1]))


def check(target: Target) -> None:
    """:raises RuntimeError: the answer is not what is to be measured."""
    connection, path = _connection(target)
    connection.request("GET", path, headers=dict(target.headers))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != target.status:
        raise RuntimeError(f"{target.url} answered {answer.status}: {body[:300]!r}")


def _connection(target: Target) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(target.url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=30), path


def _press_with_threads(target: Target, connections: int, seconds: float) -> Load:
    """Slower than the daemon in most cases, so requests per second are those of this generator."""
    end = time.monotonic() + seconds

    def client(_: int) -> tuple[list[float], int, int]:
        connection, path = _connection(target)
        times, received, errors = [], 0, 0
        while (began := time.monotonic()) < end:
            try:
                connection.request("GET", path, headers=dict(target.headers))
                answer = connection.getresponse()
                received += len(answer.read())
                errors += answer.status >= 400
            except (OSError, http.client.HTTPException):
                connection.close()
                errors += 1
            times.append(time.monotonic() - began)
        connection.close()
        return times, received, errors

    began = time.monotonic()
    with ThreadPoolExecutor(connections) as threads:
        parts = list(threads.map(client, range(connections)))
    took = time.monotonic() - began
    times = sorted(each for part in parts for each in part[0])
    received, errors = (sum(part[index] for part in parts) for index in (1, 2))
    return Load(len(times), took, percentile(times, 50), percentile(times, 99), received, errors)


def percentile(ordered: list[float], percent: float) -> float:
    """Of values in ascending order; 0 for none."""
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] if ordered else 0.0
