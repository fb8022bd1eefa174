"""Core metadata documents (``METADATA`` of wheels, ``PKG-INFO`` of source distributions): reading the facts in them.

Sources: the core metadata specification, PEP 566, PEP 643 (what a source distribution may promise).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from packaging.metadata import parse_email
from packaging.version import InvalidVersion, Version

from keygenreg.domain.reading import IngestError
from keygenreg.engines.pypi.names import is_valid, normalize
from keygenreg.engines.pypi.project import is_specifier

#: The largest document that is read, in bytes; PyPI's own are a tenth of it.
LONGEST = 1024 * 1024

# The parser looks every field name up in all lines, so the number of names is what its time grows with.
_MOST_FIELD_NAMES = 200
_BLANK_LINE = re.compile(r"(?:\A|\r\n|\r(?!\n)|\n)(?:\r\n|\r|\n)")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_METADATA_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})", re.ASCII)

# If one of these is dynamic, building the source distribution may change what an installer would resolve.
_RESOLVED = frozenset({"requires-dist", "requires-python", "provides-extra"})


@frozen
class CoreMetadata:
    """The facts of one document.

    :ivar name: as spelled there. :ivar version: parsed.
    :ivar facts: every field that could be read except the description, JSON values under snake_case plural keys as
        in :class:`packaging.metadata.RawMetadata`. ``requires_python`` is there only when valid.
    """

    name: str
    version: Version
    facts: Mapping[str, Any]

    @property
    def project(self) -> str:
        """The normalised name."""
        return normalize(self.name)

    @property
    def requires_python(self) -> str | None:
        return self.facts.get("requires_python")

    @property
    def is_static(self) -> bool:
        """Whether a source distribution's document says what its wheels will say (PEP 643, since version 2.2)."""
        match = _METADATA_VERSION.fullmatch(self.facts.get("metadata_version", ""))
        if match is None or int(match[1]) != 2 or int(match[2]) < 2:
            return False
        return not _RESOLVED.intersection(field.strip().lower() for field in self.facts.get("dynamic", ()))


def text_of(document: bytes) -> str | None:
    """The document as text that can be stored and encodes to the same bytes; None if it is not such text."""
    try:
        text = document.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def parse(document: bytes, *, called: str) -> CoreMetadata:
    """Read a document of at most :data:`LONGEST` bytes; ``called`` is its file name, for the sentences.

    Lenient as installers are, except that Name and Version must be there once and be valid.

    :raises IngestError: without a usable Name and Version, or with more fields than the format has.
    """
    header = _BLANK_LINE.split(document.decode("utf-8", "replace"), maxsplit=1)[0]
    _check_field_names(header, called)
    raw, _unparsed = parse_email(header)
    raw.pop("description", None)
    facts = {key: _storable(value) for key, value in raw.items()}
    name, version = facts.get("name"), facts.get("version")
    if name is None or not is_valid(name):
        raise IngestError(f"{called} must state one valid Name; build the distribution again with a current tool.")
    if "requires_python" in facts and not is_specifier(facts["requires_python"]):
        del facts["requires_python"]
    return CoreMetadata(name=name, version=_version(version, called), facts=facts)


def _check_field_names(header: str, called: str) -> None:
    names = set()
    for line in _LINE_BREAK.split(header):
        if not line.startswith((" ", "\t")):
            names.add(line.partition(":")[0])
            if len(names) > _MOST_FIELD_NAMES:
                raise IngestError(f"{called} has more than {_MOST_FIELD_NAMES} fields; it is no core metadata.")


def _version(text: str | None, called: str) -> Version:
    try:
        return Version(text or "")
    except (InvalidVersion, ValueError):
        raise IngestError(f"{called} must state one Version that PEP 440 allows.") from None


def _storable(value: Any) -> Any:
    """The same JSON value without NUL, which PostgreSQL stores neither in text nor in jsonb."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return {_storable(key): _storable(item) for key, item in value.items()}
