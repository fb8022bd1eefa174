"""One line of a dump as a row: every member checked against the declaration of its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from attrs import define, field

from keygenreg.dump.distribution_kinds import ARTIFACTS
from keygenreg.dump.kind import CREATED, UPDATED, Attribute, Kind, Relationship
from keygenreg.dump.kinds import BY_TYPE
from keygenreg.formats.dump.fault import BrokenDump
from keygenreg.formats.dump.line_reader import Line
from keygenreg.formats.dump.values import is_id, shortened

VERSION = 1
_MEMBERS = frozenset({"type", "id", "attributes", "relationships", "private", "content"})
_NOTHING: Mapping[str, Any] = {}


@define
class Record:
    """
    A resource as a dump states it.

    ``values`` are columns by name, in PostgreSQL's input syntax; None is null. ``given`` are the attributes that the
    line has. ``private`` holds the secrets that were given, ``content`` the member of that name.
    """

    line: int
    kind: Kind
    values: dict[str, str | None]
    given: Mapping[str, Any] = field(repr=False)
    private: Mapping[str, str] = field(repr=False)
    content: Mapping[str, str] | None

    @property
    def id(self) -> str:
        return self.values["id"]

    def fault(self, detail: str) -> BrokenDump:
        return BrokenDump(self.line, self.kind.type, detail)


def read_object(line: Line) -> dict[str, Any]:
    """:raises BrokenDump: the line is not a JSON object."""
    try:
        found = orjson.loads(line.text)
    except orjson.JSONDecodeError as error:
        reason = str(error).partition(": line ")[0]
        raise BrokenDump(line.number, None, f"is not JSON: {reason} at byte {error.pos + 1}") from error
    if not isinstance(found, dict):
        raise BrokenDump(line.number, None, "is not a JSON object")
    return found


def check_header(line: Line) -> None:
    """:raises BrokenDump: the line is not the header of a dump that we can read."""
    header = read_object(line)
    if header.get("type") != "dump":
        raise BrokenDump(line.number, None, 'the header {"type":"dump","version":1} is missing')
    version = header.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version != VERSION:
        detail = f"a dump of version {shortened(version)} cannot be read, only version {VERSION}"
        raise BrokenDump(line.number, None, detail)


def read_record(line: Line, moment: str) -> Record:
    """
    :param moment: the time of the import, the default of ``created``.
    :raises BrokenDump: an unknown type or member, a value missing or of another kind.
    """
    found = read_object(line)
    name = found.get("type")
    kind = BY_TYPE.get(name) if isinstance(name, str) else None
    if kind is None:
        detail = "the type is missing" if name is None else f"there is no type {shortened(name)}"
        raise BrokenDump(line.number, None, detail)
    try:
        return _record(line.number, kind, found, moment)
    except ValueError as error:
        raise BrokenDump(line.number, kind.type, str(error)) from error


def _record(line: int, kind: Kind, found: dict[str, Any], moment: str) -> Record:
    if unknown := found.keys() - _MEMBERS:
        raise ValueError(f"there is no member {shortened(min(unknown))}")
    if not is_id(found.get("id")):
        raise ValueError("id: expected a UUID in lower case")
    values: dict[str, str | None] = {"id": found["id"]}
    _read_relationships(kind, _object(found, "relationships"), values)
    attributes = _object(found, "attributes")
    _read_attributes(kind, attributes, values, moment)
    private = _private(kind, _object(found, "private"))
    content = _content(kind, found.get("content"))
    return Record(line, kind, values, attributes, private, content)


def _object(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name)
    if value is None:
        return _NOTHING
    if not isinstance(value, dict):
        raise ValueError(f"{name}: expected an object")
    return value


def _read_attributes(kind: Kind, given: Mapping[str, Any], values: dict[str, str | None], moment: str) -> None:
    known = 0
    for attribute in kind.attributes:
        value = given.get(attribute.name)
        if value is not None:
            values[attribute.column] = _read_value(attribute, value)
            known += 1
        elif attribute.required:
            raise ValueError(f"{attribute.name} is required")
        else:
            values[attribute.column] = attribute.default_text
    created, updated = given.get("created"), given.get("updated")
    known += (created is not None) + (updated is not None)
    values["created"] = moment if created is None else _read_value(CREATED, created)
    values["updated"] = values["created"] if updated is None else _read_value(UPDATED, updated)
    if known != len(given):  # nulls, or something that we do not know
        names = {attribute.name for attribute in (*kind.attributes, CREATED, UPDATED)}
        if unknown := given.keys() - names:
            raise ValueError(f"there is no attribute {shortened(min(unknown))}")


def _read_value(attribute: Attribute, value: Any) -> str:
    try:
        return attribute.value.read(value)
    except ValueError as error:
        raise ValueError(f"{attribute.name}: {error}") from error


def _read_relationships(kind: Kind, given: Mapping[str, Any], values: dict[str, str | None]) -> None:
    known = 0
    for relationship in kind.relationships:
        if relationship.name in given:
            known += 1
            linked = _linked(relationship, given[relationship.name])
        else:
            linked = None
        if linked is None and relationship.required:
            raise ValueError(f"the relationship {relationship.name} is required")
        for type, column in relationship.targets.items():
            values[column] = linked[1] if linked is not None and linked[0] == type else None
    if known != len(given):
        names = {relationship.name for relationship in kind.relationships}
        raise ValueError(f"there is no relationship {shortened(min(given.keys() - names))}")


def _linked(relationship: Relationship, value: Any) -> tuple[str, str] | None:
    """Type and id that a relationship names; None for null."""
    name = relationship.name
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"data"}:
        raise ValueError(f'{name}: expected {{"data": ...}}')
    data = value["data"]
    if data is None:
        return None
    if not isinstance(data, dict) or data.keys() != {"type", "id"}:
        raise ValueError(f"{name}: expected type and id of a resource")
    type, id = data["type"], data["id"]
    if not isinstance(type, str) or type not in relationship.targets:
        raise ValueError(f"{name}: expected a resource of type {' or '.join(relationship.targets)}")
    if not is_id(id):
        raise ValueError(f"{name}: expected a UUID in lower case")
    return type, id


def _private(kind: Kind, given: Mapping[str, Any]) -> Mapping[str, str]:
    if not given:
        return given
    if unknown := given.keys() - kind.secrets:
        raise ValueError(f"there is no private member {shortened(min(unknown))}")
    for name, value in given.items():
        if value is not None and (not isinstance(value, str) or "\0" in value):
            raise ValueError(f"private.{name}: expected a string without NUL characters")
    return {name: value for name, value in given.items() if value is not None}


def _content(kind: Kind, value: Any) -> Mapping[str, str] | None:
    if value is None:
        return None
    if kind is not ARTIFACTS:
        raise ValueError("only artifacts have content")
    known = isinstance(value, dict) and len(value) == 1 and value.keys() <= {"base64", "path"}
    if not known or not all(isinstance(each, str) for each in value.values()):
        raise ValueError('content: expected {"base64": "..."} or {"path": "..."}')
    return value
