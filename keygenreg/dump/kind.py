"""How a type of resource in a dump is declared: its attributes, relationships, secrets, and where they are stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from attrs import field, frozen

from keygenreg.formats.dump.values import TIME, Value

_CAPITAL = re.compile(r"[A-Z]")


def _column(name: str) -> str:
    return _CAPITAL.sub(lambda match: "_" + match[0].lower(), name)


@frozen
class Attribute:
    """A value of a resource; left out or null it is ``default``, unless it is required."""

    name: str
    value: Value
    required: bool = field(default=False, kw_only=True)
    default: Any = field(default=None, kw_only=True)

    @cached_property
    def column(self) -> str:
        return _column(self.name)

    @cached_property
    def default_text(self) -> str | None:
        """The default as PostgreSQL reads it."""
        return None if self.default is None else self.value.read(self.default)


@frozen
class Relationship:
    """
    A reference to another resource of the same account.

    :param targets: the types it may name, each with the column that then holds the id.
    :param shares: a column that this resource and the one referred to must agree in.
    """

    name: str
    targets: Mapping[str, str]
    required: bool = field(default=False, kw_only=True)
    shares: str | None = field(default=None, kw_only=True)


@frozen
class Unique:
    """
    What no two resources of a type may share.

    :param what: the attribute's name, for the message.
    :param columns: expressions over the row ``r``.
    :param among: a condition on ``r``; the rule is for those only.
    """

    what: str
    columns: tuple[str, ...]
    among: str = "true"


@frozen
class Aside:
    """
    How a stored row that is about to be overwritten gives up its unique values first, so that two resources can
    exchange theirs in one import.

    :param changes: the SET clause; ``t`` is the stored row.
    :param when: the columns a difference in which makes it necessary.
    """

    changes: str
    when: tuple[str, ...]


@frozen(eq=False)
class Kind:
    """
    A type of resource.

    :param noun: one of them, in messages.
    :param secrets: members of ``private``; :mod:`keygenreg.dump.completing` knows what they mean.
    :param extras: columns beside attributes and relationships; staged, but not exported as attributes.
    :param kept: for columns that a dump may leave open: what an overwritten row gets (``t`` is the stored row,
        ``excluded`` the new one).
    :param aside: for types with unique values whose rows are overwritten in place.
    :param leaf: nothing refers to this type: its rows are deleted before they are written again.
    :param stored: false for types that are read and forgotten.
    """

    type: str
    noun: str
    attributes: tuple[Attribute, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    secrets: frozenset[str] = frozenset()
    extras: tuple[str, ...] = ()
    unique: tuple[Unique, ...] = ()
    kept: Mapping[str, str] = field(factory=dict)
    aside: Aside | None = None
    leaf: bool = False
    stored: bool = True

    @cached_property
    def table(self) -> str:
        return self.type.replace("-", "_")

    @cached_property
    def stage(self) -> str:
        """The temporary table that takes the lines of this type."""
        return f"stage_{self.table}"

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The columns of all relationships."""
        return tuple(column for each in self.relationships for column in each.targets.values())

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All columns that a line fills, in the order of staged rows; ``line`` comes before them."""
        names = (attribute.column for attribute in self.attributes)
        return ("id", *self.references, *names, "created", "updated", *self.extras)


CREATED = Attribute("created", TIME)
UPDATED = Attribute("updated", TIME)
ACCOUNT = Relationship("account", {"accounts": "account_id"}, required=True)
ENVIRONMENT = Relationship("environment", {"environments": "environment_id"})
