"""Garbage is looked for while nobody is answered, and what survives is not looked at again."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from attrs import define, field
from twisted.internet.task import Clock

from keygenreg.assembly.garbage import LOOK_EVERY, Garbage


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
        self.garbage = Garbage(self.clock, self.channels)
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


def test_loops_that_were_set_aside_alive_do_not_pile_up(started: Started) -> None:
    """They are freed when they have become as many as all that was loaded."""
    made, seen = loop()
    made.others = [Loop() for _ in range(gc.get_freeze_count() + 10)]
    started.pass_time()
    del made
    assert seen() is not None
    started.pass_time()
    assert seen() is None


def test_an_ended_process_looks_no_more(started: Started) -> None:
    seen = old_garbage()
    started.garbage.stop()
    started.pass_time()
    assert seen() is not None
