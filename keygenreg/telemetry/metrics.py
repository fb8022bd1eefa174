"""Counters and gauges for Prometheus: requests, bytes, uploads, connections, and how late the reactor is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
LAG_INTERVAL = 0.5
"""How often the reactor's lag is measured, in seconds."""


Tallies = dict[tuple[str, int], list[int]]
"""Number of answers and bytes of their bodies, by engine and status."""


class Counted(Protocol):
    """What is read of a request; :class:`keygenreg.web.request.EdgeRequest` is one."""

    engine: str
    code: int
    sentLength: int
    started: float | None
    counted: bool


class Repeated(Protocol):
    """What is read of an answer that was ready; :class:`keygenreg.web.keeping.ready_answers.ReadyAnswer` is one."""

    engine: str
    status: int
    length: int


class _AddingUp(Collector):
    """Has no figures of its own, but does something whenever figures are read."""

    def __init__(self, before: Callable[[], None]) -> None:
        self._before = before

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        self._before()
        return ()


class Metrics:
    """
    An observer of :class:`keygenreg.web.site.EdgeSite`.

    :param registry: where the figures are collected; one per process.
    :param clock: gives the seconds that durations and lag are measured in.
    """

    def __init__(self, registry: CollectorRegistry, clock: IReactorTime) -> None:
        self.registry = registry
        # Before the counters, so that they are up to date when they are read.
        registry.register(_AddingUp(self._add_up))
        self._clock = clock
        self._requests = Counter(
            "keygenreg_requests", "Requests by engine and status", ["engine", "status"], registry=registry
        )
        self._sent = Counter("keygenreg_sent_bytes", "Bytes of bodies sent", ["engine"], registry=registry)
        self._seconds = Histogram(
            "keygenreg_request_seconds", "Head to end of answer", ["engine"], buckets=_SECONDS, registry=registry
        )
        self._uploads = Counter("keygenreg_uploads", "Uploads by outcome", ["outcome"], registry=registry)
        self._received = Counter("keygenreg_received_bytes", "Bytes of uploads received", registry=registry)
        self._in_flight = Gauge("keygenreg_requests_in_flight", "Requests being answered", registry=registry)
        self._lag = Histogram(
            "keygenreg_reactor_lag_seconds", "How late timers run", buckets=_LAG_SECONDS, registry=registry
        )
        self._last_lag = Gauge("keygenreg_reactor_last_lag_seconds", "How late the last timer ran", registry=registry)
        self._ready = Counter(
            "keygenreg_ready_answers", "Requests answered before they were parsed", ["engine"], registry=registry
        )
        # Since they were last added up: labels are too slow for each request.
        self._repeated: Tallies = {}
        self._ended: Tallies = {}
        self._histograms: dict[str, Any] = {}
        self._expected: float | None = None
        self._measuring = LoopingCall(self._measure)
        self._measuring.clock = clock

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Show what ``count`` says as the number of open connections."""
        gauge = Gauge("keygenreg_connections", "Open connections of clients", registry=self.registry)
        gauge.set_function(count)

    def start(self) -> None:
        """Begin to measure the reactor's lag."""
        self._expected = None
        self._measuring.start(LAG_INTERVAL)

    def stop(self) -> None:
        if self._measuring.running:
            self._measuring.stop()

    def _measure(self) -> None:
        now = self._clock.seconds()
        if self._expected is not None:
            late = max(0.0, now - self._expected)
            self._lag.observe(late)
            self._last_lag.set(late)
        self._expected = now + LAG_INTERVAL

    def repeated(self, answer: Repeated, channel: object, request_id: bytes) -> None:
        self._count(self._repeated, answer.engine, answer.status, answer.length)

    @staticmethod
    def _count(tallies: Tallies, engine: str, status: int, size: int) -> None:
        tally = tallies.get((engine, status))
        if tally is None:
            tally = tallies[engine, status] = [0, 0]
        tally[0] += 1
        tally[1] += size

    def _add_up(self) -> None:
        repeated, self._repeated = self._repeated, {}
        ended, self._ended = self._ended, {}
        for (engine, status), (count, size) in (*repeated.items(), *ended.items()):
            self._requests.labels(engine, str(status)).inc(count)
            self._sent.labels(engine).inc(size)
        for (engine, _), (count, _) in repeated.items():
            self._ready.labels(engine).inc(count)

    def began(self, request: Counted) -> None:
        request.counted = True
        self._in_flight.inc()

    def ended(self, request: Counted) -> None:
        if request.counted:
            request.counted = False
            self._in_flight.dec()
        self._count(self._ended, request.engine, request.code, request.sentLength)
        if request.started is not None:
            histogram = self._histograms.get(request.engine)
            if histogram is None:
                histogram = self._histograms[request.engine] = self._seconds.labels(request.engine)
            histogram.observe(self._clock.seconds() - request.started)
        if request.upload is not None:
            self._received.inc(request.upload.received)
            self._uploads.labels("stored" if request.code < 300 else "failed").inc()


class FiguresResource(Resource):
    """
    What a registry holds, as some document.

    :param refresh: called before each answer; returns when the registry is up to date.
    """

    isLeaf = True
    content_type = "application/octet-stream"

    def __init__(self, registry: CollectorRegistry, refresh: Callable[[], Awaitable[object]] | None = None) -> None:
        super().__init__()
        self._registry = registry
        self._refresh = refresh

    def document(self, registry: CollectorRegistry) -> bytes:
        raise NotImplementedError

    def render_GET(self, request) -> bytes | int:
        request.setHeader(b"Content-Type", self.content_type.encode("ascii"))
        if self._refresh is None:
            return self.document(self._registry)
        left = request.notifyFinish()
        left.addErrback(lambda _: None)
        Deferred.fromCoroutine(self._answer(request, left)).addErrback(request.processingFailed)
        return NOT_DONE_YET

    async def _answer(self, request, left: Deferred) -> None:
        await self._refresh()
        if not left.called:
            request.write(self.document(self._registry))
            request.finish()


class MetricsResource(FiguresResource):
    """``GET /metrics`` on the operator's endpoint: the Prometheus text format."""

    content_type = CONTENT_TYPE_LATEST

    def document(self, registry: CollectorRegistry) -> bytes:
        return generate_latest(registry)
