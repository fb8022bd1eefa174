"""The operator endpoint: a port of its own for ``/metrics``."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import Site

from keygenreg.settings import Operator
from keygenreg.telemetry.metrics import MetricsResource

_log = Logger()


class OperatorEndpoint:
    """Listens as the settings say; not at all where the port is 0."""

    def __init__(self, operator: Operator, reactor: Any, metrics: MetricsResource) -> None:
        self._operator = operator
        self._reactor = reactor
        self._metrics = metrics
        self._port: IListeningPort | None = None

    def start(self) -> None:
        if not self._operator.port:
            return
        root = Resource()
        root.putChild(b"metrics", self._metrics)
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
