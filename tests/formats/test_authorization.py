"""Credentials in headers and queries, and the challenge that asks for them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.failures import BadRequest
from keygenreg.formats.authorization import (
    MALFORMED,
    LicenseKeyCredential,
    PasswordCredential,
    TokenCredential,
    read_credentials,
)
from keygenreg.formats.challenge import challenge
from keygenreg.formats.jsonapi_query import QueryParameters

SECRET = "prod-4be1f0v3"
KEY = "KTL:00/01 x"


def basic(text: str | bytes) -> bytes:
    return b"Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text)


def query(raw: bytes) -> QueryParameters:
    return QueryParameters.parse(raw)


@pytest.mark.parametrize(
    ("header", "raw"),
    [
        (f"Bearer {SECRET}".encode(), b""),
        (f"bEARER   {SECRET} ".encode(), b""),
        (f"Token {SECRET}".encode(), b""),
        (basic(f"token:{SECRET}"), b""),
        (basic(f"__token__:{SECRET}"), b""),
        (basic(f"{SECRET}:"), b""),
        (basic(f"{SECRET}:anything"), b""),
        (basic(SECRET), b""),
        (None, f"token={SECRET}".encode()),
        (None, f"auth={SECRET}".encode()),
        (None, f"auth=token:{SECRET}".encode()),
        (b"Digest x", f"auth=token:{SECRET}".encode()),
        (None, f"token=&auth={SECRET}".encode()),
    ],
)
def test_every_way_to_send_a_token(header, raw):
    assert read_credentials(header, query(raw)) == TokenCredential(SECRET)


@pytest.mark.parametrize(
    ("header", "raw"),
    [
        (f"License {KEY}".encode(), b""),
        (basic(f"license:{KEY}"), b""),
        (basic(f"License:{KEY}"), b""),
        (None, b"auth=license:KTL%3A00%2F01%20x"),
        (None, b"auth=license%3AKTL:00/01+x"),
        (None, b"token=license:KTL:00/01+x"),
    ],
)
def test_every_way_to_send_a_license_key(header, raw):
    assert read_credentials(header, query(raw)) == LicenseKeyCredential(KEY)


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"  ",
        b"Bearer",
        b"Bearer ",
        b"Basic Og==",
        b"Basic",
        b"License  ",
        b"Digest abc",
        basic("license:"),
        basic("token:"),
        basic(""),
    ],
)
def test_empty_values_are_no_credentials(header):
    assert read_credentials(header, query(b"")) is None


def test_an_empty_header_of_a_known_scheme_still_hides_the_query():
    assert read_credentials(b"Bearer ", query(b"token=x")) is None


def test_the_header_wins_over_the_query():
    assert read_credentials(b"Bearer bad", query(b"token=good")) == TokenCredential("bad")


@pytest.mark.parametrize(
    "header",
    [
        b"Basic ***",
        b"Basic " + SECRET.encode(),
        basic(b"\xff\xfe:x"),
        b"Bearer \xff",
        b"License a\0b",
        basic("a\0b:"),
        basic(":secret"),
        b"Basic a",
        "Basic \u0661".encode(),
    ],
)
def test_unreadable_credentials_stay_credentials(header):
    """They fail like a wrong token instead of making the request anonymous."""
    assert read_credentials(header, query(b"")) is MALFORMED


def test_missing_base64_padding_is_forgiven():
    assert read_credentials(basic("token:ab").rstrip(b"="), None) == TokenCredential("ab")


def test_passwords_only_where_a_log_in_is_possible():
    header = basic("ada@nimbus.example:pass:word")
    assert read_credentials(header, None, password_login=True) == PasswordCredential("ada@nimbus.example", "pass:word")
    assert read_credentials(header, None) == TokenCredential("ada@nimbus.example")
    assert read_credentials(basic("a@b:"), None, password_login=True) == PasswordCredential("a@b", "")
    assert read_credentials(basic(f"token:{SECRET}"), None, password_login=True) == TokenCredential(SECRET)


@pytest.mark.parametrize(
    "credential", [TokenCredential("hush"), LicenseKeyCredential("hush"), PasswordCredential("hush@x.example", "hush")]
)
def test_logs_never_show_a_secret(credential):
    assert "hush" not in repr(credential)
    assert "hush" not in repr(query(b"token=hush"))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_license_key_travels_in_basic_and_query(key):
    sent = query(b"auth=license:" + QueryParameters((("k", key),)).encode()[2:].encode())
    assert read_credentials(basic(f"license:{key}"), None) == LicenseKeyCredential(key)
    assert read_credentials(None, sent) == LicenseKeyCredential(key)


@given(
    st.one_of(
        st.binary(),
        st.binary().map(basic),
        st.binary().map(lambda b: b"Bearer " + b),
        st.binary().map(lambda b: b"Basic " + b),
    ),
    st.binary(),
    st.booleans(),
)
def test_any_bytes_are_credentials_or_none(header, raw, login):
    try:
        parameters = query(raw)
    except BadRequest:
        parameters = None
    read_credentials(header, parameters, password_login=login)
    value = challenge(header)
    assert value.isprintable() and value.endswith(' realm="keygen"')


@pytest.mark.parametrize(
    ("header", "scheme"),
    [
        (None, "Bearer"),
        (b"basic x", "Basic"),
        (b"LICENSE x", "License"),
        (b"token x", "Token"),
        (b"Digest x", "Bearer"),
    ],
)
def test_the_challenge_names_the_scheme_that_was_tried(header, scheme):
    assert challenge(header) == f'{scheme} realm="keygen"'


def test_a_protocol_may_ask_for_another_scheme():
    assert challenge(None, default="Basic") == 'Basic realm="keygen"'
