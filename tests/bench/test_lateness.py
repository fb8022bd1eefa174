"""What of a late timer is the daemon's own doing."""

from __future__ import annotations

from bench.lateness import held_up, own, own_most
from bench.watched import LATE


def stall(**seconds: float) -> dict[str, float]:
    return {"late": 0.1, "wall": 0.12, "ran": 0.0, "for_core": 0.0, "asleep": 0.0, **seconds}


def test_what_it_ran_is_its_own() -> None:
    assert own(stall(ran=0.12)) == 0.1


def test_waiting_for_a_core_is_not() -> None:
    assert own(stall(ran=0.01, for_core=0.11)) == 0.01


def test_nor_is_being_woken_late() -> None:
    assert own(stall(asleep=0.12)) == 0


def test_a_disk_that_keeps_it_waiting_is_its_own() -> None:
    found = stall(ran=0.01, asleep=0.02)
    assert held_up(found) == own(found) - 0.01 > 0.08


def test_of_timers_that_were_less_late_nothing_is_known() -> None:
    assert own_most([]) == LATE
