"""Request bodies: what a resource takes, and the schema check that answers 400 (api.md 2.2, 2.5)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from keygenreg.domain.failures import BadRequest, Source
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.formats.metadata_keys import shape_problem, shown_key, size_problem, stored_key, to_stored
from keygenreg.formats.timestamps import parse_time
from keygenreg.management.schema import Attribute, Parsed, Reference, Schema

MOST_LINKAGES = 100
LONGEST_MEMBER = 255

_SINGULAR = {"policies": "policy", "arches": "arch"}


def _refuse(pointer: str, detail: str) -> BadRequest:
    return BadRequest(detail, source=Source(pointer=pointer))


def read_resource(schema: Schema, document: Any) -> Parsed:
    """
    The single resource object of a document.

    :raises BadRequest: the first fault, with a pointer to it.
    """
    return _object(schema, _data(document), "/data")


def _object(schema: Schema, data: Any, pointer: str) -> Parsed:
    if not isinstance(data, dict):
        raise _refuse(pointer, "must be a resource object")
    return _resource(schema, data, pointer)


def read_linkage(document: Any, type: str, *, nullable: bool = False) -> UUID | None:
    """The one identifier of a relationship document."""
    data = _data(document)
    if data is None and nullable:
        return None
    return _identifier(data, (type,), "/data").id


def read_linkages(document: Any, type: str) -> list[UUID]:
    """The 1 to 100 identifiers of a relationship document."""
    return [_identifier(item, (type,), f"/data/{n}").id for n, item in enumerate(_list(document))]


def read_resources(schema: Schema, document: Any) -> list[Parsed]:
    """The 1 to 100 resource objects of a document."""
    return [_object(schema, item, f"/data/{n}") for n, item in enumerate(_list(document))]


def _list(document: Any) -> list:
    data = _data(document)
    if not isinstance(data, list):
        raise _refuse("/data", "must be an array")
    if not 1 <= len(data) <= MOST_LINKAGES:
        raise _refuse("/data", f"must have 1 to {MOST_LINKAGES} items")
    return data


def _data(document: Any) -> Any:
    if not isinstance(document, dict):
        raise _refuse("", "must be an object")
    for name in document:
        if name not in ("data", "jsonapi", "meta"):
            raise _refuse(f"/{_shown(name, '')}", "is unpermitted")
    if "data" not in document:
        raise _refuse("/data", "is missing")
    return document["data"]


def member_name(name: str, pointer: str) -> str:
    """A member's name as stored. :raises BadRequest: it is longer than any that we know, so not worth spelling out."""
    if len(name) > LONGEST_MEMBER:
        raise _refuse(pointer, f"holds a member with a name of {len(name)} characters, which is unpermitted")
    return stored_key(name)


def _shown(name: str, pointer: str) -> str:
    return shown_key(member_name(name, pointer))


def _resource(schema: Schema, data: dict, pointer: str) -> Parsed:
    for name in data:
        if name not in ("type", "id", "attributes", "relationships"):
            raise _refuse(f"{pointer}/{_shown(name, pointer)}", "is unpermitted")
    _check_type(data.get("type"), (schema.type,), f"{pointer}/type")
    identifier = None
    if schema.client_id and data.get("id") is not None:
        identifier = _uuid(data["id"], f"{pointer}/id")
    attributes = data.get("attributes", {})
    if not isinstance(attributes, dict):
        raise _refuse(f"{pointer}/attributes", "must be an object")
    relationships = data.get("relationships", {})
    if not isinstance(relationships, dict):
        raise _refuse(f"{pointer}/relationships", "must be an object")
    return Parsed(
        _attributes(schema, attributes, f"{pointer}/attributes"),
        _relationships(schema, relationships, f"{pointer}/relationships"),
        identifier,
    )


def _check_type(value: Any, types: tuple[str, ...], pointer: str) -> str:
    for known in types:
        if value in (known, _SINGULAR.get(known, known.removesuffix("s"))):
            return known
    if value is None:
        raise _refuse(pointer, "is missing")
    raise _refuse(pointer, f"must be {' or '.join(types)}")


