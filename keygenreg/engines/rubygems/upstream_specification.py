"""Another source's ``.gemspec.rz``: whether it is the specification of that gem, and harmless to whoever loads it.

Clients load it with Marshal, old ones without asking which classes they make. Newer ones permit the classes below:
https://github.com/rubygems/rubygems/blob/master/lib/rubygems/safe_marshal.rb.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from keygenreg.engines.rubygems.ruby_marshal import MarshalError, RubyObject, UserDump, UserMarshal
from keygenreg.engines.rubygems.ruby_unmarshal import loads
from keygenreg.mirror.adapter import Unusable

#: Size of the largest specification, in bytes, decompressed.
LONGEST = 1024 * 1024

_CLASSES = frozenset(
    {"Date", "Time", "Rational", "Gem::Dependency", "Gem::NameTuple", "Gem::Platform", "Gem::Requirement",
     "Gem::Specification", "Gem::Version", "Gem::Version::Requirement", "YAML::Syck::DefaultKey", "YAML::PrivateType"}
)  # fmt: skip
_SPECIFICATION = "Gem::Specification"
_NAME, _VERSION, _LEAST = 2, 3, 16


def check_specification(body: bytes, name: str, label: str) -> None:
    """
    :param label: version and platform, as in the file's name.
    :raises Unusable: it is no specification of this gem and version, or would make objects of other classes.
    """
    try:
        outer = loads(_inflated(body))
        inner = loads(outer.data) if isinstance(outer, UserDump) and outer.class_name == _SPECIFICATION else None
    except MarshalError as error:
        raise Unusable(f"it cannot be read: {error}") from None
    if not isinstance(inner, list) or len(inner) < _LEAST:
        raise Unusable("it is no specification of a gem")
    strange = next((each for each in _classes([outer.variables, inner]) if each not in _CLASSES), None)
    if strange is not None:
        raise Unusable(f"it holds an object of a kind that is not passed on: {ascii(strange[:80])}")
    version = inner[_VERSION]
    stated = version.value if isinstance(version, UserMarshal) and version.class_name == "Gem::Version" else None
    text = stated[0] if isinstance(stated, list) and stated else None
    if _text(inner[_NAME]) != name or _text(text) not in (label, label.partition("-")[0]):
        raise Unusable("it is the specification of another gem")


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def _inflated(body: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(body, LONGEST)
    except zlib.error:
        raise Unusable("it is not compressed as it should be") from None
    if not inflater.eof or inflater.unused_data:
        raise Unusable("it is cut short, goes on after its end, or is too large")
    return data


def _classes(value: Any) -> Iterator[str]:
    """The classes of all objects in a value; what occurs several times is looked into once."""
    seen: set[int] = set()
    pending = [value]
    while pending:
        each = pending.pop()
        if not isinstance(each, list | dict | RubyObject | UserMarshal | UserDump) or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, list):
            pending += each
            continue
        if isinstance(each, dict):
            pending += [*each.keys(), *each.values()]
            continue
        yield each.class_name
        pending.append(each.value if isinstance(each, UserMarshal) else each.variables)
