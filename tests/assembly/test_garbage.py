"""Garbage is looked for while nobody is answered, and what survives is not looked at again."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from attrs import define, field
from twisted.internet.task import Clock

from keygenreg.assembly.garbage import LOOK_EVERY, MORE, MUCH_MORE, Garbage


@define(eq=False)
class Channel:
    requests: list[object] = field(factory=list)


@define(eq=False)
class Loop:
    """An object that only a collector frees."""

    me: Loop | None = None
    others: list[Loop] = field(factory=list)


def loop() -> tuple[Loop, weakref.ref]:
    made = Loop()
    made.me = made
    return made, weakref.ref(made)


@pytest.fixture(autouse=True)
def by_hand() -> Iterator[None]:
    """Nothing is collected but by what is tested."""
    gc.collect()
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


class Started:
    def __init__(self) -> None:
        self.clock = Clock()
        self.channels = {Channel()}
        self.much = 1000
        self.garbage = Garbage(self.clock, self.channels, lambda: self.much)
        self.garbage.start()

    def pass_time(self) -> None:
        gc.collect(1)  # what is old now is old for the collector
        self.clock.advance(LOOK_EVERY)


@pytest.fixture
def started() -> Iterator[Started]:
    made = Started()
    yield made
    made.garbage.stop()


def old_garbage() -> weakref.ref:
    """What became garbage when it was old already."""
    made, seen = loop()
    gc.collect(0)
    gc.collect(1)
    del made
    return seen


def test_garbage_is_freed_while_nobody_is_answered(started: Started) -> None:
    seen = old_garbage()
    started.pass_time()
    assert seen() is None


def test_a_request_under_way_puts_it_off(started: Started) -> None:
    (channel,) = started.channels
    channel.requests.append(object())
    seen = old_garbage()
    frozen = gc.get_freeze_count()
    started.pass_time()
    assert seen() is not None and gc.get_freeze_count() == frozen
    channel.requests.clear()
    started.pass_time()
    assert seen() is None


def test_what_survives_is_set_aside(started: Started) -> None:
    kept = [loop()[0] for _ in range(100)]
    before = gc.get_freeze_count()
    started.pass_time()
    assert gc.get_freeze_count() >= before + len(kept)
    aside = {id(each) for each in kept}
    assert not [each for each in gc.get_objects() if id(each) in aside]


def test_nothing_is_done_while_nothing_becomes_old(started: Started) -> None:
    before = gc.get_stats()[2]["collections"]
    started.clock.advance(LOOK_EVERY)
    assert gc.get_stats()[2]["collections"] == before


def test_what_a_look_under_way_has_left_is_set_aside(started: Started) -> None:
    """The collector's own looks come while requests are answered too, and are no longer for those."""
    next(iter(started.channels)).requests.append(object())
    kept = [loop()[0] for _ in range(100)]
    gc.collect()
    aside = {id(each) for each in kept}
    assert not [each for each in gc.get_objects() if id(each) in aside]


def test_what_was_set_aside_is_freed_without_a_look(started: Started) -> None:
    kept = Loop()
    started.pass_time()
    seen = weakref.ref(kept)
    del kept
    assert seen() is None


def test_no_look_of_the_collector_is_at_much(started: Started) -> None:
    """Though all that is made lives on, it looks again before there are many."""
    looked_at: list[int] = []

    def count(phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            looked_at.append(len(gc.get_objects()))

    gc.callbacks.append(count)
    try:
        gc.enable()
        kept = [Loop() for _ in range(60_000)]
    finally:
        gc.disable()
        gc.callbacks.remove(count)
    assert len(kept) > max(looked_at) and max(looked_at) < 25_000


def test_what_was_there_before_comes_back() -> None:
    before = gc.get_threshold(), list(gc.callbacks)
    started = Started()
    assert (gc.get_threshold(), gc.callbacks) != before
    started.garbage.stop()
    assert (gc.get_threshold(), gc.callbacks) == before


@pytest.mark.parametrize(("answering", "times"), [(False, MORE), (True, MUCH_MORE)])
def test_loops_that_were_set_aside_alive_do_not_pile_up(started: Started, answering: bool, times: int) -> None:
    """They are freed when there is much more than in the beginning, in processes that are never idle too."""
    made, seen = loop()
    started.pass_time()
    del made
    if answering:
        next(iter(started.channels)).requests.append(object())
    started.much = 1000 * times
    started.pass_time()
    assert seen() is not None
    started.much += 1
    started.pass_time()
    assert seen() is None


def test_less_is_the_new_measure(started: Started) -> None:
    """What caches have let go of is no room for loops."""
    started.much = 400
    started.pass_time()
    made, seen = loop()
    started.pass_time()
    del made
    started.much = 900
    started.pass_time()
    assert seen() is None


def test_an_ended_process_looks_no_more(started: Started) -> None:
    seen = old_garbage()
    started.garbage.stop()
    started.pass_time()
    assert seen() is not None
