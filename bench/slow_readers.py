"""Many clients that read a large file slowly, as one process that costs next to nothing."""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from bench.blob_client import connected, request_of
from bench.machine import KIB

#: Each client reads this often in a second.
READS = 4
#: What the kernel holds for a client; small, as the link that it stands for.
_RECEIVE_BUFFER = 64 * KIB
_SLICES = 50


def run(order: dict[str, Any]) -> None:
    """
    Connect ``connections`` clients of ``rate`` bytes a second; say ``reading`` when all got something; read until
    standard input ends, then print the bytes received since then and the seconds that took.
    """
    buffer = memoryview(bytearray(max(order["rate"] // READS, KIB)))
    # Several at a time: a server gives up those who take nothing for long, as the first would while the last connect.
    with ThreadPoolExecutor(16) as threads:
        clients = list(threads.map(lambda _: connected(order, _RECEIVE_BUFFER), range(order["connections"])))
    for client in clients:
        if not order["tls"]:
            client.sendall(request_of(order))
        client.setblocking(False)
    received = [0] * len(clients)
    began = counted = time.monotonic()
    told = False
    turn = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        for number in range(turn % _SLICES, len(clients), _SLICES):
            with suppress(BlockingIOError):
                count = clients[number].recv_into(buffer, len(buffer), socket.MSG_TRUNC)
                if not count:
                    raise ConnectionError("a download ended early")
                received[number] += count
        turn += 1
        if not told and min(received):
            told = True
            received, counted = [0] * len(clients), time.monotonic()
            print("reading", flush=True)
        time.sleep(max(0.0, began + turn / READS / _SLICES - time.monotonic()))
    print(json.dumps({"bytes": sum(received), "seconds": time.monotonic() - counted}), flush=True)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