def _attributes(schema: Schema, given: dict, pointer: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given.items():
        stored = member_name(name, pointer)
        at = f"{pointer}/{shown_key(stored)}"
        rule = schema.attributes.get(stored)
        if rule is None:
            raise _refuse(at, "is unpermitted")
        if value is None:
            if rule.required:
                raise _refuse(at, "cannot be null")
            if rule.nullable:
                found[stored] = None
            continue
        found[stored] = _value(rule, value, at)
    for name, rule in schema.attributes.items():
        if rule.required and name not in found:
            raise _refuse(f"{pointer}/{shown_key(name)}", "is missing")
    return found


def _value(rule: Attribute, value: Any, at: str) -> Any:
    if rule.kind == "string":
        if not isinstance(value, str):
            raise _refuse(at, f"type mismatch (received {_word(value)} expected string)")
        if not rule.blank and not value.strip():
            raise _refuse(at, "cannot be blank")
        if rule.choices is not None and value not in rule.choices:
            raise _refuse(at, f"must be one of: {', '.join(rule.choices)}")
    elif rule.kind == "integer":
        if isinstance(value, bool) or not isinstance(value, int):
            raise _refuse(at, f"type mismatch (received {_word(value)} expected integer)")
        # Beyond what the database can hold; a rule of the record would refuse it anyway.
        value = max(min(value, 2**63 - 1), -(2**63))
    elif rule.kind == "boolean":
        if not isinstance(value, bool):
            raise _refuse(at, f"type mismatch (received {_word(value)} expected boolean)")
    elif rule.kind == "time":
        try:
            return parse_time(value)
        except ValueError:
            raise _refuse(at, "must be a time: ISO 8601, or Unix seconds") from None
    elif rule.kind == "strings":
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _refuse(at, "must be an array of strings")
    else:
        return _metadata(value, at)
    return value


def _metadata(value: Any, at: str) -> dict[str, Any]:
    problem = shape_problem(value)
    if problem == "not_an_object":
        raise _refuse(at, f"type mismatch (received {_word(value)} expected object)")
    if problem is not None:
        raise _refuse(at, "is nested too deeply")
    # Renaming takes its time. What is too large stays as it came, and the record's rules refuse it (422).
    return value if size_problem(value) else to_stored(value)


def _relationships(schema: Schema, given: dict, pointer: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given.items():
        stored = member_name(name, pointer)
        at = f"{pointer}/{shown_key(stored)}"
        rule = schema.relationships.get(stored)
        if rule is None:
            raise _refuse(at, "is unpermitted")
        if not isinstance(value, dict) or "data" not in value:
            raise _refuse(f"{at}/data", "is missing")
        data = value["data"]
        if rule.nested is not None:
            found[stored] = _nested(rule.nested, data, f"{at}/data")
        elif data is None:
            if not rule.nullable:
                raise _refuse(f"{at}/data", "cannot be null")
            found[stored] = None
        else:
            found[stored] = _identifier(data, rule.types, f"{at}/data")
    for name, rule in schema.relationships.items():
        if rule.required and name not in found:
            raise _refuse(f"{pointer}/{shown_key(name)}", "is missing")
    return found


def _nested(schema: Schema, data: Any, at: str) -> list[Parsed]:
    if not isinstance(data, list):
        raise _refuse(at, "must be an array")
    return [_object(schema, item, f"{at}/{n}") for n, item in enumerate(data[: MOST_LINKAGES + 1])]


def _identifier(data: Any, types: tuple[str, ...], at: str) -> Reference:
    if not isinstance(data, dict):
        raise _refuse(at, "must be a resource identifier")
    known = _check_type(data.get("type"), types, f"{at}/type")
    if data.get("id") is None:
        raise _refuse(f"{at}/id", "is missing")
    return Reference(known, _uuid(data["id"], f"{at}/id"))


def _uuid(value: Any, at: str) -> UUID:
    found = parse_uuid(value) if isinstance(value, str) else None
    if found is None:
        raise _refuse(at, "must be a UUID")
    return found


def _word(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
