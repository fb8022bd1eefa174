"""Names of the distribution protocol, and paging."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.failures import BadRequest
from keygenreg.engines.oci import names, pages
from keygenreg.engines.oci.names import Asked
from keygenreg.formats import image_facts
from keygenreg.formats.jsonapi_query import QueryParameters


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a/manifests/x", Asked("manifests", "a", "x")), ("a/b/c/blobs/d", Asked("blobs", "a/b/c", "d")),
        ("a/tags/list", Asked("tags", "a")), ("tags/list/tags/list", Asked("tags", "tags/list")),
        ("manifests/manifests/manifests", Asked("manifests", "manifests", "manifests")),
        ("a/referrers/d", Asked("referrers", "a", "d")), ("a/tags/x", None), ("manifests/x", None), ("a", None),
        ("", None), ("a/blobs/uploads/x", None), ("/manifests/x", None), ("tags/list", None),
    ],
)  # fmt: skip
def test_asked(path: str, found: Asked | None):
    assert names.asked(path) == found


@given(st.text())
def test_any_text_is_read(text: str):
    """Nothing but the documented answers, whatever is asked."""
    found = names.asked(text)
    assert found is None or found.repository in text
    names.is_digest(text)
    image_facts.is_tag(text)
    names.digest_prefix(text)
    tag = image_facts.tag_of_name(text)
    assert tag is None or image_facts.is_tag(tag)
    assert all(names.repositories_of([text, text]))


@given(st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(-[a-z.]{1,9})?(\+[0-9a-z]{1,9})?", fullmatch=True))
def test_versions_survive_being_tags(version: str):
    assert version in names.versions_of_tag(names.tag_of_version(version))


@given(st.sampled_from(["sha256", "sha512"]), st.text(alphabet="0123456789abcdef", min_size=1, max_size=140))
def test_lengths_of_digests(algorithm: str, encoded: str):
    right = len(encoded) == {"sha256": 64, "sha512": 128}[algorithm]
    assert names.is_digest(f"{algorithm}:{encoded}") == right == names.is_known_digest(f"{algorithm}:{encoded}")


def test_scopes():
    scopes = ["repository:a/b:pull repository:c:push", "repository:d:pull,push", "registry:catalog:*", "x", ""]
    assert names.repositories_of([*scopes, "repository:a/b:*"]) == ["a/b", "d"]
    assert len(names.repositories_of([f"repository:r{n}:pull" for n in range(1000)])) == names.MOST_SCOPES


@given(st.text(max_size=30))
def test_any_page(text: str):
    query = QueryParameters((("n", text), ("last", text)))
    try:
        page = pages.of_query(query, most=50)
    except BadRequest:
        assert not (text.isascii() and text.isdigit())
    else:
        assert 0 <= page.size <= 50


def test_link_repeats_no_credentials():
    query = QueryParameters((("token", "secret"), ("artifactType", "a/b"), ("last", "x"), ("n", "2")))
    name, value = pages.next_link("/v2/a/tags/list", query, "last one", 2)
    assert (name, value) == ("Link", '</v2/a/tags/list?artifactType=a%2Fb&n=2&last=last%20one>; rel="next"')
