"""What the operator's health document says of upstreams."""

from __future__ import annotations

import json

from prometheus_client import CollectorRegistry
from twisted.internet.task import Clock

from keygenreg.telemetry.figures import Gathered, snapshot
from keygenreg.telemetry.health import health
from keygenreg.telemetry.mirror_figures import MirrorFigures, OriginState

INDEX, FILES = "https://index.example", "https://files.example"


class Process:
    """Figures of one web process."""

    def __init__(self, clock: Clock, **states: OriginState) -> None:
        self.registry = CollectorRegistry()
        self.figures = MirrorFigures(self.registry, clock.seconds)
        self.figures.watch_origins(lambda: {INDEX: states["index"], FILES: states["files"]})


def test_nothing_was_asked_yet():
    registry = CollectorRegistry()
    MirrorFigures(registry)
    assert health(registry, 0) == {"status": "ok", "upstreams": {}}


def test_one_process():
    clock = Clock()
    clock.advance(1000)
    process = Process(clock, index=OriginState("open", 900.0), files=OriginState("closed"))
    for age in (40, 4000, 5):
        process.figures.served_stale(INDEX, age)
    told = health(process.registry, 1000)
    assert told["status"] == "degraded"
    assert told["upstreams"][INDEX] == {
        "circuit": "open", "seconds_since_success": 100, "stale_answers": 3, "oldest_stale_seconds": 4000,
    }  # fmt: skip
    assert told["upstreams"][FILES] == {
        "circuit": "closed", "seconds_since_success": None, "stale_answers": 0, "oldest_stale_seconds": 0,
    }  # fmt: skip


def test_stale_answers_are_forgotten_after_a_while():
    clock = Clock()
    clock.advance(1000)
    process = Process(clock, index=OriginState("closed", 1000.0), files=OriginState("closed"))
    process.figures.served_stale(INDEX, 4000)
    clock.advance(200)
    process.figures.served_stale(INDEX, 50)
    assert health(process.registry, 1200)["upstreams"][INDEX]["oldest_stale_seconds"] == 4000
    clock.advance(200)
    told = health(process.registry, 1400)["upstreams"][INDEX]
    assert (told["stale_answers"], told["oldest_stale_seconds"]) == (1, 50)
    clock.advance(300)
    assert health(process.registry, 1700)["upstreams"][INDEX]["stale_answers"] == 0


def test_several_processes_are_one():
    """The worst circuit, the last success, all stale answers, the oldest."""
    clock = Clock()
    clock.advance(1000)
    first = Process(clock, index=OriginState("closed", 950.0), files=OriginState("closed", 10.0))
    second = Process(clock, index=OriginState("half-open", 990.0), files=OriginState("closed"))
    first.figures.served_stale(INDEX, 70)
    second.figures.served_stale(INDEX, 30)
    gathered, shown = Gathered(), CollectorRegistry()
    for number, process in enumerate((first, second)):
        gathered.take(number, str(number), snapshot(process.registry))
    shown.register(gathered)
    told = health(shown, 1000)
    assert json.loads(json.dumps(told)) == told
    assert told["status"] == "degraded"
    assert told["upstreams"][INDEX] == {
        "circuit": "half-open", "seconds_since_success": 10, "stale_answers": 2, "oldest_stale_seconds": 70,
    }  # fmt: skip
    assert told["upstreams"][FILES]["seconds_since_success"] == 990
