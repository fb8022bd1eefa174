"""What documents of images say of themselves, whatever they are."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.formats import image_facts
from keygenreg.formats.image_facts import REF_NAME

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
SUBJECT = {"digest": "sha256:" + "a" * 64}

MEMBERS = st.sampled_from(
    ["subject", "digest", "config", "mediaType", "artifactType", "manifests", "annotations", REF_NAME, "layers"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=5),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "facts"),
    [
        ({}, {}),
        ({"config": {"mediaType": "a/config"}}, {"artifact_type": "a/config"}),
        ({"config": {"mediaType": "a/config"}, "artifactType": "a/b"}, {"artifact_type": "a/b"}),
        ({"subject": SUBJECT}, {"subject": SUBJECT["digest"], "aside": True}),
        ({"subject": "x", "config": [], "artifactType": 4}, {}),
    ],
)
def test_manifest(value: dict, facts: dict):
    assert image_facts.facts_of_document(orjson.dumps(value).decode(), MANIFEST) == facts
    assert image_facts.facts_of_document("\ufeff" + orjson.dumps(value).decode(), INDEX) == facts
    assert image_facts.facts_of_document(orjson.dumps(value).decode(), "application/json") == {}


def test_layout():
    listed = [
        {"digest": "sha256:a", "annotations": {REF_NAME: "one"}}, {"digest": "sha256:b"},
        {"digest": "sha256:a", "annotations": {REF_NAME: "host:5000/app:two"}}, {"digest": 3}, "x",
        {"digest": "sha256:c", "annotations": {REF_NAME: "no tag!"}},
    ]  # fmt: skip
    tags = image_facts.tags_of_layout(orjson.dumps({"manifests": listed}).decode())
    assert tags == {"sha256:a": ["one", "two"], "sha256:b": [], "sha256:c": []}


def test_type():
    assert image_facts.type_of_document('{"mediaType": "a/b"}') == "a/b"
    assert image_facts.type_of_document('{"manifests": []}') == INDEX
    assert image_facts.type_of_document("no JSON") == MANIFEST


@given(JSON.map(lambda value: orjson.dumps(value).decode()) | st.text(max_size=40))
def test_any_text(text: str):
    """It says something or nothing, and all that it says can be stored."""
    facts = image_facts.facts_of_document(text, MANIFEST)
    assert set(facts) <= {"subject", "artifact_type", "aside"}
    assert b"\\u0000" not in orjson.dumps(facts)
    for digest, tags in image_facts.tags_of_layout(text).items():
        assert digest
        assert all(map(image_facts.is_tag, tags))
    assert image_facts.type_of_document(text)
