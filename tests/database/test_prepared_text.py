"""SQL with named parameters as text for PREPARE and EXECUTE."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.database.prepared_text import FIRST_REST, ROUNDS, SHORT_REST, SLOW, PreparedText, prepared_text
from keygenreg.database.values import Json


def body(sql: str, **params: object) -> str:
    """What is prepared, without its name."""
    return re.sub(r"^PREPARE \w+", "PREPARE", prepared_text(sql, params).preparation)


def fresh(sql: str) -> str:
    """The text as nobody has used it before."""
    return f"{sql} -- {uuid4()}"


class TestText:
    def test_each_parameter_gets_one_number_and_the_type_of_its_literal(self):
        """Quoted literals stay of unknown type, for the server to infer, as they are in plain statements."""
        sql = "SELECT %(id)s, %(text)s, %(id)s, %(n)s, %(big)s, %(at)s, %(json)s, %(raw)s"
        params = dict(id=uuid4(), text="a", n=1, big=2**40, at=datetime.now(UTC), json=Json([1]), raw=b"")
        types = "uuid, unknown, int4, int8, timestamptz, unknown, bytea"
        assert body(sql, **params) == f"PREPARE ({types}) AS SELECT $1, $2, $1, $3, $4, $5, $6, $7"
        execution = prepared_text(sql, params).execution
        assert execution.endswith("(%(id)s, %(text)s, %(n)s, %(big)s, %(at)s, %(json)s, %(raw)s)")

    def test_lists_have_the_type_of_their_members(self):
        """An empty one is a quoted literal."""
        assert body("SELECT %(a)s", a=["x"]) == "PREPARE (text[]) AS SELECT $1"
        assert body("SELECT %(a)s", a=[uuid4()]) == "PREPARE (uuid[]) AS SELECT $1"
        assert body("SELECT %(a)s", a=[1, 2]) == "PREPARE (int4[]) AS SELECT $1"
        assert body("SELECT %(a)s", a=[]) == "PREPARE (unknown) AS SELECT $1"

    def test_what_decides_a_plan_is_written_in(self):
        """NULL, truth values, the number of rows that are wanted, and the first page's offset."""
        sql = "SELECT %(a)s WHERE %(b)s LIMIT %(most)s OFFSET %(from)s"
        expected = "PREPARE AS SELECT NULL WHERE true LIMIT 11 OFFSET 0"
        assert body(sql, a=None, b=True, most=11, **{"from": 0}) == expected
        assert "(" not in prepared_text(sql, {"a": None, "b": True, "most": 11, "from": 0}).execution

    def test_optional_conditions_are_decided(self):
        """Whether a filter is given is known before the statement is planned."""
        sql = "SELECT 1 WHERE (%(x)s::text IS NULL OR c = %(x)s) AND (%(x)s IS NOT NULL)"
        assert body(sql, x="v") == "PREPARE (unknown) AS SELECT 1 WHERE (false OR c = $1) AND (true)"
        none = "PREPARE AS SELECT 1 WHERE (NULL::text IS NULL OR c = NULL) AND (NULL IS NOT NULL)"
        assert body(sql, x=None) == none

    @pytest.mark.parametrize("sql", ["SELECT a || %(x)s IS NULL", "SELECT (%(x)s IS NULL = b)", "SELECT %(x)s IS NULL"])
    def test_other_tests_for_null_stay(self, sql):
        """A constant may take the place of a test only where nothing else binds to it."""
        assert body(sql, x="v").endswith(sql.replace("%(x)s", "$1"))

    def test_percent_signs_are_single(self):
        """Nothing is interpolated into what is prepared."""
        assert body("SELECT 5 %% %(n)s", n=3) == "PREPARE (int4) AS SELECT 5 % $1"

    @pytest.mark.parametrize("value", [object(), [1, "a"], [None], [[1]], 2**70, float("nan"), [2**40]])
    def test_values_of_unknown_type_are_not_prepared(self, value):
        """They are sent in the plain way."""
        assert prepared_text("SELECT %(x)s", {"x": value}) is None

    def test_missing_parameters_and_far_offsets_are_not_prepared(self):
        """The plain way tells of the first; the second is planned for its number."""
        assert prepared_text("SELECT %(x)s", {}) is None
        assert prepared_text("SELECT 1 OFFSET %(x)s", {"x": 10}) is None

    def test_names_follow_from_the_text(self):
        """Equal statements have equal names, others have other ones, and names are short enough for PostgreSQL."""
        first, again = (prepared_text("SELECT %(x)s", {"x": value}) for value in ("a", "b"))
        assert first is again
        others = {prepared_text(sql, {"x": 1}).name for sql in ("SELECT %(x)s", "SELECT %(x)s ")}
        assert len({first.name, *others}) == 3
        assert len(first.name) < 64

    @given(st.text(), st.dictionaries(st.from_regex(r"\A[a-z]{1,3}\Z"), st.none() | st.booleans() | st.text()))
    def test_any_text_is_read(self, sql, params):
        """However strange a statement is, the server judges it; the arguments are those that it numbers."""
        sql = sql + "".join(f" %({name})s" for name in params)
        text = prepared_text(sql, params)
        if text is not None:
            numbered = {int(number) for number in re.findall(r" \$(\d+)", text.preparation.rpartition(" AS ")[2])}
            arguments = re.findall(r"%\((\w+)\)s", text.execution)
            assert len(set(arguments)) == len(arguments)
            assert numbered <= set(range(1, len(arguments) + 1)) or "$" in sql


