"""The Range header against an independent reading of RFC 9110, section 14."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.formats.byte_range import Unsatisfiable, content_range, parse_ranges, unsatisfied_content_range

SIZES = st.integers(0, 60)
NUMBERS = st.integers(0, 80)
SPECS = st.one_of(
    st.builds("{}-{}".format, NUMBERS, NUMBERS),
    st.builds("{}-".format, NUMBERS),
    st.builds("-{}".format, NUMBERS),
)


def selected(spec: str, size: int) -> list[int] | None:
    """The offsets that one specification selects, byte by byte; None when it is no valid one."""
    first, _, last = spec.partition("-")
    if not first:
        return [offset for offset in range(size) if offset >= size - int(last)]
    if last and int(last) < int(first):
        return None
    return [offset for offset in range(size) if int(first) <= offset and (not last or offset <= int(last))]


@given(SPECS, SIZES)
def test_one_span_selects_the_bytes_that_the_specification_says(spec, size):
    expected = selected(spec, size)
    try:
        spans = parse_ranges(f"bytes={spec}", size)
    except Unsatisfiable:
        assert expected == []
    else:
        assert (None if spans is None else [list(span) for span in spans]) == (None if expected is None else [expected])


@given(st.lists(SPECS, min_size=1, max_size=8), SIZES)
def test_several_spans_keep_their_order_and_leave_out_what_lies_beyond(specs, size):
    expected = [selected(spec, size) for spec in specs]
    try:
        spans = parse_ranges("bytes=" + " ,\t".join(specs), size)
    except Unsatisfiable:
        assert expected == [[]] * len(specs)
        return
    if spans is None:
        offsets = [offset for part in expected for offset in part or ()]
        assert None in expected or len(offsets) > len(set(offsets))
    else:
        assert [list(span) for span in spans] == [part for part in expected if part]


@given(st.text(), SIZES)
def test_any_text_is_read_ignored_or_unsatisfiable(header, size):
    """No header makes anything but the documented error, and no span is empty or leaves the blob."""
    for text in (header, "bytes=" + header):
        try:
            spans = parse_ranges(text, size)
        except Unsatisfiable:
            continue
        for span in spans or ():
            assert 0 <= span.start < span.stop <= size


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=1", "bytes=1-2-3", "bytes=5-4", "bytes=+1-2"]
    + ["bytes= 1 - 2", "items=0-1", "bytes 0-1", "bytes=0-1,x", "bytes=" + "9" * 40 + "-", "bytes=٣-٤", "bytes=0-1;"],
)
def test_what_is_no_byte_range_is_ignored(header):
    assert parse_ranges(header, 100) is None


@pytest.mark.parametrize("header", ["BYTES=0-1", " bytes =0-1", "bytes=0-1,", "bytes=,0-1", "bytes= 0-1 "])
def test_case_spaces_and_empty_list_items_do_not_matter(header):
    assert parse_ranges(header, 100) == [range(0, 2)]


def test_too_many_spans_are_ignored():
    """A request for every second byte gets the whole blob instead of thousands of parts."""
    header = "bytes=" + ",".join(f"{offset}-{offset}" for offset in range(0, 40, 2))
    assert parse_ranges(header, 100) is None
    assert len(parse_ranges(header, 100, max_ranges=20)) == 20


def test_the_same_bytes_over_and_over_are_ignored():
    """A small request cannot ask for many times the blob."""
    assert parse_ranges("bytes=0-,0-,0-,0-", 100) is None
    assert parse_ranges("bytes=0-9,5-14", 100) == [range(0, 10), range(5, 15)]


def test_content_range_counts_inclusively():
    assert content_range(range(0, 500), 1234) == "bytes 0-499/1234"
    assert unsatisfied_content_range(1234) == "bytes */1234"
