"""Interleaved measurements, ratios of the same round, and the sections that reports are made of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from math import isinf
from statistics import median

from attrs import define, field, frozen

Figures = Mapping[str, float]


class Skipped(Exception):
    """A part cannot be measured here; the message says why."""


@define(eq=False)
class Case:
    """One line of a table: a server, what is asked of it, and its figures of each round."""

    server: str
    what: str
    measure: Callable[[], Figures]
    rounds: list[Figures] = field(factory=list)

    def of(self, name: str) -> float:
        """The median of the rounds."""
        return median(each[name] for each in self.rounds)

    def most(self, name: str) -> float:
        return max(each[name] for each in self.rounds)

    def to(self, other: Case, name: str = "rate") -> float:
        """The ratio to another case: the median of those within each round."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return median(ours[name] / theirs[name] if theirs[name] else float("inf") for ours, theirs in pairs)


def interleave(cases: Sequence[Case], rounds: int, *, back_and_forth: bool = False) -> None:
    """
    Measure each case once in every round, one after the other.

    :param back_and_forth: every second round goes from the last case to the first, so that what changes slowly on the
        machine, and what one leaves to the next, meets all alike.
    """
    for number in range(rounds):
        for case in reversed(cases) if back_and_forth and number % 2 else cases:
            progress(f"round {number + 1}/{rounds}: {case.server}, {case.what}")
            case.rounds.append(case.measure())


def progress(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


@frozen
class Table:
    """A table in Markdown: the first ``words`` columns are text, the others are figures."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1

    def markdown(self) -> str:
        rule = ["---"] * self.words + ["---:"] * (len(self.columns) - self.words)
        lines = [self.columns, rule, *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@frozen
class Check:
    """One figure that must hold: ``limit`` is a least value, or with ``at_most`` a largest one."""

    what: str
    measured: float
    limit: float
    at_most: bool = False
    unit: str = ""

    @property
    def holds(self) -> bool:
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit

    def row(self) -> list[str]:
        bound = "at most" if self.at_most else "at least"
        return [
            self.what, f"{bound} {self.limit:g}{self.unit}", f"{short(self.measured)}{self.unit}",
            "yes" if self.holds else "**no**",
        ]  # fmt: skip


@frozen
class Section:
    """What a part found out. ``text`` says how; ``cases`` go into the JSON."""

    title: str
    text: str
    tables: Sequence[Table] = ()
    checks: Sequence[Check] = ()
    cases: Sequence[Case] = ()
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        parts = [f"### {self.title}", self.text, *(table.markdown() for table in self.tables)]
        if self.checks:
            rows = [check.row() for check in self.checks]
            parts.append(Table(["Must hold", "required", "measured", "holds"], rows).markdown())
        parts += self.notes
        return "\n\n".join(parts)

    def data(self) -> dict[str, object]:
        return {
            "title": self.title,
            "cases": [
                {"server": case.server, "what": case.what, "rounds": [dict(one) for one in case.rounds]}
                for case in self.cases
            ],
            "checks": [
                {"what": one.what, "measured": one.measured, "limit": one.limit, "at_most": one.at_most,
                 "holds": one.holds}
                for one in self.checks
            ],
        }  # fmt: skip


def find(cases: Sequence[Case], server: str, what: str) -> Case | None:
    return next((case for case in cases if case.server == server and case.what == what), None)


def ratio(case: Case, cases: Sequence[Case], server: str, name: str = "rate", what: str | None = None) -> str:
    """The ratio to another server's answer to the same (or to ``what``), as text; empty if it was not measured."""
    other = find(cases, server, what or case.what)
    return "" if other is None or other is case else short(case.to(other, name))


def short(value: float) -> str:
    """As many digits as say something."""
    if value == 0 or isinf(value):
        return "0" if value == 0 else "∞"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
