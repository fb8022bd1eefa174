"""Content negotiation as clients use it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from keygenreg.domain.failures import BadRequest
from keygenreg.formats.accept import accepts, best_match, joined, json_answer, parse_accept, require_api_accept
from keygenreg.formats.media_types import JSON, JSON_API

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
SIMPLE_HTML = "application/vnd.pypi.simple.v1+html"
SIMPLE = [SIMPLE_JSON, SIMPLE_HTML, "text/html"]
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        (None, SIMPLE_JSON),
        ("", SIMPLE_JSON),
        ("*/*", SIMPLE_JSON),
        ("*", SIMPLE_JSON),
        (f"{SIMPLE_JSON}, {SIMPLE_HTML}; q=0.1, text/html; q=0.01", SIMPLE_JSON),
        (f"{SIMPLE_JSON}, {SIMPLE_HTML};q=0.2, text/html;q=0.01", SIMPLE_JSON),
        (f"{SIMPLE_JSON}, */*;q=0.1", SIMPLE_JSON),
        ("text/html", "text/html"),
        (BROWSER, "text/html"),
        (f"{SIMPLE_JSON};q=0.1, text/html", "text/html"),
        ("text/*", "text/html"),
        ("TEXT/HTML", "text/html"),
        ("text/html;charset=utf-8", "text/html"),
        (f"{SIMPLE_JSON};q=0, */*", SIMPLE_HTML),
        (f"*/*;q=0, {SIMPLE_HTML};q=0.001", SIMPLE_HTML),
        ("image/png", None),
        ("*/*;q=0", None),
        ("text/html;q=0", None),
        ("text/html;level=1", None),
        ("text/html;q=banana", "text/html"),
        ("text/html;q=9, */*;q=1", "text/html"),
        (",,;q=1,/,text/,/html,*/html", None),
        ('text/plain;x="a,b;q=0", text/html', "text/html"),
        ('text/plain;x="unclosed, text/html', None),
    ],
)
def test_which_page_of_an_index_is_sent(header, answer):
    assert best_match(header, SIMPLE) == answer


def test_several_header_lines_count_as_one():
    assert best_match(joined(["image/png", "text/html"]), SIMPLE) == "text/html"
    assert joined([]) is None


def test_parameters_of_an_offer_count():
    offered = ["text/html;level=2", "text/html;level=1"]
    assert best_match("text/html;level=1", offered) == "text/html;level=1"
    assert best_match("text/html;level=1;q=0.1, text/html;q=0.5", offered) == "text/html;level=2"


@given(st.one_of(st.text(), st.text('*/;,q=0.1" \\tex', max_size=80)))
def test_any_header_is_understood_somehow(header):
    for media_range in parse_accept(header):
        assert 0 <= media_range.quality <= 1
    assert best_match(header, SIMPLE) in [*SIMPLE, None]
    assert json_answer(header) in (JSON, JSON_API)


TYPES = st.sampled_from(["text/html", "text/plain", "application/json", "text/*", "application/*", "*/*"])
WEIGHTS = st.sampled_from(["", ";q=0", ";q=0.2", "; q=0.7", ";q=1", ";q=1.000"])


@given(st.lists(st.tuples(TYPES, WEIGHTS), min_size=1, max_size=5, unique_by=lambda pair: pair[0]))
def test_agrees_with_an_independent_implementation(ranges):
    header = ", ".join(kind + weight for kind, weight in ranges)
    theirs = parse_accept_header(header, MIMEAccept)
    for offer in ("text/html", "application/json", "image/png"):
        assert accepts(header, offer) == (theirs[offer] > 0)


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        (None, JSON_API),
        ("*/*", JSON_API),
        ("application/octet-stream", JSON_API),
        (JSON, JSON),
        (f"{JSON}, {JSON_API}", JSON),
        (f"{JSON_API}, {JSON}", JSON_API),
        (f"{JSON}; q=0.9, {JSON_API}; q=0.1", JSON),
        (f"{JSON}; q=0.1, {JSON_API}", JSON_API),
        (f"{JSON}, text/plain, */*", JSON),
        (f"{JSON};q=0, */*", JSON_API),
        ("application/vnd.keygen+json", JSON_API),
        ("text/html", JSON_API),
    ],
)
def test_json_or_json_api(header, answer):
    assert json_answer(header) == answer


def test_engines_that_speak_json_have_another_default():
    assert json_answer("*/*", default=JSON) == JSON
    assert json_answer(JSON_API, default=JSON) == JSON_API


@pytest.mark.parametrize(
    "header", [None, "", "*/*", "*", JSON_API, JSON, "application/octet-stream", f"text/html, {JSON}; q=0.9", BROWSER]
)
def test_what_the_api_takes(header):
    require_api_accept(header)


@pytest.mark.parametrize("header", ["text/html", "text/html, image/*", f"{JSON};q=0"])
def test_what_the_api_refuses(header):
    with pytest.raises(BadRequest) as caught:
        require_api_accept(header)
    assert caught.value.code == "MIME_TYPE_INVALID"
