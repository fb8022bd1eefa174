"""What is made of long documents: in a thread, once, and kept within bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from twisted.internet.defer import Deferred

from keygenreg.domain.failures import Denied
from keygenreg.mirror.adapter import Listing
from keygenreg.mirror.documents.document import MirroredDocument
from keygenreg.mirror.documents.freshness import ripe_at
from keygenreg.mirror.documents.renderings import LONG, Rendering, Renderings, packed
from keygenreg.mirror.single_flight import Background


class Threads:
    """Work that is done when a test says so."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.done = 0

    def __call__(self, work, *arguments: Any) -> Deferred:
        result: Deferred = Deferred()
        self.waiting.append((result, work, arguments))
        return result

    def run(self) -> None:
        waiting, self.waiting = self.waiting, []
        for result, work, arguments in waiting:
            self.done += 1
            try:
                result.callback(work(*arguments))
            except Denied:
                result.errback()


def document(size: int = LONG) -> MirroredDocument:
    return MirroredDocument(Listing(document=None), "http://u.test/", uuid4(), size, 0.0, 100.0)


@pytest.fixture
def threads() -> Threads:
    return Threads()


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def renderings(threads: Threads, clock: list[float]) -> Renderings:
    return Renderings(threads, Background(), lambda: clock[0], most_bytes=10_000)


def asked(renderings: Renderings, of: MirroredDocument, form: Any, made: Rendering) -> list[Any]:
    """The values that the asker gets; empty while it waits."""
    values: list[Any] = []
    Deferred.fromCoroutine(renderings.get(of, form, lambda: made)).addCallback(values.append)
    return values


def test_short_ones_need_no_thread(renderings: Renderings, threads: Threads):
    assert asked(renderings, document(LONG - 1), "json", Rendering("made", 1)) == ["made"]
    assert not threads.waiting


def test_long_ones_are_made_once(renderings: Renderings, threads: Threads):
    """For all who ask meanwhile, and for those who come later; each form apart."""
    of = document()
    first, second = (asked(renderings, of, "json", Rendering("made", 1)) for _ in range(2))
    html = asked(renderings, of, "html", Rendering("html", 1))
    assert first == second == html == [] and len(threads.waiting) == 2
    threads.run()
    assert first == second == ["made"] and html == ["html"]
    assert asked(renderings, of, "json", Rendering("again", 1)) == ["made"]
    assert asked(renderings, document(), "json", Rendering("another", 1)) == []


def test_until_its_time(renderings: Renderings, threads: Threads, clock: list[float]):
    """As when a file is old enough to be shown."""
    of = document()
    asked(renderings, of, "json", Rendering("young", 1, 1010.0))
    threads.run()
    clock[0] = 1009.9
    assert asked(renderings, of, "json", Rendering("older", 1)) == ["young"]
    clock[0] = 1010.0
    later = asked(renderings, of, "json", Rendering("older", 1))
    threads.run()
    assert later == ["older"]


def test_within_a_bound(renderings: Renderings, threads: Threads):
    """What is used stays; what alone is beyond half of the bound is not kept, but given."""
    used, others = document(), [document() for _ in range(10)]
    for each in others:
        for one in (used, each):
            asked(renderings, one, "json", Rendering("made", 2000))
            threads.run()
    assert threads.done == 1 + len(others)
    assert asked(renderings, others[0], "json", Rendering("again", 2000)) == []
    threads.run()
    large = document()
    for _ in range(2):
        found = asked(renderings, large, "json", Rendering("large", 6000))
        assert found == []
        threads.run()
        assert found == ["large"]


def test_refusals_are_not_kept(renderings: Renderings, threads: Threads):
    """All versions are too young now, and not for ever."""
    refusals: list[Any] = []

    def refused() -> Rendering:
        raise Denied("too young", "COOLDOWN")

    of = document()
    Deferred.fromCoroutine(renderings.get(of, "json", refused)).addErrback(lambda why: refusals.append(why.type))
    threads.run()
    assert refusals == [Denied]
    later = asked(renderings, of, "json", Rendering("made", 1))
    threads.run()
    assert later == ["made"]


def test_only_long_bodies_are_compressed():
    assert packed("page", b"x" * 100).value.gzip is None
    long = packed("page", b"x" * (LONG + 1), 5.0)
    assert long.until == 5.0 and long.size > LONG
    assert len(long.value.gzip) < LONG


def test_when_more_may_be_shown():
    """The moment when the oldest of what is hidden has been there long enough; of unknown age is never."""
    policy = SimpleNamespace(cooldown=timedelta(days=2))
    first = datetime(2026, 1, 1, tzinfo=UTC)
    ripe = datetime(2026, 1, 3, tzinfo=UTC).timestamp()
    assert ripe_at([first + timedelta(days=1), None, first], policy) == ripe
    assert ripe_at([None], policy) == ripe_at([], policy) == inf
