"""Figures of several processes on one page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from keygenreg.telemetry.figures import Gathered, snapshot


class Process:
    """A process that counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("requests", "Requests", ["status"], registry=self.registry)
        self.seconds = Histogram("seconds", "Durations", buckets=(1, 2), registry=self.registry)
        self.connections = Gauge("connections", "Connections", registry=self.registry)
        self.cpu = Counter("process_cpu_seconds", "CPU", registry=self.registry)

    def tell(self) -> bytes:
        return snapshot(self.registry)


def shown(gathered: Gathered) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus reads from the page."""
    registry = CollectorRegistry()
    registry.register(gathered)
    page = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


@pytest.fixture
def gathered() -> Gathered:
    return Gathered()


def test_counters_and_histograms_are_sums(gathered: Gathered) -> None:
    first, second = Process(), Process()
    first.requests.labels("200").inc(3)
    second.requests.labels("200").inc(4)
    second.requests.labels("404").inc(1)
    first.seconds.observe(0.5)
    second.seconds.observe(1.5)
    gathered.take(first, "0", first.tell())
    gathered.take(second, "1", second.tell())
    page = shown(gathered)
    assert page["requests_total", (("status", "200"),)] == 7
    assert page["requests_total", (("status", "404"),)] == 1
    assert page["seconds_bucket", (("le", "1.0"),)] == 1
    assert page["seconds_bucket", (("le", "2.0"),)] == 2
    assert page["seconds_bucket", (("le", "+Inf"),)] == 2
    assert page["seconds_count", ()] == 2
    assert page["seconds_sum", ()] == 2


def test_what_is_a_process_s_own_has_its_label(gathered: Gathered) -> None:
    """Gauges, and all that the operating system says of it, its counters too."""
    first, second = Process(), Process()
    first.connections.set(5)
    second.connections.set(7)
    first.cpu.inc(2)
    gathered.take(first, "0", first.tell())
    gathered.take(second, "1", second.tell())
    page = shown(gathered)
    assert page["connections", (("worker", "0"),)] == 5
    assert page["connections", (("worker", "1"),)] == 7
    assert page["process_cpu_seconds_total", (("worker", "0"),)] == 2
    assert ("connections", ()) not in page


def test_a_process_that_ended_counts_on_but_has_no_gauges(gathered: Gathered) -> None:
    process = Process()
    process.requests.labels("200").inc(3)
    process.connections.set(5)
    gathered.take(process, "0", process.tell())
    gathered.retire(process)
    assert shown(gathered)["requests_total", (("status", "200"),)] == 3
    assert not [name for name, _ in shown(gathered) if name == "connections"]


def test_one_that_never_told_anything_may_end(gathered: Gathered) -> None:
    gathered.retire("unknown")
    assert shown(gathered) == {}


def test_when_a_counter_was_made_is_not_added_up(gathered: Gathered) -> None:
    process = Process()
    process.requests.labels("200").inc()
    gathered.take(process, "0", process.tell())
    assert not [name for name, _ in shown(gathered) if name.endswith("_created")]


@given(
    st.lists(
        st.tuples(st.sampled_from(["count", "tell", "replace"]), st.integers(0, 2), st.sampled_from(["200", "404"])),
        max_size=60,
    )
)
def test_counters_never_go_back(steps: list[tuple[str, int, str]]) -> None:
    """Whichever processes count, tell, end and are replaced, and nothing is counted that was not."""
    gathered, living, counted, before = Gathered(), [Process() for _ in range(3)], 0, {}
    for step, index, status in steps:
        process = living[index]
        if step == "count":
            process.requests.labels(status).inc()
            process.seconds.observe(1.5)
            counted += 1
        elif step == "tell":
            gathered.take(process, str(index), process.tell())
        else:
            gathered.retire(process)
            living[index] = Process()
        now = {key: value for key, value in shown(gathered).items() if key[0].endswith(("_total", "_count", "_bucket"))}
        now = {key: value for key, value in now.items() if not key[0].startswith("process_")}
        assert all(now.get(key, -1) >= value for key, value in before.items())
        assert sum(value for key, value in now.items() if key[0] == "requests_total") <= counted
        before = now
