"""Content types of requests and of stored files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.formats.media_types import MediaType, by_filename, is_json_request, parse_media_type, storable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text/html", MediaType("text/html")),
        (" Text/HTML ; Charset=UTF-8", MediaType("text/html", (("charset", "UTF-8"),))),
        ('a/b; x="1;2\\"3"; y=z;', MediaType("a/b", (("x", '1;2"3'), ("y", "z")))),
    ],
)
def test_reading(text, expected):
    assert parse_media_type(text) == expected
    assert parse_media_type(text).parameter("nothing") is None


@pytest.mark.parametrize(
    "text", ["", "text", "/", "a/", "a/b/c", "a/b c", "a/b; x", "a/b; x=", "a/b\n", "ä/b", "a/" + "b" * 1025]
)
def test_refusing(text):
    with pytest.raises(ValueError):
        parse_media_type(text)


@given(st.one_of(st.text(), st.text('ab/;="\\ \t,')))
def test_any_text_is_a_media_type_or_a_value_error(text):
    try:
        parse_media_type(text)
    except ValueError:
        assert storable(text) is None
    is_json_request(text)
    by_filename(text)


@given(st.text())
def test_a_stored_type_cannot_break_a_header(text):
    kept = storable(f'application/x; p="{text}"')
    assert kept is None or (kept.isprintable() and kept.isascii())


@pytest.mark.parametrize(
    ("content_type", "json"),
    [
        (None, True),
        ("", True),
        ("application/vnd.api+json", True),
        ("application/json; charset=utf-8", True),
        ("text/plain", True),
        ("application/x-www-form-urlencoded", True),
        ("image/png", False),
        ("nonsense", False),
    ],
)
def test_which_bodies_are_read_as_json(content_type, json):
    assert is_json_request(content_type) is json


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("kestrel-1.0.tar.gz", "application/gzip"),
        ("A.ZIP", "application/zip"),
        ("kestrel", "application/octet-stream"),
        ("latest.yml", "application/yaml"),
        ("", "application/octet-stream"),
    ],
)
def test_types_of_stored_files(filename, content_type):
    assert by_filename(filename) == content_type
