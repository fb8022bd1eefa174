"""The three styles of pagination (PAG-01 to PAG-10)."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.failures import BadRequest
from keygenreg.formats.jsonapi_query import QueryParameters
from keygenreg.formats.pagination import Keyset, Limit, Page, page_links, read_pagination

ID = "5b0e7c1a-3f52-4d0e-9c57-0c1d8e2f7a10"
PATH = f"/v1/accounts/{ID}/releases"


def read(raw: str):
    return read_pagination(QueryParameters.parse(raw.encode()))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", Limit(10)),
        ("limit=1", Limit(1)),
        ("limit=100&order=asc", Limit(100, descending=False)),
        ("order=desc", Limit(10)),
        ("page[number]=2&page[size]=3", Page(2, 3)),
        ("page[number]=2", Page(2, 10)),
        ("page[number]=2&limit=7", Page(2, 7)),
        ("page[number]=100&page[size]=100", Page(100, 100)),
        ("page[cursor]=", Keyset(None, 10)),
        (f"page[cursor]={ID}&page[size]=3&order=asc", Keyset(UUID(ID), 3, descending=False)),
    ],
)
def test_what_clients_ask_for(raw, expected):
    assert read(raw) == expected


@pytest.mark.parametrize(
    ("raw", "parameter"),
    [
        *((f"limit={bad}", "limit") for bad in ("0", "101", "x", "", "-1", "1.5", "%2B5", "٣", "9" * 50)),
        ("limit[]=3", "limit"),
        ("page[number]=0", "page[number]"),
        ("page[number]=101", "page[number]"),
        ("page[number]=1&page[size]=101", "page[size]"),
        ("page[number]=1&page[size]=-5", "page[size]"),
        ("page[number]=1&page[size]=", "page[size]"),
        ("page[cursor]=abc", "page[cursor]"),
        ("page=3", "page"),
        ("page[]=3", "page"),
        ("page[size]=3", "page"),
        ("page[other]=3", "page"),
        ("page[number]=1&page[cursor]=", "page"),
        ("order=up", "order"),
        ("order=", "order"),
        ("order[]=asc", "order"),
    ],
)
def test_what_is_refused_and_which_parameter_is_named(raw, parameter):
    with pytest.raises(BadRequest) as caught:
        read(raw)
    assert caught.value.source.parameter == parameter


@given(
    st.dictionaries(
        st.sampled_from(["limit", "order", "page", "page[number]", "page[size]", "page[cursor]"]), st.text()
    )
)
def test_any_values_make_a_slice_or_a_bad_request(values):
    try:
        slice_ = read_pagination(QueryParameters(tuple(values.items())))
    except BadRequest as failure:
        assert failure.source.parameter
    else:
        assert 1 <= slice_.size <= 100 and slice_.offset >= 0


def test_a_limited_list_has_no_links():
    assert page_links(Limit(), PATH, QueryParameters()) == {}


def test_links_of_a_page_in_the_middle():
    query = QueryParameters.parse(b"page[number]=2&token=s&channel=beta&page[size]=3&auth=t")
    links = page_links(Page(2, 3), PATH, query, count=8)

    def link(number: int) -> str:
        return f"{PATH}?channel=beta&page%5Bnumber%5D={number}&page%5Bsize%5D=3"

    assert links == {
        "self": link(2),
        "prev": link(1),
        "next": link(3),
        "first": link(1),
        "last": link(3),
        "meta": {"pages": 3, "count": 8},
    }


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 20_000))
def test_page_links_can_all_be_followed(number, size, count):
    links = page_links(Page(number, size), PATH, QueryParameters(), count=count)
    assert links["meta"] == {"pages": -(-count // size), "count": count}
    for name in ("self", "prev", "next", "first", "last"):
        if links[name] is not None:
            assert isinstance(read(links[name].partition("?")[2]), Page)
    assert (links["next"] is not None) == (number * size < count and number < 100)


def test_keyset_links():
    query = QueryParameters.parse(b"page[cursor]=&page[size]=3&package=")
    assert page_links(Keyset(None, 3), PATH, query, last_id=ID) == {
        "self": f"{PATH}?package=&page%5Bcursor%5D=&page%5Bsize%5D=3",
        "next": f"{PATH}?package=&page%5Bcursor%5D={ID}&page%5Bsize%5D=3",
    }
    assert page_links(Keyset(UUID(ID), 3), PATH, query)["next"] is None
