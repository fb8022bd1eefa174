"""Counters and gauges of the mirror for Prometheus: what was at hand, what was fetched, refused, stale, failed."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

_CIRCUIT = {"closed": 0, "half-open": 1, "open": 2}


class MirrorFigures:
    """
    What the mirror tells of its work. ``what`` is ``document`` or ``file``; ``outcome`` one of ``hit`` (at hand and
    fresh), ``stale`` (at hand, being asked for anew or instead of an upstream that fails), ``miss`` (fetched),
    ``joined`` (somebody else's fetch), ``absent``, ``refused`` (by rules), ``error``.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
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
        self._circuit = Gauge(
            "keygenreg_mirror_circuit", "0 closed, 1 half open, 2 open", ["origin"], registry=registry
        )
        self._kept = Gauge("keygenreg_mirror_kept_bytes", "Bytes of files kept", ["engine"], registry=registry)
        self._files = Gauge("keygenreg_mirror_kept_files", "Files kept", ["engine"], registry=registry)
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
        self._circuit.labels(origin).set(_CIRCUIT[state])

    def kept(self, engine: str, *, files: int, size: int) -> None:
        """:param size: in bytes."""
        self._files.labels(engine).set(files)
        self._kept.labels(engine).set(size)

    def arriving(self, engine: str, change: int) -> None:
        self._arriving.labels(engine).inc(change)
