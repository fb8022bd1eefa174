"""Counters and gauges for Prometheus: requests, bytes, uploads, connections, and how late the reactor is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
LAG_INTERVAL = 0.5
"""How often the reactor's lag is measured, in seconds."""


class Counted(Protocol):
    """What is read of a request; :class:`keygenreg.web.request.EdgeRequest` is one."""

    engine: str
    code: int
    sentLength: int
    started: float | None
    counted: bool


class Repeated(Protocol):
    """What is read of an answer that was ready; :class:`keygenreg.web.ready_answers.ReadyAnswer` is one."""

    engine: str
    status: int
    length: int


class Metrics:
    """
    An observer of :class:`keygenreg.web.site.EdgeSite`.

    :param registry: where the figures are collected; one per process.
    :param clock: gives the seconds that durations and lag are measured in.
    """

    def __init__(self, registry: CollectorRegistry, clock: IReactorTime) -> None:
        self.registry = registry
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
        #: Number and bytes by engine and status, since they were last added up: labels are too slow for each.
        self._repeated: dict[tuple[str, int], list[int]] = {}
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
        self.add_up()
        now = self._clock.seconds()
        if self._expected is not None:
            late = max(0.0, now - self._expected)
            self._lag.observe(late)
            self._last_lag.set(late)
        self._expected = now + LAG_INTERVAL

    def repeated(self, answer: Repeated, channel: object, request_id: bytes) -> None:
        tally = self._repeated.get((answer.engine, answer.status))
        if tally is None:
            tally = self._repeated.setdefault((answer.engine, answer.status), [0, 0])
        tally[0] += 1
        tally[1] += answer.length

    def add_up(self) -> None:
        """Bring the counters up to date; to be called before they are read."""
        repeated, self._repeated = self._repeated, {}
        for (engine, status), (count, size) in repeated.items():
            self._requests.labels(engine, str(status)).inc(count)
            self._sent.labels(engine).inc(size)
            self._ready.labels(engine).inc(count)

    def began(self, request: Counted) -> None:
        request.counted = True
        self._in_flight.inc()

    def ended(self, request: Counted) -> None:
        if request.counted:
            request.counted = False
            self._in_flight.dec()
        self._requests.labels(request.engine, str(request.code)).inc()
        self._sent.labels(request.engine).inc(request.sentLength)
        if request.started is not None:
            self._seconds.labels(request.engine).observe(self._clock.seconds() - request.started)
        if request.upload is not None:
            self._received.inc(request.upload.received)
            self._uploads.labels("stored" if request.code < 300 else "failed").inc()


class MetricsResource(Resource):
    """
    ``GET /metrics`` on the operator's endpoint: the Prometheus text format.

    :param refresh: called before each answer; returns when the registry is up to date.
    """

    isLeaf = True

    def __init__(self, registry: CollectorRegistry, refresh: Callable[[], Awaitable[object]] | None = None) -> None:
        super().__init__()
        self._registry = registry
        self._refresh = refresh

    def render_GET(self, request) -> bytes | int:
        request.setHeader(b"Content-Type", CONTENT_TYPE_LATEST.encode("ascii"))
        if self._refresh is None:
            return generate_latest(self._registry)
        left = request.notifyFinish()
        left.addErrback(lambda _: None)
        Deferred.fromCoroutine(self._answer(request, left)).addErrback(request.processingFailed)
        return NOT_DONE_YET

    async def _answer(self, request, left: Deferred) -> None:
        await self._refresh()
        if not left.called:
            request.write(generate_latest(self._registry))
            request.finish()
