"""Metrics and access log of one process."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from keygenreg.assembly.operator_endpoint import OperatorEndpoint
from keygenreg.settings import Settings
from keygenreg.telemetry.access_log import AccessLog
from keygenreg.telemetry.figures import snapshot
from keygenreg.telemetry.metrics import Metrics

#: Paths whose next segment is a secret.
_SECRET_PATHS = ("/-/uploads/", "/-/blobs/")


def _open(where: str) -> TextIO:
    # A duplicate of standard output, so that closing the log leaves the original alone.
    return os.fdopen(os.dup(1), "w") if where == "-" else open(where, "a", encoding="utf-8")


def process_registry() -> CollectorRegistry:
    """A registry with what the operating system knows of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


class Telemetry:
    """What watches the requests; ``observers`` are the site's."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        registry = process_registry()
        self._metrics = Metrics(registry, reactor)
        self._endpoint = OperatorEndpoint(settings.operator, reactor, registry)
        self._access_log: AccessLog | None = None
        where = settings.logging.access_log
        if where:
            self._access_log = AccessLog(partial(_open, where), reactor, secret_paths=_SECRET_PATHS)
        self.observers = (self._metrics, *([self._access_log] if self._access_log else []))

    @property
    def registry(self) -> CollectorRegistry:
        """Where other parts of the process put their figures."""
        return self._metrics.registry

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Show what ``count`` says as the number of open connections."""
        self._metrics.watch_connections(count)

    def figures(self) -> bytes:
        """This process's figures, for :class:`keygenreg.telemetry.figures.Gathered` in the daemon."""
        return snapshot(self._metrics.registry)

    def reopen(self) -> None:
        """Go on in a new access log, after the old one was moved away."""
        if self._access_log is not None:
            self._access_log.reopen()

    def start(self) -> None:
        self._metrics.start()
        if self._access_log is not None:
            self._access_log.start()
        self._endpoint.start()

    def stop(self) -> None:
        self._metrics.stop()
        if self._access_log is not None:
            self._access_log.stop()
        self._endpoint.stop()