class TestWorth:
    def test_a_statement_is_prepared_when_it_is_needed_again(self):
        """What is asked once costs the server no memory."""
        text = prepared_text(fresh("SELECT 1"), {})
        assert [text.is_wanted(0), text.is_wanted(0)] == [False, True]

    def slow(self, text: PreparedText, now: float, plain: float) -> None:
        """Executions that take long, and plain ones that take so many times as long."""
        for _ in range(ROUNDS):
            assert text.is_wanted(now)
            text.took(SLOW * 2, now, plain=False)
        for _ in range(ROUNDS):
            assert not text.is_wanted(now)
            text.took(SLOW * 2 * plain, now, plain=True)

    def test_one_that_is_faster_plain_rests_longer_and_longer(self):
        """Its plan does not fit: afterwards it is made anew."""
        text = prepared_text(fresh("SELECT 1"), {})
        text.is_wanted(0)
        for now, rest in ((0, FIRST_REST), (1000, FIRST_REST * 2)):
            edition = text.edition
            self.slow(text, now, plain=0.1)
            assert not text.is_wanted(now + rest - 1)
            assert text.is_wanted(now + rest)
            assert text.edition == edition + 1

    def test_one_that_takes_long_either_way_stays(self):
        """A busy process is no reason to plan more, and the comparison is not repeated at once."""
        text = prepared_text(fresh("SELECT 1"), {})
        text.is_wanted(0)
        self.slow(text, 0, plain=1.0)
        for _ in range(ROUNDS * 2):
            assert text.is_wanted(0)
            text.took(SLOW * 2, FIRST_REST / 2, plain=False)
        text.took(SLOW * 2, FIRST_REST, plain=False)
        assert not text.is_wanted(FIRST_REST)
        assert text.edition == 0

    def test_slow_ones_among_fast_ones_say_nothing(self):
        """Other values of the same statement may need more time."""
        text = prepared_text(fresh("SELECT 1"), {})
        text.is_wanted(0)
        for _ in range(ROUNDS):
            text.took(SLOW * 2, 0, plain=False)
            assert text.is_wanted(0)
            text.took(SLOW / 2, 0, plain=False)
        assert text.is_wanted(0)

    def test_an_outdated_one_rests_for_a_moment(self):
        """So that a transaction which is run again does not meet it again."""
        text = prepared_text(fresh("SELECT 1"), {})
        text.is_wanted(0)
        text.outdate(10)
        assert not text.is_wanted(10 + SHORT_REST / 2)
        assert text.is_wanted(10 + SHORT_REST)
