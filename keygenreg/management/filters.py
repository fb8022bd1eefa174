"""Filters of lists that several resource types share, as query parameters (api.md 2.8)."""

from __future__ import annotations

from typing import Any

from keygenreg.domain.identifiers import parse_uuid
from keygenreg.formats.metadata_keys import stored_key
from keygenreg.management.call import Call

_TRUE = frozenset({"true", "1", "t", "yes"})
_FALSE = frozenset({"false", "0", "f", "no"})

#: A condition on the metadata of the alias ``t``, with the parameters of :func:`metadata_filter`.
METADATA_MATCHES = """(cardinality(%(metadata_keys)s::text[]) = 0 OR NOT EXISTS (
    SELECT 1 FROM unnest(%(metadata_keys)s::text[], %(metadata_values)s::text[]) wanted (key, value)
    WHERE t.metadata->>wanted.key IS DISTINCT FROM wanted.value))"""


def flag(call: Call, name: str) -> bool | None:
    """A filter that is true or false; ``None`` when it is absent or neither."""
    text = (call.query.text(name) or "").lower()
    return True if text in _TRUE else False if text in _FALSE else None


def reference(call: Call, name: str) -> dict[str, Any]:
    """A filter by id or alias: parameters ``<name>`` (the text, ``None`` for no filter) and ``<name>_id``."""
    return as_reference(name, call.query.text(name))


def as_reference(name: str, value: str | None) -> dict[str, Any]:
    """As :func:`reference`, of a value at hand."""
    return {name: value, f"{name}_id": parse_uuid(value)}


def status(call: Call) -> str | None:
    """The status filter, which ignores case."""
    text = call.query.text("status")
    return None if text is None else text.upper()


def metadata_filter(call: Call) -> dict[str, list[str]]:
    """``metadata[key]=value`` as parameters; all must match, keys in any spelling."""
    wanted = call.query.members("metadata")
    return {"metadata_keys": [stored_key(key) for key in wanted], "metadata_values": list(wanted.values())}
