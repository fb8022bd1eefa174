"""The operator endpoint: a port of its own for ``/metrics`` and ``/health``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import Site

from keygenreg.settings import Operator
from keygenreg.telemetry.health import HealthResource
from keygenreg.telemetry.metrics import MetricsResource

_log = Logger()


class OperatorEndpoint:
    """
    Listens as the settings say; not at all where the port is 0.

    :param refresh: called before each answer; returns when the registry is up to date.
    """

    def __init__(
        self,
        operator: Operator,
        reactor: Any,
        registry: CollectorRegistry,
        refresh: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._operator = operator
        self._reactor = reactor
        self._resources = {
            b"metrics": MetricsResource(registry, refresh),
            b"health": HealthResource(registry, refresh),
        }
        self._port: IListeningPort | None = None

    def start(self) -> None:
        if not self._operator.port:
            return
        root = Resource()
        for path, resource in self._resources.items():
            root.putChild(path, resource)
        site = Site(root, reactor=self._reactor)
        site.displayTracebacks = False
        try:
            self._port = self._reactor.listenTCP(self._operator.port, site, interface=self._operator.host)
        except CannotListenError as error:
            # A second daemon of the machine: what it serves matters more than its figures.
            _log.warn("No metrics: {error}", error=str(error))

    def stop(self) -> None:
        if self._port is not None:
            self._port.stopListening()
