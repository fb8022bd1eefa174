"""Metrics, access log and the operator endpoint of one process."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import Site

from keygenreg.settings import Settings
from keygenreg.telemetry.access_log import AccessLog
from keygenreg.telemetry.metrics import Metrics, MetricsResource

_log = Logger()
#: Paths whose next segment is a secret.
_SECRET_PATHS = ("/-/uploads/", "/-/blobs/")


def _open(where: str) -> TextIO:
    # A duplicate of standard output, so that closing the log leaves the original alone.
    return os.fdopen(os.dup(1), "w") if where == "-" else open(where, "a", encoding="utf-8")


class Telemetry:
    """What watches the requests; ``observers`` are the site's."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        self._operator = settings.operator
        self._reactor = reactor
        self._port: IListeningPort | None = None
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._metrics = Metrics(registry, reactor)
        self._access_log: AccessLog | None = None
        where = settings.logging.access_log
        if where:
            self._access_log = AccessLog(partial(_open, where), reactor, secret_paths=_SECRET_PATHS)
        self.observers = (self._metrics, *([self._access_log] if self._access_log else []))

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Show what ``count`` says as the number of open connections."""
        self._metrics.watch_connections(count)

    def start(self) -> None:
        self._metrics.start()
        if self._access_log is not None:
            self._access_log.start()
        if self._operator.port:
            self._listen()

    def stop(self) -> None:
        self._metrics.stop()
        if self._access_log is not None:
            self._access_log.stop()
        if self._port is not None:
            self._port.stopListening()

    def _listen(self) -> None:
        root = Resource()
        root.putChild(b"metrics", MetricsResource(self._metrics.registry))
        site = Site(root, reactor=self._reactor)
        site.displayTracebacks = False
        try:
            self._port = self._reactor.listenTCP(self._operator.port, site, interface=self._operator.host)
        except CannotListenError as error:
            # A second daemon or worker of the machine: what it serves matters more than its figures.
            _log.warn("No metrics: {error}", error=str(error))
