"""Entries that are kept are those that would be made now, whatever changed and whoever asks; nothing is made twice."""

from __future__ import annotations

from collections import Counter

import pytest
from attrs import define, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from keygenreg.domain.failures import Unavailable
from keygenreg.web.kept_entries import KeptEntries

_IDS = "abcdef"


@frozen
class Entry:
    text: bytes


@frozen
class Listing:
    editions: list[str]


@define
class Rows:
    """What is in a database: the number of changes of each row, by id; and which rows were read how often."""

    states: dict[str, int] = field(factory=lambda: dict.fromkeys(_IDS, 0))
    read_ids: Counter[str] = field(factory=Counter)
    listings: int = 0
    #: What the last listing was of.
    expected: list[bytes] = field(factory=list)

    def edition(self, id: str) -> str:
        return f"{id}/{self.states[id]}"

    def text(self, id: str, place: str) -> bytes | None:
        """Every third state comes to nothing."""
        return None if self.states[id] % 3 == 2 else f"{self.edition(id)} in {place}".encode()

    async def entries(self, kept, place, shown, meanwhile=lambda rows: None):
        """Of the rows shown. ``meanwhile`` is called before each listing and before each reading."""

        async def listed():
            meanwhile(self)
            self.listings += 1
            texts = [self.text(id, place) for id in shown if id in self.states]
            self.expected = [text for text in texts if text is not None]
            return Listing([self.edition(id) for id in shown if id in self.states])

        async def read(ids):
            meanwhile(self)
            self.read_ids.update(ids)
            # In another order, and none that is gone.
            return [{"edition": self.edition(id), "id": id} for id in reversed(ids) if id in self.states]

        def made(row):
            text = self.text(row["id"], place)
            return None if text is None else Entry(text)

        _, entries = await kept.of(listed, read, made, place)
        return [entry.text for entry in entries]

    def change(self, id: str) -> None:
        self.states[id] = self.states.get(id, 100) + 1


_SHOWN = st.lists(st.sampled_from(_IDS), unique=True)
_CHANGED = st.lists(st.sampled_from(_IDS), max_size=4)
_STEPS = st.lists(st.tuples(_CHANGED, st.sampled_from(["here/", "/there"]), _SHOWN, _CHANGED), max_size=12)


@settings(max_examples=60, deadline=None)
@given(_STEPS, st.sampled_from([0, 2_000, 2**20]))
def test_they_are_those_that_the_listing_is_of(run_in_reactor, steps, room):
    """With much room, with little, with none; rows change before each step."""
    rows, kept = Rows(), KeptEntries(room)
    for before, place, shown, later in steps:
        for id in before:
            rows.change(id)

        def meanwhile(rows, waiting=later):
            if waiting:
                rows.change(waiting.pop())

        assert run_in_reactor(rows.entries(kept, place, shown, meanwhile)) == rows.expected


def test_only_what_has_changed_is_read(run_in_reactor):
    rows, kept = Rows(), KeptEntries(2**20)
    run_in_reactor(rows.entries(kept, "", _IDS))
    assert rows.read_ids == Counter(_IDS)
    rows.change("c")
    run_in_reactor(rows.entries(kept, "", _IDS))
    run_in_reactor(rows.entries(kept, "", "cab"))
    assert rows.read_ids == Counter(_IDS + "c")


def test_what_came_to_nothing_is_not_read_again(run_in_reactor):
    rows, kept = Rows({"a": 2}), KeptEntries(2**20)
    assert [run_in_reactor(rows.entries(kept, "", "a")) for _ in range(2)] == [[], []]
    assert rows.read_ids == Counter("a")


def test_places_have_entries_of_their_own(run_in_reactor):
    rows, kept = Rows(), KeptEntries(2**20)
    assert run_in_reactor(rows.entries(kept, "x", "a")) == [b"a/0 in x"]
    assert run_in_reactor(rows.entries(kept, "y", "a")) == [b"a/0 in y"]
    assert run_in_reactor(rows.entries(kept, "x", "a")) == [b"a/0 in x"]


def test_a_row_that_is_gone_in_between_is_not_shown(run_in_reactor):
    rows, kept = Rows(), KeptEntries(2**20)
    found = run_in_reactor(rows.entries(kept, "", "ab", lambda rows: rows.listings and rows.states.pop("a", None)))
    assert (found, rows.listings) == ([b"b/0 in "], 2)


def test_endless_change_is_refused(run_in_reactor):
    """Instead of a document that never was."""
    rows, kept = Rows(), KeptEntries(2**20)
    with pytest.raises(Unavailable):
        run_in_reactor(rows.entries(kept, "", "ab", lambda rows: rows.change("b")))
    assert 1 < rows.listings < 10
