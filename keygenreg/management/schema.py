"""What bodies may hold, as values: attributes, relationships, and what was read of them (api.md 2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from attrs import field, frozen

Kind = Literal["string", "integer", "boolean", "time", "metadata", "strings"]


@frozen
class Attribute:
    """
    One attribute of a body.

    ``required``: must be there and not null. ``nullable``: null is kept (else null is as if absent). ``blank``: an
    empty string is taken. ``choices``: any other value is refused with 400.
    """

    kind: Kind = "string"
    required: bool = False
    nullable: bool = False
    blank: bool = True
    choices: tuple[str, ...] | None = None


@frozen
class Relationship:
    """
    A relationship of a body: to one record of ``type``, or with ``nested`` to a list of records made along.

    ``nullable``: ``{"data": null}`` is kept as ``None``. ``types``: alternatives where the type is part of the value.
    """

    types: tuple[str, ...]
    required: bool = False
    nullable: bool = False
    nested: Schema | None = None


@frozen
class Schema:
    """What a resource object may hold; names are snake_case here and lowerCamelCase in pointers."""

    type: str
    attributes: Mapping[str, Attribute] = field(factory=dict)
    relationships: Mapping[str, Relationship] = field(factory=dict)
    client_id: bool = False

    def but(self, *, without: tuple[str, ...] = ()) -> Schema:
        """The schema without some attributes: for callers who may not set them."""
        kept = {name: rule for name, rule in self.attributes.items() if name not in without}
        return Schema(self.type, kept, self.relationships, self.client_id)


@frozen
class Reference:
    """A resource identifier: type and id."""

    type: str
    id: UUID


@frozen
class Parsed:
    """
    A checked body: only what was there, by snake_case name.

    ``relationships`` hold a :class:`Reference`, ``None``, or a list of :class:`Parsed` for nested ones.
    """

    attributes: dict[str, Any] = field(factory=dict)
    relationships: dict[str, Any] = field(factory=dict)
    id: UUID | None = None

    def reference(self, name: str) -> UUID | None:
        """The id that a relationship names; ``None`` when absent or null."""
        found = self.relationships.get(name)
        return found.id if found else None
