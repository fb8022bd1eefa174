"""The circuit breaker, compared with a plain model on random histories."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keygenreg.upstream.breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from keygenreg.upstream.failures import Tripped


class Histories(RuleBasedStateMachine):
    """Requests begin, end well or badly or not at all, and time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(lambda: self.now, threshold=3, shortest=1.0, longest=8.0)
        self.under_way = 0
        self.bad = 0

    @rule()
    def begin(self) -> None:
        state = self.breaker.state
        try:
            self.breaker.admit()
        except Tripped as tripped:
            assert state != CLOSED and tripped.retry_after > 0
        else:
            assert state != OPEN
            self.under_way += 1

    @precondition(lambda self: self.under_way)
    @rule()
    def succeed(self) -> None:
        self.under_way -= 1
        self.bad = 0
        self.breaker.answered()
        self.breaker.succeeded()
        assert self.breaker.state == CLOSED

    @precondition(lambda self: self.under_way)
    @rule()
    def fail(self) -> None:
        self.under_way -= 1
        self.bad += 1
        self.breaker.failed()
        assert self.bad < 3 or self.breaker.state != CLOSED

    @precondition(lambda self: self.under_way)
    @rule()
    def abandon(self) -> None:
        self.under_way -= 1
        self.breaker.abandoned()

    @rule(seconds=st.floats(0, 20))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def it_always_ends(self) -> None:
        """However bad it was, after the longest pause one request is let through."""
        if self.breaker.state == OPEN:
            assert self.breaker._until - self.now <= 8.0


TestHistories = Histories.TestCase


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def breaker(clock: list[float]) -> Breaker:
    return Breaker(lambda: clock[0], threshold=2, shortest=1.0, longest=4.0)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.admit()
        breaker.failed()


def test_one_success_between_failures_keeps_it_closed(breaker: Breaker):
    fail(breaker)
    breaker.admit()
    breaker.succeeded()
    fail(breaker)
    assert breaker.state == CLOSED


def test_only_one_probe(breaker: Breaker, clock: list[float]):
    fail(breaker, 2)
    assert breaker.state == OPEN
    clock[0] = 1.5
    assert breaker.state == HALF_OPEN
    breaker.admit()
    with pytest.raises(Tripped):
        breaker.admit()
    breaker.succeeded()
    assert breaker.state == CLOSED


def test_it_stays_open_longer_each_time(breaker: Breaker, clock: list[float]):
    fail(breaker, 2)
    for pause in (2.0, 4.0, 4.0):
        clock[0] += 10
        fail(breaker)
        with pytest.raises(Tripped) as tripped:
            breaker.admit()
        assert tripped.value.retry_after == pause


def test_upstream_may_ask_for_peace(breaker: Breaker, clock: list[float]):
    """Retry-After opens it at once, but never for longer than the bound."""
    breaker.admit()
    breaker.failed(pause=3600)
    assert breaker.state == OPEN
    clock[0] = 4.0
    assert breaker.state == HALF_OPEN


def test_bodies_that_break_off_count(breaker: Breaker):
    """An upstream whose answers all begin well and end badly is failing."""
    for _ in range(2):
        breaker.admit()
        breaker.answered()
        breaker.failed()
    assert breaker.state == OPEN


def test_a_probe_that_was_given_up_makes_room_for_another(breaker: Breaker, clock: list[float]):
    fail(breaker, 2)
    clock[0] = 2.0
    breaker.admit()
    breaker.abandoned()
    breaker.admit()
    breaker.succeeded()
