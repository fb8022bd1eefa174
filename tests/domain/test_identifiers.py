"""Which names are taken, and how they are stored."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain import identifiers as ids

ID = UUID("5b0e7c1a-3f52-4d0e-9c57-0c1d8e2f7a10")


@given(st.uuids())
def test_an_id_is_found_in_any_spelling(value):
    for text in (str(value), value.hex, str(value).upper(), value.hex.upper()):
        assert ids.parse_uuid(text) == value
        assert ids.looks_like_uuid(text)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f" {ID}",
        f"{ID}\n",
        str(ID)[:-1],
        f"{ID}0",
        "5b0e7c1a3f52-4d0e-9c57-0c1d8e2f7a10",
        "g" * 32,
        "٠" * 32,
    ],
)
def test_what_is_no_id(text):
    assert ids.parse_uuid(text) is None


@given(st.text())
def test_any_text_is_judged_without_failing(text):
    ids.parse_uuid(text)
    ids.is_slug(text)
    ids.is_email(text)
    ids.is_web_url(text)
    ids.is_web_url("http://" + text)
    ids.filetype_fits(text, "zip")
    for normal in (ids.normal_filetype, ids.normal_target):
        assert normal(text) is None or normal(text).strip()


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("northwind", True),
        ("a1", True),
        ("a-", True),
        ("a", False),
        ("-a", False),
        ("Acme", False),
        (str(ID), False),
        (ID.hex, False),
        ("a" * 256, False),
        ("acme\n", False),
        ("ac_me", False),
    ],
)
def test_slugs(text, good):
    assert ids.is_slug(text) is good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("ada@nimbus.example", True),
        ("a+b@localhost", True),
        ("@x.example", False),
        ("ada@", False),
        ("ada", False),
        ("a b@x.example", False),
        ("ada@x..example", False),
        ("ada@-x.example", False),
        ("ada@x.example\n", False),
        ("a@b@c.example", False),
    ],
)
def test_email_addresses(text, good):
    assert ids.is_email(text) is good


def test_email_addresses_are_compared_in_lower_case():
    assert ids.normal_email(" Ada@Nimbus.Example ") == "ada@nimbus.example"


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("https://kestrel.example", True),
        ("http://[::1]:80/x?y#z", True),
        ("ftp://x.example", False),
        ("https://", False),
        ("kestrel.example", False),
        ("https://x y", False),
        ("http://[", False),
        ("http://x:port/", False),
        ("javascript://x.example", False),
        ("https://x/" + "a" * 255, False),
    ],
)
def test_urls(text, good):
    assert ids.is_web_url(text) is good


@pytest.mark.parametrize(
    ("sent", "stored"),
    [(".AppImage", "appimage"), (" TAR.GZ ", "tar.gz"), ("", None), (".", None), ("  ", None), (None, None)],
)
def test_filetypes_as_stored(sent, stored):
    assert ids.normal_filetype(sent) == stored


def test_platforms_as_stored():
    assert ids.normal_target(" macOS ") == "macos"
    assert ids.normal_target("  ") is None
    assert ids.normal_target(None) is None


@pytest.mark.parametrize(
    ("filename", "filetype", "fits"),
    [
        ("a.zip", "dmg", False),
        ("README", "txt", True),
        ("a.tar.gz", "tar.gz", True),
        ("a.TAR.GZ", "gz", True),
        ("dir.d/file", "zip", False),
    ],
)
def test_a_filetype_agrees_with_the_name(filename, filetype, fits):
    assert ids.filetype_fits(filename, filetype) is fits


def test_reserved_words():
    assert ids.is_reserved("action")
    assert ids.is_reserved("actions")
    assert not ids.is_reserved("reaction")


@given(st.text("aZ-_.", max_size=12))
def test_pypi_keys_have_single_dashes(key):
    stored = ids.pypi_key(key)
    assert "--" not in stored and "_" not in stored and "." not in stored
    assert ids.pypi_key(stored) == stored
    assert [c for c in stored if c.isalpha()] == [c for c in key if c.isalpha()]
