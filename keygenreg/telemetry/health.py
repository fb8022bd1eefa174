"""``GET /health`` on the operator's endpoint: how the registries fare that this one passes through."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry

from keygenreg.telemetry.metrics import FiguresResource
from keygenreg.telemetry.mirror_figures import CIRCUIT, CIRCUITS, LAST_SUCCESS, OLDEST_STALE, STALE_ANSWERS

_STATES = {number: state for state, number in CIRCUITS.items()}
#: How what several web processes say of one upstream is one figure.
_MERGED: dict[str, Callable[[Iterable[float]], float]] = {
    CIRCUIT: max,
    LAST_SUCCESS: max,
    STALE_ANSWERS: sum,
    OLDEST_STALE: max,
}


def health(registry: CollectorRegistry, now: float) -> dict[str, Any]:
    """
    The document, from the figures of one process or the gathered ones of several.

    Upstreams are told apart by their origin: no account and no name of a package is in it.

    :param now: Unix seconds.
    """
    told: dict[str, dict[str, list[float]]] = {}
    for family in registry.collect():
        if family.name in _MERGED:
            for sample in family.samples:
                told.setdefault(sample.labels["origin"], {}).setdefault(family.name, []).append(sample.value)
    upstreams = {origin: _upstream(values, now) for origin, values in sorted(told.items())}
    fine = all(each["circuit"] == "closed" for each in upstreams.values())
    return {"status": "ok" if fine else "degraded", "upstreams": upstreams}


def _upstream(values: dict[str, list[float]], now: float) -> dict[str, Any]:
    merged = {name: _MERGED[name](each) for name, each in values.items()}
    success = merged.get(LAST_SUCCESS)
    return {
        "circuit": _STATES[round(merged.get(CIRCUIT, 0))],
        "seconds_since_success": round(max(0.0, now - success)) if success else None,
        "stale_answers": round(merged.get(STALE_ANSWERS, 0)),
        "oldest_stale_seconds": round(merged.get(OLDEST_STALE, 0)),
    }


class HealthResource(FiguresResource):
    """Always 200: that an upstream is away is no reason to take this registry out of service."""

    content_type = "application/json"

    def document(self, registry: CollectorRegistry) -> bytes:
        return json.dumps(health(registry, time.time()), indent=2).encode("ascii") + b"\n"
