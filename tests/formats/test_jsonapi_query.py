"""Query strings, decoded once."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.failures import BadRequest
from keygenreg.formats.jsonapi_query import MAX_PARAMETERS, QueryParameters

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NAMES = st.text(st.characters(exclude_characters="\0[]", exclude_categories=["Cs"]), min_size=1)


def parse(raw: bytes) -> QueryParameters:
    return QueryParameters.parse(raw)


def test_shapes():
    query = parse(b"a=1&a=2&page[size]=3&page%5Bnumber%5D=4&codes[]=X&codes%5B%5D=Y&empty=&bare&m[a][b]=5")
    assert query.text("a") == "2"
    assert query.members("page") == {"size": "3", "number": "4"}
    assert query.many("codes") == ("X", "Y")
    assert query.text("empty") == query.text("bare") == ""
    assert query.members("m") == {}
    assert [query.kind(n) for n in ("a", "codes", "page", "m", "nothing")] == [
        "text",
        "array",
        "object",
        "object",
        None,
    ]
    assert "m" in query and "nothing" not in query
    assert query.text("nothing") is None and query.many("nothing") == ()
    assert query.many("a") == ("2",)


def test_an_object_where_text_belongs_is_ignored_or_refused():
    query = parse(b"version[]=1&arch[x]=2")
    assert query.text("version") is None
    with pytest.raises(BadRequest, match="received array") as caught:
        query.strict_text("version")
    assert caught.value.source.parameter == "version"
    with pytest.raises(BadRequest, match="received object"):
        query.strict_text("arch")
    assert query.strict_text("absent") is None


def test_decoding_happens_once():
    assert parse(b"a=%2541+%2B").text("a") == "%41 +"


@pytest.mark.parametrize("raw", [b"a=%FF", b"%C3=1", b"a=%00", b"a\0=1", b"a=\xff"])
def test_bad_encoding(raw):
    with pytest.raises(BadRequest) as caught:
        parse(raw)
    assert caught.value.code == "ENCODING_INVALID"


@pytest.mark.parametrize(
    "raw",
    [
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"%=1",
        b"a=1&a[]=2",
        b"a[b]=1&a=2",
        b"&".join([b"a=1"] * (MAX_PARAMETERS + 1)),
        b"a" * 70000,
    ],
)
def test_bad_parameters(raw):
    with pytest.raises(BadRequest) as caught:
        parse(raw)
    assert caught.value.code == "PARAMETERS_INVALID"


@given(st.binary())
def test_any_bytes_are_parameters_or_a_bad_request(raw):
    try:
        query = parse(raw)
    except BadRequest as failure:
        assert failure.code in ("ENCODING_INVALID", "PARAMETERS_INVALID")
    else:
        for name, _ in query.pairs:
            query.text(name), query.many(name), query.members(name), query.kind(name)


@given(st.dictionaries(NAMES, TEXT))
def test_encoding_is_undone_by_parsing(values):
    query = QueryParameters(tuple(values.items()))
    assert parse(query.encode().encode()) == query
    assert all(query.text(name) == value for name, value in values.items())


@given(st.lists(st.tuples(NAMES, TEXT)))
def test_agrees_with_an_independent_reader(pairs):
    encoded = QueryParameters(tuple(pairs)).encode()
    assert parse_qsl(encoded, keep_blank_values=True) == list(parse(encoded.encode()).pairs)


def test_links_never_repeat_credentials():
    query = parse(b"product=a+b&token=s&auth=t&page[size]=1")
    assert query.public().encode() == "product=a%20b&page%5Bsize%5D=1"
    assert parse(b"token[]=s&auth[x]=t").public().encode() == ""


def test_equal_queries_are_equal_keys():
    assert {parse(b"a=1"): "x"}[parse(b"%61=1")] == "x"
