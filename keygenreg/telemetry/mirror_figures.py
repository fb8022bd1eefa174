"""Counters and gauges of the mirror for Prometheus: what was at hand, what was fetched, refused, stale, failed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from attrs import define, field, frozen
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CIRCUITS = {"closed": 0, "half-open": 1, "open": 2}
# Names of gauges that are read again elsewhere.
CIRCUIT = "keygenreg_mirror_circuit"
LAST_SUCCESS = "keygenreg_mirror_last_success_timestamp_seconds"
STALE_ANSWERS = "keygenreg_mirror_stale_answers"
OLDEST_STALE = "keygenreg_mirror_oldest_stale_seconds"

WINDOW = 300.0
"""Seconds for which an answer counts as a recent one."""
_PIECE = 10.0


@frozen
class OriginState:
    """An upstream's host: the state of its circuit, and when it last answered properly (Unix seconds)."""

    circuit: str
    success: float | None = None


@define
class _Recently:
    """Stale answers of the last while: how many, and the age of the oldest, by pieces of time."""

    clock: Callable[[], float]
    _pieces: deque[tuple[float, int, float]] = field(factory=deque, init=False)

    def note(self, age: float) -> None:
        start = self.clock() // _PIECE * _PIECE
        count, oldest = 0, 0.0
        if self._pieces and self._pieces[-1][0] == start:
            _, count, oldest = self._pieces.pop()
        self._pieces.append((start, count + 1, max(oldest, age)))
        self.told()

    def told(self) -> tuple[int, float]:
        while self._pieces and self._pieces[0][0] <= self.clock() - WINDOW:
            self._pieces.popleft()
        return sum(count for _, count, _ in self._pieces), max((oldest for *_, oldest in self._pieces), default=0.0)


class MirrorFigures:
    """
    What the mirror tells of its work. ``what`` is ``document`` or ``file``; ``outcome`` one of ``hit`` (at hand and
    fresh), ``stale`` (at hand, being asked for anew or instead of an upstream that fails), ``miss`` (fetched),
    ``joined`` (somebody else's fetch), ``passed`` (a small part by itself), ``unkept`` (past the disk), ``absent``,
    ``refused`` (by rules), ``error``.
    """

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._origins: Callable[[], Mapping[str, OriginState]] = dict
        self._recently: dict[str, _Recently] = {}
        # Before the gauges, so that they are up to date when they are read.
        registry.register(_Looking(self._look))
        self._answers = Counter(
            "keygenreg_mirror_answers", "What clients got", ["engine", "what", "outcome"], registry=registry
        )
        self._received = Counter(
            "keygenreg_mirror_received_bytes", "Bytes from upstream", ["engine", "what"], registry=registry
        )
        self._failures = Counter(
            "keygenreg_mirror_failures", "Requests that upstream failed", ["engine", "why"], registry=registry
        )
        self._evicted = Counter("keygenreg_mirror_evicted", "Rows evicted", ["engine", "what"], registry=registry)
        self._circuit = Gauge(CIRCUIT, "0 closed, 1 half open, 2 open", ["origin"], registry=registry)
        self._success = Gauge(LAST_SUCCESS, "When it last answered properly", ["origin"], registry=registry)
        self._stale = Gauge(STALE_ANSWERS, "Stale documents used in five minutes", ["origin"], registry=registry)
        self._oldest = Gauge(OLDEST_STALE, "Age of the oldest of them", ["origin"], registry=registry)
        self._colliding = Gauge(
            "keygenreg_mirror_colliding_names", "Claimed names that exist upstream", ["engine"], registry=registry
        )
        self._kept = Gauge("keygenreg_mirror_kept_bytes", "Bytes of files kept", ["engine"], registry=registry)
        self._files = Gauge("keygenreg_mirror_kept_files", "Files kept", ["engine"], registry=registry)
        self._beyond = Gauge(
            "keygenreg_mirror_pinned_beyond_quota_bytes",
            "Bytes of pinned files that are more than quotas allow",
            ["engine"],
            registry=registry,
        )
        self._arriving = Gauge("keygenreg_mirror_arriving", "Files on their way", ["engine"], registry=registry)

    def answered(self, engine: str, what: str, outcome: str) -> None:
        self._answers.labels(engine, what, outcome).inc()

    def received(self, engine: str, what: str, count: int) -> None:
        self._received.labels(engine, what).inc(count)

    def failed(self, engine: str, why: str) -> None:
        self._failures.labels(engine, why).inc()

    def evicted(self, engine: str, what: str, count: int) -> None:
        self._evicted.labels(engine, what).inc(count)

    def circuit(self, origin: str, state: str) -> None:
        self._circuit.labels(origin).set(CIRCUITS[state])

    def watch_origins(self, states: Callable[[], Mapping[str, OriginState]]) -> None:
        """Ask for the state of upstreams' hosts, by origin, whenever figures are read."""
        self._origins = states

    def served_stale(self, origin: str, age: float) -> None:
        """A document past its time was used. :param age: seconds since ``origin`` last said that it is current."""
        self._recently.setdefault(origin, _Recently(self._clock)).note(age)

    def colliding(self, engine: str, names: int) -> None:
        """How many names are claimed here and exist upstream."""
        self._colliding.labels(engine).set(names)

    def kept(self, engine: str, *, files: int, size: int, beyond: int = 0) -> None:
        """:param size: in bytes. :param beyond: of it, pinned beyond the quotas."""
        self._beyond.labels(engine).set(beyond)
        self._files.labels(engine).set(files)
        self._kept.labels(engine).set(size)

    def arriving(self, engine: str, change: int) -> None:
        self._arriving.labels(engine).inc(change)

    def _look(self) -> None:
        for origin, state in self._origins().items():
            self.circuit(origin, state.circuit)
            if state.success is not None:
                self._success.labels(origin).set(state.success)
        for origin, recently in self._recently.items():
            count, oldest = recently.told()
            self._stale.labels(origin).set(count)
            self._oldest.labels(origin).set(oldest)


class _Looking(Collector):
    """Has no figures of its own, but does something whenever figures are read."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        self._look()
        return ()
