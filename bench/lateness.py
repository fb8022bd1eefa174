"""How late the daemon's timers were over a whole run: by its own metric, and why by :mod:`bench.watched`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.figures import Check, Section, Table, short
from bench.registry import Registry, most_late
from bench.watched import LATE

BOUND = 0.05
_MOST_ROWS = 12


def reactor_section(registry: Registry) -> Section:
    """What the daemon and the watcher in it say of its reactor, over all parts."""
    late = registry.late()
    buckets = [[f"{bound * 1e3:g}", f"{samples:.0f}"] for bound, samples in sorted(late.items()) if samples]
    stalls = sorted(registry.stalls(), key=own, reverse=True)
    most = most_late(late)
    return Section(
        "Reactor",
        "How late timers of the daemon ran in the whole run. First by its own metric, twice a second, which has "
        "buckets. Then by a watcher in the same process, that looks fifty times a second and reads the kernel's "
        f"accounts of the reactor's thread whenever a timer was more than {LATE * 1e3:.0f} ms late: how long it ran; "
        "how long it was ready to run while something else had its core, where PostgreSQL is too; how long it was "
        "held up otherwise, by a disk or another thread; what is left it slept, and was woken late. A stall that is "
        "the daemon's own is what it ran and was held up. Starts are left out.",
        [Table(["Timers later than, ms", "of all"], buckets), _table(stalls)],
        [
            Check("stall of the reactor by the daemon's own doing, at most", own_most(stalls) * 1e3, BOUND * 1e3,
                  at_most=True, unit=" ms"),
            Check("lag by the metric, waits for its core included, at most", most * 1e3, BOUND * 1e3, at_most=True,
                  unit=" ms"),
        ],
    )  # fmt: skip


def own(stall: Mapping[str, float]) -> float:
    """Seconds of a timer's lateness in which the reactor's thread neither waited for a core nor slept."""
    return min(stall["late"], stall["ran"] + held_up(stall))


def held_up(stall: Mapping[str, float]) -> float:
    """Seconds in which it did not run, though it was not asleep and had not to wait for a core."""
    return max(0.0, stall["wall"] - stall["asleep"] - stall["ran"] - stall["for_core"])


def own_most(stalls: Sequence[Mapping[str, float]]) -> float:
    """At most what the watcher does not write down, where it wrote nothing."""
    return max(map(own, stalls), default=LATE)


def _table(stalls: Sequence[Mapping[str, float]]) -> Table:
    columns = ["The longest stalls: late, ms", "thread ran", "waited for its core", "held up",
               "of the run: garbage", "own stall, ms"]  # fmt: skip
    rows = []
    for stall in stalls[:_MOST_ROWS]:
        figures = (stall["late"], stall["ran"], stall["for_core"], held_up(stall), stall["garbage"], own(stall))
        rows.append([short(each * 1e3) for each in figures])
    return Table(columns, rows)
