"""Short ways to declare what many types of resource have."""

from __future__ import annotations

from keygenreg.dump.kind import ACCOUNT, ENVIRONMENT, Attribute, Kind, Relationship, Unique
from keygenreg.formats.dump.values import METADATA, TEXTS, Value, one_of


def named(value: Value, *names: str, default: object = None) -> tuple[Attribute, ...]:
    """Attributes of one kind of value and one default."""
    return tuple(Attribute(name, value, default=default) for name in names)


def choice(name: str, *words: str, default: str | None = None) -> Attribute:
    """An attribute out of a list of words."""
    return Attribute(name, one_of(*words), default=default)


def to(type: str, column: str, *, required: bool = True, shares: str | None = None) -> Relationship:
    """A reference to one type; the relationship has its column's name without ``_id``."""
    name = column.removesuffix("_id")
    return Relationship(name, {type: column}, required=required, shares=shares)


#: What every resource that people describe has.
ANY_METADATA = Attribute("metadata", METADATA, default={})
PERMISSIONS = Attribute("permissions", TEXTS)
OWNED = (ACCOUNT, ENVIRONMENT)


def link(type: str, noun: str, first: Relationship, second: Relationship) -> Kind:
    """A link without attributes of its own; each pair occurs once."""
    pair = tuple(f"r.{column}" for each in (first, second) for column in each.targets.values())
    what = f"pair of {first.name} and {second.name}"
    return Kind(type, noun, relationships=(*OWNED, first, second), unique=(Unique(what, pair),), leaf=True)


ENTITLEMENT = to("entitlements", "entitlement_id")
