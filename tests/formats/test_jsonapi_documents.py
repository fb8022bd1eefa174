"""Documents and error documents of the JSON:API."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keygenreg.domain.failures import BadRequest, Invalid, NotFound, Problem, Source, TooMany, Unauthenticated
from keygenreg.formats import jsonapi_document as documents
from keygenreg.formats.jsonapi_errors import error_document

ACCOUNT = UUID("5b0e7c1a-3f52-4d0e-9c57-0c1d8e2f7a10")


def test_one_failure_is_one_error():
    failure = BadRequest("must be a number from 1 to 100", source=Source(parameter="limit"))
    assert error_document(failure, "d1f7") == {
        "meta": {"id": "d1f7"},
        "errors": [
            {"title": "Bad request", "detail": "must be a number from 1 to 100", "source": {"parameter": "limit"}}
        ],
    }


def test_every_failed_validation_is_listed():
    problems = [
        Problem("/data/attributes/name", "NAME_MISSING", "no name"),
        Problem("/data/attributes/url", "URL_INVALID", "no url"),
    ]
    errors = error_document(Invalid.of(*problems), "x")["errors"]
    assert [(e["title"], e["code"], e["source"]) for e in errors] == [
        ("Unprocessable resource", "NAME_MISSING", {"pointer": "/data/attributes/name"}),
        ("Unprocessable resource", "URL_INVALID", {"pointer": "/data/attributes/url"}),
    ]


def test_codes_and_headers():
    assert error_document(NotFound("no such release"), None) == {
        "errors": [{"title": "Not found", "detail": "no such release", "code": "NOT_FOUND"}]
    }
    assert error_document(TooMany("wait"), None)["errors"][0]["code"] == "TOO_MANY_REQUESTS"
    header = error_document(Unauthenticated("no", "TOKEN_INVALID", Source(header="Authorization")), None)["errors"][0]
    assert header["source"] == {"header": "Authorization"}
    assert header["code"] == "TOKEN_INVALID"


def test_paths_are_long_and_encoded():
    assert documents.account_path(ACCOUNT) == f"/v1/accounts/{ACCOUNT}"
    assert documents.account_path(ACCOUNT, "artifacts", "a/b c%") == f"/v1/accounts/{ACCOUNT}/artifacts/a%2Fb%20c%25"


def test_relationships():
    assert documents.account_relationship(ACCOUNT) == {
        "links": {"related": f"/v1/accounts/{ACCOUNT}"},
        "data": {"type": "accounts", "id": str(ACCOUNT)},
    }
    assert documents.environment_relationship(ACCOUNT, None) == {"links": {"related": None}, "data": None}
    assert documents.environment_relationship(ACCOUNT, "e1")["links"]["related"].endswith("/environments/e1")
    assert documents.related("/x") == {"links": {"related": "/x"}}
    assert documents.related("/x", data=None, meta={"count": 2}) == {
        "links": {"related": "/x"},
        "data": None,
        "meta": {"count": 2},
    }
    assert documents.linkage("users", None) is None


def test_a_resource_keeps_the_order_given():
    made = documents.resource("releases", ACCOUNT, {"b": 1, "a": 2}, relationships={}, links={"self": "/x"})
    assert documents.render(documents.document(made)) == (
        b'{"data":{"id":"%s","type":"releases","attributes":{"b":1,"a":2},"relationships":{},"links":{"self":"/x"}}}'
        % str(ACCOUNT).encode()
    )
    assert documents.render(documents.document([], links={})) == b'{"data":[],"links":{}}'
    assert documents.render(documents.document(None, meta={"n": 1})) == b'{"data":null,"meta":{"n":1}}'


def test_times_and_ids_inside_attributes():
    moment = datetime(2031, 5, 6, 7, 8, 9, 123999, tzinfo=UTC)
    assert (
        documents.render({"t": moment, "i": ACCOUNT})
        == b'{"t":"2031-05-06T07:08:09.123Z","i":"%s"}' % str(ACCOUNT).encode()
    )
    assert json.loads(documents.render({"t": moment, "i": ACCOUNT, "n": 2**80}))["t"] == "2031-05-06T07:08:09.123Z"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
@example(["\ud800", 2**70])
def test_any_stored_value_can_be_rendered(value):
    """Metadata may hold integers and half surrogates that the fast encoder refuses."""
    assert json.loads(documents.render({"v": value})) == {"v": value}


def test_what_is_no_json_is_a_type_error():
    with pytest.raises(TypeError):
        documents.render({"v": object()})
