"""Work in slices: others have their turn, nothing is lost, and it ends when nobody wants it any more."""

from __future__ import annotations

import pytest
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Cooperator

from keygenreg.web.turns import SLICE, in_turns


@define
class Scene:
    """A clock that goes on by a third of a slice with each step of the work, and turns that are given by hand."""

    now: float = 0.0
    done: list[int] = field(factory=list)
    ended: bool = False
    turns: list = field(factory=list)

    def start(self, work) -> Deferred[None]:
        cooperator = Cooperator(lambda: lambda: True, self._later)
        running = Deferred.fromCoroutine(
            in_turns(work, seconds=lambda: self.now, cooperate=cooperator.cooperate)
        )
        return running

    def work(self, steps: int, fails: bool = False):
        try:
            for step in range(steps):
                self.done.append(step)
                self.now += SLICE / 3
                yield
            if fails:
                raise ValueError("broken")
        finally:
            self.ended = True

    def _later(self, turn):
        self.turns.append(turn)

        class Call:
            cancel = staticmethod(lambda: self.turns.remove(turn))

        return Call()

    def give(self) -> None:
        """Let it have turns while it wants any."""
        while self.turns:
            self.turns.pop(0)()


def test_short_work_is_done_at_once():
    scene = Scene()
    assert scene.start(scene.work(2)).called
    assert (scene.done, scene.turns) == ([0, 1], [])


def test_long_work_waits_for_further_turns_and_is_done_to_its_end():
    scene = Scene()
    running = scene.start(scene.work(20))
    assert not running.called and 0 < len(scene.done) < 20
    scene.give()
    assert running.called and scene.done == list(range(20))


@pytest.mark.parametrize("steps", [1, 20])
def test_what_it_raises_comes_out(steps):
    scene = Scene()
    running = scene.start(scene.work(steps, fails=True))
    scene.give()
    running.addCallbacks(lambda _: pytest.fail("nothing was raised"), lambda reason: reason.trap(ValueError))
    assert running.called and scene.ended


def test_cancelled_work_stops_where_it_is():
    scene = Scene()
    running = scene.start(scene.work(20))
    before = list(scene.done)
    running.addErrback(lambda reason: reason.trap(CancelledError))
    running.cancel()
    scene.give()
    assert running.called and scene.done == before
