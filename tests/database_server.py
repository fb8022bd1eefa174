"""Runs an embedded PostgreSQL in a process of its own: ``python -m tests.database_server DIR [NAME=VALUE...]``.

Prints one line of JSON when the server is ready and stops when its standard input ends, however its parent ended.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from attrs import asdict
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.python.failure import Failure

from keygenreg.database.embedded import EmbeddedPostgres


class UntilInputEnds(Protocol):
    """Fires when whoever started us is gone."""

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.ended.callback(None)


async def serve(reactor: Any, directory: str, *named: str) -> None:
    server_settings = dict(word.split("=", 1) for word in named)
    server = EmbeddedPostgres(Path(directory), reactor, server_settings=server_settings)
    settings = await server.start()
    until = UntilInputEnds()
    StandardIO(until, reactor=reactor)
    sys.stdout.write(json.dumps(asdict(settings)) + "\n")
    sys.stdout.flush()
    await until.ended
    await server.stop()


if __name__ == "__main__":
    react(lambda reactor, *words: Deferred.fromCoroutine(serve(reactor, *words)), sys.argv[1:])
