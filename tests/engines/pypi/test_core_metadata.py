"""Core metadata documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.metadata import Metadata

from keygenreg.domain.reading import IngestError
from keygenreg.engines.pypi import core_metadata

from .archives import METADATA, metadata


def parse(document: bytes) -> core_metadata.CoreMetadata:
    return core_metadata.parse(document, called="METADATA")


def strings_of(value):
    """Every text within a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings_of([*value, *value.values()])
    else:
        for item in value:
            yield from strings_of(item)


def test_facts_agree_with_packagings_strict_reading():
    """Every field but the description, under the same keys."""
    strict = Metadata.from_email(METADATA)
    found = parse(METADATA)
    assert (found.project, found.version) == ("acme", strict.version)
    assert found.facts["requires_dist"] == ["attrs>=23", "rich; extra == 'cli'"]
    assert found.facts["provides_extra"] == strict.provides_extra
    assert found.facts["classifiers"] == strict.classifiers
    assert found.facts["keywords"] == strict.keywords
    assert found.requires_python == ">=3.9"
    assert "description" not in found.facts


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_body_is_not_read_as_fields(line_end):
    """What stands below the first blank line cannot change the facts, whatever the line ends."""
    document = b"Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n\nVersion: 2.0\n\nName: other\n"
    found = parse(document.replace(b"\n", line_end))
    assert (found.name, str(found.version)) == ("acme", "1.0")


@pytest.mark.parametrize("constraint", ["three", ">=", "3.8", ">=3.8;<4", ">" * 2000])
def test_invalid_requires_python_is_ignored(constraint):
    """Installers would trip over it; the file stays installable everywhere."""
    assert parse(metadata(Requires_Python=constraint)).requires_python is None


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\xff\x00", id="bytes"),
        pytest.param(b"\nName: acme\nVersion: 1.0\n", id="only a body"),
        pytest.param(b"Version: 1.0\n", id="no name"),
        pytest.param(b"Name: acme\n", id="no version"),
        pytest.param(metadata(Name="ac me"), id="invalid name"),
        pytest.param(metadata(Name="ac\xe9me"), id="name beyond ascii"),
        pytest.param(metadata(Name="acme\x00"), id="name with nul"),
        pytest.param(metadata(Version="one"), id="invalid version"),
        pytest.param(metadata(Version="9" * 5000 + ".x"), id="endless version"),
        pytest.param(metadata() + b"Name: other\n", id="two names"),
        pytest.param(metadata() + b"Version: 2.0\n", id="two versions"),
        pytest.param(b"".join(b"x%d: 1\n" % number for number in range(100_000)), id="as many fields as lines"),
    ],
)
def test_unusable_documents(document):
    """The sentence names the document."""
    with pytest.raises(IngestError, match="METADATA"):
        parse(document)


@pytest.mark.parametrize(
    ("fields", "static"),
    [
        ({"Metadata_Version": "2.2"}, True),
        ({"Metadata_Version": "2.4", "Dynamic": "Classifier"}, True),
        ({"Metadata_Version": "2.1"}, False),
        ({"Metadata_Version": "1.2"}, False),
        ({"Metadata_Version": "3.0"}, False),
        ({"Metadata_Version": "2.x"}, False),
        ({"Metadata_Version": "2.2", "Dynamic": "Requires-Dist"}, False),
        ({"Metadata_Version": "2.2", "Dynamic": " requires-PYTHON "}, False),
        ({"Metadata_Version": "2.3", "Dynamic": "Provides-Extra"}, False),
    ],
)
def test_static_documents(fields, static):
    """PEP 643: from 2.2 on, and only if nothing that is resolved may change in the build."""
    assert parse(metadata(**fields)).is_static is static


def test_missing_metadata_version_is_not_static():
    assert not parse(b"Name: acme\nVersion: 1.0\n").is_static


@pytest.mark.parametrize("document", [b"Name: \xff\n", b"a\x00b"])
def test_text_that_cannot_be_stored_exactly(document):
    assert core_metadata.text_of(document) is None


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00")))
def test_text_encodes_to_the_same_bytes(text):
    """Line ends and byte order marks included: the sibling file must have the digest of the original."""
    document = ("\ufeff" + text + "\r\n").encode()
    assert core_metadata.text_of(document).encode() == document


@given(st.binary() | st.text().map(str.encode) | st.builds(lambda tail: METADATA[:60] + tail, st.binary()))
def test_any_bytes_are_read_or_refused(document):
    """Nothing but the documented error, and facts that jsonb can hold."""
    try:
        found = parse(document)
    except IngestError:
        return
    assert not any("\x00" in text for text in strings_of(found.facts))
