"""What older versions of the API call differently, without a daemon (api.md 2.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.failures import BadRequest, Invalid, Problem, Unauthenticated
from keygenreg.management.dialect import SUPPORTED, Dialect, answering_dialect, read_dialect
from keygenreg.web.reply import Reply

MEMBERS = st.sampled_from(["data", "type", "attributes", "relationships", "user", "leasingStrategy"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["policies", "license"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        MEMBERS | st.text(max_size=5),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)
DIALECTS = [Dialect((1, minor)) for minor in range(9)]


@given(document=JSON, dialect=st.sampled_from(DIALECTS))
def test_any_document_goes_through(document: object, dialect: Dialect) -> None:
    """Whatever is not of the expected shape is left as it is, for the schema check to refuse."""
    before = repr(document)
    read = dialect.request(document)
    assert repr(document) == before
    if dialect.version >= (1, 7):
        assert read is document


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize(
    ("type", "member", "today", "before", "last"),
    [
        ("policies", "attributes", "processLeasingStrategy", "leasingStrategy", (1, 6)),
        ("licenses", "relationships", "owner", "user", (1, 5)),
    ],
)
def test_there_and_back(
    dialect: Dialect, type: str, member: str, today: str, before: str, last: tuple[int, int]
) -> None:
    """A document of a version, read and shown again, is the same; inside it has today's names."""
    name = before if dialect.version <= last else today
    sent = {"type": type, "attributes": {}, "relationships": {}, member: {name: "x"}}
    read = dialect.request({"data": sent})["data"]
    assert read[member] == {today: "x"}
    assert dialect.resource({**read})[member] == {name: "x"}


@given(text=st.text(max_size=12))
def test_version_header(text: str) -> None:
    """A version of ours, or a refusal; an answer always has one."""
    wanted = text.strip().removeprefix("v")
    try:
        assert str(read_dialect(text, None)) in (SUPPORTED if wanted else ["1.8"])
    except BadRequest as failure:
        assert failure.code == "INVALID_API_VERSION"
        assert wanted not in SUPPORTED
        assert str(answering_dialect(text, "1.2")) == "1.2"


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_failures(dialect: Dialect) -> None:
    wrong = dialect.failure(Unauthenticated("x", "PASSWORD_INVALID"))
    assert wrong.code == ("CREDENTIALS_INVALID" if dialect.version <= (1, 7) else "PASSWORD_INVALID")
    assert dialect.failure(Unauthenticated("x", "TOKEN_INVALID")).code == "TOKEN_INVALID"
    unknown = Problem("/data/relationships/owner", "OWNER_NOT_FOUND", "must exist")
    other = Problem("/data/attributes/key", "KEY_TAKEN", "taken")
    named = [problem.code for problem in dialect.failure(Invalid.of(unknown, other)).problems]
    assert named == [("USER" if dialect.version <= (1, 5) else "OWNER") + "_NOT_FOUND", "KEY_TAKEN"]


def test_headers() -> None:
    reply = Reply(200, b"", (("Keygen-Account", "a"), ("X-Request-Id", "r")))
    assert Dialect((1, 3)).headers(reply).headers == (
        ("Keygen-Account-Id", "a"), ("X-Request-Id", "r"), ("Keygen-Version", "1.3"),
    )  # fmt: skip
    assert Dialect((1, 4)).headers(reply).headers[0] == ("Keygen-Account", "a")
