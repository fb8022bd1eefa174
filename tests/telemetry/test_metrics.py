"""The figures for Prometheus."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock
from twisted.web.test.requesthelper import DummyRequest

from keygenreg.telemetry.metrics import Metrics, MetricsResource


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry, clock):
    return Metrics(registry, clock)


def request(**fields):
    defaults = {"engine": "oci", "code": 200, "sentLength": 100, "started": 0.0, "upload": None, "counted": False}
    return SimpleNamespace(**{**defaults, **fields})


def test_requests_bytes_and_duration_are_counted_by_engine(metrics, registry, clock):
    for code in (200, 200, 404):
        asked = request(code=code)
        metrics.began(asked)
        clock.advance(0.02)
        metrics.ended(asked)
    assert registry.get_sample_value("keygenreg_requests_total", {"engine": "oci", "status": "200"}) == 2
    assert registry.get_sample_value("keygenreg_requests_total", {"engine": "oci", "status": "404"}) == 1
    assert registry.get_sample_value("keygenreg_sent_bytes_total", {"engine": "oci"}) == 300
    assert registry.get_sample_value("keygenreg_request_seconds_count", {"engine": "oci"}) == 3


def test_in_flight_returns_to_nothing_even_for_requests_that_never_began(metrics, registry):
    """A request refused before its body was here ends without having begun."""
    asked, refused = request(), request(code=413, started=None)
    metrics.began(asked)
    assert registry.get_sample_value("keygenreg_requests_in_flight") == 1
    metrics.ended(refused)
    metrics.ended(asked)
    assert registry.get_sample_value("keygenreg_requests_in_flight") == 0


def test_uploads_are_counted_by_outcome(metrics, registry):
    metrics.ended(request(upload=SimpleNamespace(received=5000)))
    metrics.ended(request(upload=SimpleNamespace(received=70), code=499))
    assert registry.get_sample_value("keygenreg_uploads_total", {"outcome": "stored"}) == 1
    assert registry.get_sample_value("keygenreg_uploads_total", {"outcome": "failed"}) == 1
    assert registry.get_sample_value("keygenreg_received_bytes_total") == 5070


def test_a_reactor_that_was_held_up_shows_as_lag(metrics, registry, clock):
    metrics.start()
    clock.advance(0.5)
    assert registry.get_sample_value("keygenreg_reactor_lag_seconds_sum") == 0
    clock.advance(2.0)
    assert registry.get_sample_value("keygenreg_reactor_lag_seconds_sum") == pytest.approx(1.5)
    metrics.stop()
    assert clock.getDelayedCalls() == []


def test_open_connections_are_counted_when_somebody_looks(metrics, registry):
    connections = {1, 2, 3}
    metrics.watch_connections(lambda: len(connections))
    connections.discard(1)
    assert registry.get_sample_value("keygenreg_connections") == 2


def test_the_resource_answers_what_a_prometheus_parser_reads(metrics, registry):
    metrics.ended(request())
    asked = DummyRequest([b""])
    text = MetricsResource(registry).render(asked).decode()
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"keygenreg_requests", "keygenreg_requests_in_flight", "keygenreg_reactor_lag_seconds"} <= names
    assert asked.responseHeaders.getRawHeaders("content-type")[0].startswith("text/plain")
