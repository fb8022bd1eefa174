"""A read that is given up, step by step."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from keygenreg.database.reading import AGAIN, GRACE, Reading


class Session:
    """Runs one statement until it is ended."""

    backend = 7

    def __init__(self) -> None:
        self.ended: Deferred[Any] = Deferred()

    async def run(self, sql: str, params: Any, *, repeats: bool) -> Any:
        return await self.ended


class Stopper:
    """Keeps the requests to stop; each is answered by ``answers``."""

    def __init__(self) -> None:
        self.answers: list[Deferred[None]] = []

    async def stop(self, backend: int) -> None:
        self.answers.append(Deferred())
        await self.answers[-1]


@pytest.fixture
def parts() -> tuple[Clock, Session, Stopper, Reading]:
    clock, stopper = Clock(), Stopper()
    return clock, Session(), stopper, Reading(clock, stopper)


def start(reading: Reading, session: Session) -> Deferred[Any]:
    return Deferred.fromCoroutine(reading.run(session, "SELECT 1", {}, repeats=True))


def test_a_request_that_stopped_nothing_is_repeated(parts):
    """It may arrive between the preparation of a statement and its execution."""
    clock, session, stopper, reading = parts
    running = start(reading, session)
    reading.leave()
    clock.advance(GRACE)
    stopper.answers[0].callback(None)
    clock.advance(AGAIN)
    assert len(stopper.answers) == 2
    session.ended.errback(RuntimeError("stopped"))
    stopper.answers[1].callback(None)
    running.addErrback(lambda failure: failure.trap(CancelledError))
    assert running.called
    assert not clock.getDelayedCalls()


def test_one_request_at_a_time(parts):
    """While the server has not answered the first, there is no second; and the session is kept until it has."""
    clock, session, stopper, reading = parts
    running = start(reading, session)
    reading.leave()
    clock.pump([GRACE, AGAIN, AGAIN])
    assert len(stopper.answers) == 1
    session.ended.callback("rows")
    assert not running.called
    stopper.answers[0].callback(None)
    assert running.result == "rows"
    assert not clock.getDelayedCalls()


def test_a_read_that_ends_soon_is_not_stopped(parts):
    """A request would arrive too late."""
    clock, session, stopper, reading = parts
    running = start(reading, session)
    reading.leave()
    session.ended.callback("rows")
    clock.advance(GRACE)
    assert running.result == "rows"
    assert not stopper.answers
