"""Which representation real clients get."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.failures import NotAcceptable
from keygenreg.engines.pypi.negotiation import Representation, choose_representation

HTML, HTML_V1, JSON_V1 = Representation.HTML, Representation.HTML_V1, Representation.JSON_V1
FAMILY = "application/vnd.pypi.simple"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param(None, HTML, id="no header"),
        pytest.param("", HTML, id="empty header"),
        pytest.param("*/*", HTML, id="curl"),
        pytest.param("*", HTML, id="bare star"),
        pytest.param("text/html", HTML, id="pip before 22.2"),
        pytest.param(f"{FAMILY}.v1+json, {FAMILY}.v1+html; q=0.1, text/html; q=0.01", JSON_V1, id="pip 26"),
        pytest.param(f"{FAMILY}.v1+json, {FAMILY}.v1+html;q=0.2, text/html;q=0.01", JSON_V1, id="uv"),
        pytest.param(f"{FAMILY}.v1+json, */*;q=0.1", JSON_V1, id="poetry"),
        pytest.param(f"{FAMILY}.v1+json, {FAMILY}.v1+html; q=0.02, text/html; q=0.01", JSON_V1, id="mousebender"),
        pytest.param(f"{FAMILY}.v1+html, text/html;q=0.01", HTML_V1, id="mousebender html"),
        pytest.param(
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", HTML, id="a browser"
        ),
        pytest.param(f"{FAMILY}.latest+json", JSON_V1, id="latest json is answered with its version"),
        pytest.param(f"{FAMILY}.latest+html", HTML_V1, id="latest html is answered with its version"),
        pytest.param(f"{FAMILY}.v1+json;q=0.1, {FAMILY}.v1+html", HTML_V1, id="the liked one wins"),
        pytest.param(f"{FAMILY}.v1+json;q=0, */*", HTML, id="refused json"),
        pytest.param("text/html;q=0, */*", JSON_V1, id="refused html"),
        pytest.param("application/*", JSON_V1, id="any application type"),
        pytest.param(f"{FAMILY}.V1+JSON".upper(), JSON_V1, id="any case"),
        pytest.param(f"{FAMILY}.v2+json, text/html;q=0.1", HTML, id="unknown version with fallback"),
        pytest.param("application/json", HTML, id="an unknown type"),
        pytest.param("image/png", HTML, id="another unknown type"),
        pytest.param(f"{FAMILY}.v2+json, image/png", HTML, id="unknown version and unknown type"),
        pytest.param("not a header; ;;q=,,", HTML, id="nonsense"),
    ],
)
def test_accept(accept, expected):
    assert choose_representation(accept, None) is expected


@pytest.mark.parametrize(
    "accept",
    [
        f"{FAMILY}.v2+json",
        f"{FAMILY}.v2+json, {FAMILY}.v3+html",
        "text/html;q=0",
        "*/*;q=0",
        "image/png;q=0",
        "text/*;q=0, image/png",
        f"{FAMILY}.v1+json;q=0.0",
    ],
)
def test_nothing_acceptable(accept):
    """406 is for clients that have ruled out everything, or want a version that does not exist."""
    with pytest.raises(NotAcceptable):
        choose_representation(accept, None)


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (f"{FAMILY}.v1+json", JSON_V1),
        (f"{FAMILY}.v1 json", JSON_V1),
        (f"{FAMILY}.latest+html", HTML_V1),
        ("text/html", HTML),
    ],
)
def test_format_parameter_wins(parameter, expected):
    """Also with its plus sign unescaped, as people type it."""
    assert choose_representation("text/html;q=0", parameter) is expected


@pytest.mark.parametrize("parameter", ["", "json", f"{FAMILY}.v2+json", "*/*", "text/html;q=1"])
def test_unknown_format_parameter(parameter):
    with pytest.raises(NotAcceptable):
        choose_representation("*/*", parameter)


@given(st.text() | st.lists(st.sampled_from(["*", "/", ";q=", "0", "text/html", ",", FAMILY, ".v1+json"])).map("".join))
def test_any_header_is_answered_or_not_acceptable(accept):
    """Nothing else comes out, whatever a client sends."""
    with contextlib.suppress(NotAcceptable):
        assert choose_representation(accept, None) in Representation


def test_types_are_what_strict_clients_compare_with():
    """No charset on the versioned types: some clients compare the whole header."""
    assert [form.content_type for form in Representation] == [
        "text/html; charset=utf-8",
        f"{FAMILY}.v1+html",
        f"{FAMILY}.v1+json",
    ]
