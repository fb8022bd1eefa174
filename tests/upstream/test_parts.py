"""Parts of files: only the one that was asked for, of the file that was meant, is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.upstream.failures import Unranged
from keygenreg.upstream.parts import read_head, strong_etag

SPAN = range(900, 1000)
RIGHT = {"content-range": "bytes 900-999/1000"}


def judged(status: int = 206, fields=RIGHT, length: int | None = 100, size: int | None = 1000, etag: str | None = None):
    return read_head(status, fields, length, span=SPAN, size=size, etag=etag)


def test_the_right_part_is_taken():
    assert judged().total == 1000
    assert judged(length=None).total == 1000


def test_without_a_known_size_the_answer_tells_it():
    assert judged(fields={"content-range": "bytes 900-999/5000"}, size=None).total == 5000


@pytest.mark.parametrize("status", [200, 204, 304, 416])
def test_other_statuses_are_no_part(status: int):
    with pytest.raises(Unranged):
        judged(status)


@pytest.mark.parametrize(
    "stated",
    [
        "",
        "bytes 900-999",
        "bytes 900-999/*",
        "bytes */1000",
        "bytes 900-998/1000",
        "bytes 899-999/1000",
        "bytes 0-99/1000",
        "bytes 900-999/1001",
        "bytes 900-999/999",
        "items 900-999/1000",
        "bytes 900-999/1000, bytes 0-1/1000",
        "bytes ٩٠٠-999/1000",
    ],
)
def test_another_part_is_refused(stated: str):
    with pytest.raises(Unranged):
        judged(fields={"content-range": stated})


def test_a_body_of_another_length_is_refused():
    with pytest.raises(Unranged):
        judged(length=99)


def test_several_parts_in_one_are_refused():
    with pytest.raises(Unranged):
        judged(fields={"content-type": "multipart/byteranges; boundary=x"})


def test_a_file_that_has_changed_between_two_parts_is_noticed():
    tagged = RIGHT | {"etag": '"one"'}
    assert judged(fields=tagged, etag='"one"').etag == '"one"'
    for other in (RIGHT, RIGHT | {"etag": '"two"'}, RIGHT | {"etag": 'W/"one"'}):
        with pytest.raises(Unranged):
            judged(fields=other, etag='"one"')


@pytest.mark.parametrize("text", [None, "", "abc", 'W/"abc"', '"a', "*"])
def test_what_is_no_strong_tag(text: str | None):
    assert strong_etag(text) is None


@given(st.integers(100, 599), st.text(), st.none() | st.integers(0, 10**20), st.none() | st.text())
def test_any_head_is_taken_or_refused(status: int, stated: str, length: int | None, etag: str | None):
    try:
        head = judged(status, {"content-range": stated, "etag": etag or ""}, length, size=None)
    except Unranged:
        return
    assert status == 206 and head.total > SPAN.stop - 1 and length in (None, 100)


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(0, 10**9))
def test_every_right_head_is_taken(start: int, count: int, more: int):
    total = start + count + more
    fields = {"content-range": f"bytes {start}-{start + count - 1}/{total}"}
    head = read_head(206, fields, count, span=range(start, start + count), size=total, etag=None)
    assert head.total == total
