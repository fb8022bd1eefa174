"""Generations: whatever is told, no guard holds that may be of something older; and no number comes twice."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.caches.generations import SIZE, Generations, Guard, shared_memory

ONE, OTHER = UUID(int=1), UUID(int=2)
#: An account that shares its places with ONE.
NEIGHBOUR = UUID(int=1 + 4096)


@pytest.fixture
def generations() -> Generations:
    made = Generations()
    made.begin_hearing()
    return made


def watching(generations: Generations, account: UUID = ONE) -> Guard:
    guard = generations.guard()
    generations.watch(guard, account)
    return guard


def state(generations: Generations, guard: Guard) -> tuple[bool, bool, bool]:
    return generations.holds(guard), generations.catalogue_holds(guard), generations.bearers_hold(guard)


ALL, NONE = (True, True, True), (False, False, False)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f"catalogue {ONE}", (False, False, True)),
        (f"bearers {ONE}", (False, True, False)),
        (f"account {ONE}", NONE),
        ("everything", NONE),
        (f"catalogue {OTHER}", ALL),
        (f"bearers {OTHER}", ALL),
        (f"account {OTHER}", ALL),
        (f"catalogue {NEIGHBOUR}", (False, False, True)),
    ],
)
def test_what_moves(generations, message, expected):
    """Each part of an account by itself, accounts apart from each other; neighbours at the price of too much."""
    guard = watching(generations)
    assert state(generations, guard) == ALL
    generations.move(message)
    assert state(generations, guard) == expected
    assert state(generations, watching(generations)) == ALL


@given(st.one_of(st.text(), st.text().map("catalogue {}".format), st.text().map("bearers {}".format),
                 st.sampled_from(["", " ", "account", "account ", f"other {ONE}", f"catalogue  {ONE}x", f"{ONE}"])))
def test_whatever_is_not_understood_moves_everything(message):
    generations = Generations()
    generations.begin_hearing()
    guard, unwatched = watching(generations), generations.guard()
    generations.move(message)
    kind, _, account = message.partition(" ")
    try:
        known = kind in ("catalogue", "bearers", "account") and bool(UUID(account))
    except ValueError:
        known = False
    if not known:
        assert state(generations, guard) == state(generations, unwatched) == NONE


def test_before_the_account_is_known_everything_counts(generations):
    """A guard that watches no account holds through changes of accounts, and not through those of everything."""
    guard = generations.guard()
    generations.move(f"account {ONE}")
    assert state(generations, guard) == ALL
    generations.move("everything")
    assert state(generations, guard) == NONE


def test_while_deaf_nothing_holds(generations):
    """And what was taken before is worth nothing afterwards."""
    guard = watching(generations)
    generations.end_hearing()
    assert state(generations, guard) == state(generations, watching(generations)) == NONE
    deaf = watching(generations)
    generations.begin_hearing()
    assert state(generations, guard) == state(generations, deaf) == NONE
    assert state(generations, watching(generations)) == ALL


def test_deaf_at_first():
    generations = Generations()
    assert state(generations, watching(generations)) == NONE


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([
    "everything", f"catalogue {ONE}", f"bearers {ONE}", f"account {ONE}", f"account {OTHER}"])), max_size=60))
def test_no_number_comes_twice(moves):
    """Several processes move the same memory in any order: what a guard has seen never comes back."""
    descriptor = shared_memory()
    processes = [Generations(descriptor) for _ in range(3)]
    os.close(descriptor)
    for process in processes:
        process.begin_hearing()
    seen: dict[int, set[int]] = {slot: {number} for slot, number in enumerate(processes[0].numbers)}
    for who, message in moves:
        before = list(processes[0].numbers)
        guard = watching(processes[1])
        processes[who].move(message)
        after = list(processes[0].numbers)
        changed = [slot for slot in range(len(before)) if before[slot] != after[slot]]
        assert changed
        for slot in changed:
            assert after[slot] not in seen[slot]
            seen[slot].add(after[slot])
        holding = [process.holds(guard) for process in processes]
        assert holding == [message == f"account {OTHER}"] * 3


def test_processes_share_what_they_are_handed():
    """A child moves the number, its parent's guard fails; nothing is said over any other way."""
    descriptor = shared_memory()
    mine = Generations(descriptor)
    mine.begin_hearing()
    guard, other = watching(mine), watching(mine, OTHER)
    code = (
        "import sys; from keygenreg.caches.generations import Generations; "
        f"Generations(int(sys.argv[1])).move('bearers {ONE}')"
    )
    subprocess.run([sys.executable, "-c", code, str(descriptor)], pass_fds=[descriptor], check=True, timeout=60)
    os.close(descriptor)
    assert state(mine, guard) == (False, True, False)
    assert state(mine, other) == ALL


def test_processes_that_share_none_are_apart():
    mine, theirs = Generations(), Generations()
    mine.begin_hearing()
    guard = watching(mine)
    theirs.move("everything")
    assert mine.holds(guard)


def test_each_process_hears_for_itself():
    """That another one is deaf is no reason not to remember."""
    descriptor = shared_memory()
    mine, theirs = Generations(descriptor), Generations(descriptor)
    os.close(descriptor)
    mine.begin_hearing()
    theirs.begin_hearing()
    guard = watching(mine)
    theirs.end_hearing()
    assert mine.holds(guard) and not theirs.holds(guard)
    theirs.begin_hearing()
    assert not mine.holds(guard)


def test_the_memory_is_as_large_as_it_says():
    descriptor = shared_memory()
    with closing(os.fdopen(descriptor)):
        assert os.fstat(descriptor).st_size == SIZE == Generations().numbers.nbytes
