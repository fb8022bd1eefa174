"""What ``bench/run`` makes of its measurements: ratios, what must hold, and the document."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.figures import Case, Check, Section, Table, find, interleave, ratio, short
from bench.load import percentile
from bench.registry import most_late
from bench.report import BEGIN, END, rewrite


def case(server: str, *rates: float) -> Case:
    return Case(server, "a page", dict, [{"rate": rate} for rate in rates])


class TestRounds:
    def test_every_round_asks_every_server_once(self) -> None:
        asked = []
        cases = [
            Case(name, "a page", lambda name=name: {"rate": float(len(asked.append(name) or asked))})
            for name in ("ours", "theirs")
        ]
        interleave(cases, 3)
        assert asked == ["ours", "theirs"] * 3
        assert [one["rate"] for one in cases[1].rounds] == [2, 4, 6]

    def test_ratios_are_those_within_a_round(self) -> None:
        """A slow hour slows both: the medians of each alone would say something else."""
        ours, theirs = case("ours", 10, 200, 30), case("theirs", 5, 100, 60)
        assert ours.to(theirs) == 2
        assert ratio(ours, [ours, theirs], "theirs") == "2.00"

    def test_no_ratio_to_whoever_was_not_measured(self) -> None:
        ours = case("ours", 10)
        assert ratio(ours, [ours], "theirs") == ""
        assert ratio(ours, [ours], "ours") == ""
        assert find([ours], "ours", "another page") is None


class TestChecks:
    @pytest.mark.parametrize(
        ("measured", "at_most", "holds"), [(3, False, True), (2, False, False), (2, True, True), (3.1, True, False)]
    )
    def test_holds(self, measured: float, at_most: bool, holds: bool) -> None:
        assert Check("a figure", measured, 3, at_most).holds is holds

    def test_a_figure_that_does_not_hold_stands_out(self) -> None:
        assert Check("growth", 20, 16, at_most=True, unit=" MiB").row() == [
            "growth", "at most 16 MiB", "20.0 MiB", "**no**",
        ]  # fmt: skip


class TestReactorLag:
    def test_least_bound_that_none_was_above(self) -> None:
        assert most_late({0.0: 100, 0.001: 7, 0.005: 0, 0.05: 0, float("inf"): 0}) == 0.005

    def test_unknown_is_no_good_news(self) -> None:
        assert most_late({}) == float("inf")


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([3, 1, 2], 50) == 2
    assert percentile(range(100), 99) == 99
    assert percentile([], 99) == 0


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (123456.7, "123,457"), (12.34, "12.3"), (1.234, "1.23"), (0.0123, "0.012")]
)
def test_figures_have_as_many_digits_as_say_something(value: float, text: str) -> None:
    assert short(value) == text


class TestDocument:
    def document(self, folder: Path, inside: str = "") -> Path:
        path = folder / "performance.md"
        path.write_text(f"# Before\n\n{BEGIN}\n{inside}{END}\n\nAfter.\n")
        return path

    def test_figures_come_between_the_marks(self, tmp_path: Path) -> None:
        path = self.document(tmp_path)
        section = Section("Pages", "How.", [Table(["What", "rate"], [["a page", "3"]])])
        rewrite(path, {"pages": section.markdown()}, ["pages"])
        text = path.read_text()
        assert text.startswith("# Before\n") and text.endswith("\n\nAfter.\n")
        assert "### Pages\n\nHow.\n\n| What | rate |\n| --- | ---: |\n| a page | 3 |\n" in text

    def test_a_part_replaces_its_own_figures_only(self, tmp_path: Path) -> None:
        path = self.document(tmp_path)
        rewrite(path, {"second": "old two", "first": "old one"}, ["first", "second"])
        rewrite(path, {"second": "new two"}, ["first", "second"])
        text = path.read_text()
        assert "old one" in text and "new two" in text and "old two" not in text
        assert text.index("old one") < text.index("new two")

    def test_again_changes_nothing(self, tmp_path: Path) -> None:
        path = self.document(tmp_path)
        rewrite(path, {"first": "one"}, ["first"])
        before = path.read_text()
        rewrite(path, {}, ["first"])
        assert path.read_text() == before

    def test_a_document_without_marks_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "other.md"
        path.write_text("# Other\n")
        with pytest.raises(ValueError, match="no lines"):
            rewrite(path, {"first": "one"}, ["first"])
        assert path.read_text() == "# Other\n"
