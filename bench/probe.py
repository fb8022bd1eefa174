"""A small request at a steady rate on one connection: what somebody notices of what else a server does."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

from bench.load import Target


def probe(
    target: Target, *, seconds: float, per_second: float = 100, until: Callable[[], bool] | None = None
) -> list[float]:
    """
    Latencies in seconds, in order, for some time or until ``until`` says so. A late answer delays those after it, which
    then follow at once.
    """
    parts = urlsplit(target.url)
    if parts.scheme == "https":
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    times: list[float] = []
    headers = target.with_first()
    began = time.monotonic()
    with closing(connection):
        while (now := time.monotonic()) - began < seconds and not (until and until()):
            time.sleep(max(0.0, began + len(times) / per_second - now))
            asked = time.monotonic()
            connection.request("GET", parts.path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            times.append(time.monotonic() - asked)
            if answer.status != target.status:
                raise RuntimeError(f"the probe was answered {answer.status}")
    return times
