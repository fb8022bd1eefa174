"""Times as clients send them and as we show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keygenreg.formats.timestamps import api_time, dump_time, http_date, parse_time, rfc3339

MOMENT = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
OFFSETS = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31), timezones=OFFSETS)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2031-05-06T07:08:09.123456Z", MOMENT),
        ("2031-05-06t07:08:09.123456z", MOMENT),
        ("2031-05-06T09:08:09.123456+02:00", MOMENT),
        ("2031-05-06 07:08:09.1234569", MOMENT),
        ("2031-05-06", datetime(2031, 5, 6, tzinfo=UTC)),
        ("20310506T070809Z", datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_936_000_000, datetime.fromtimestamp(1_936_000_000, UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_reads_what_clients_send(value, expected):
    assert parse_time(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "tomorrow",
        "2031-13-01",
        "12:00",
        True,
        1.5,
        None,
        [],
        10**30,
        -(10**30),
        "9999-12-31T23:59:59-23:00",
        "0001-01-01T00:00:00+23:00",
        "2031-05-06T07:08:09Zjunk",
        "٢٠٣١-05-06",
    ],
)
def test_refuses_what_is_no_time(value):
    with pytest.raises(ValueError):
        parse_time(value)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.text("0123456789-:TZ+. W", max_size=30)))
@example("2031-05-06T24:00:00Z")
def test_any_input_is_a_time_or_a_value_error(value):
    try:
        moment = parse_time(value)
    except ValueError:
        return
    assert moment.utcoffset() == timedelta(0)


@given(MOMENTS)
def test_dump_form_keeps_every_microsecond(moment):
    """What an export writes, an import reads back unchanged."""
    assert parse_time(dump_time(moment)) == moment
    assert parse_time(rfc3339(moment)) == moment


@given(MOMENTS)
def test_api_form_cuts_to_the_millisecond(moment):
    shown = api_time(moment)
    assert len(shown) == 24
    assert timedelta(0) <= moment - parse_time(shown) < timedelta(milliseconds=1)


@given(MOMENTS)
def test_http_date_reads_back_with_an_independent_parser(moment):
    shown = http_date(moment)
    if moment.astimezone(UTC).year >= 1000:  # the standard library guesses centuries for small years
        assert parsedate_to_datetime(shown) == moment.replace(microsecond=0)


def test_the_forms_of_one_moment():
    assert api_time(MOMENT) == "2031-05-06T07:08:09.123Z"
    assert dump_time(MOMENT) == "2031-05-06T07:08:09.123456Z"
    assert dump_time(MOMENT.replace(microsecond=0)) == "2031-05-06T07:08:09.000000Z"
    assert rfc3339(MOMENT.replace(microsecond=500000)) == "2031-05-06T07:08:09.5Z"
    assert rfc3339(MOMENT.replace(microsecond=0)) == "2031-05-06T07:08:09Z"
    assert http_date(MOMENT) == "Tue, 06 May 2031 07:08:09 GMT"


@pytest.mark.parametrize("form", [api_time, dump_time, rfc3339, http_date])
def test_a_naive_datetime_is_refused(form):
    with pytest.raises(ValueError):
        form(datetime(2031, 5, 6))
