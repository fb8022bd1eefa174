"""YAML of strangers as a tree of plain nodes: nothing is constructed, resolved or executed.

PyYAML's events are put together here, within bounds on size, depth and what aliases may multiply.
Sources: YAML 1.1 as Psych writes it; RubyGems' own list of what a specification may hold (lib/rubygems/safe_yaml.rb).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from attrs import field, frozen

from keygenreg.domain.reading import IngestError

#: Size of the largest document, in bytes (engines.md 2.3); how deep it may be nested; how many nodes it may have, with
#: those behind an alias counted each time.
LONGEST = 1024 * 1024
DEEPEST = 40
MOST_NODES = 200_000

#: Objects that a document may hold, by what follows ``!ruby/object:``.
CLASSES = frozenset(
    {"Gem::Specification", "Gem::Version", "Gem::Version::Requirement", "Gem::Requirement", "Gem::Dependency",
     "Gem::Platform"}
)  # fmt: skip
_OBJECT = "!ruby/object:"
_CORE = "tag:yaml.org,2002:"
_BINARY = frozenset({"!binary", f"{_CORE}binary"})
_NEUTRAL = frozenset({"!", f"{_CORE}str", f"{_CORE}seq", f"{_CORE}map"})
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

# libyaml's parser is some twenty times faster; the events are the same.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@frozen
class Scalar:
    """A text; ``plain`` when it was written without quotes, ``binary`` when it is Base64 of bytes."""

    text: str
    plain: bool = False
    binary: bool = False
    weight: int = 1

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in _NULLS


@frozen
class Sequence:
    items: tuple[Node, ...]
    weight: int = field(default=1, eq=False)


@frozen
class Mapping:
    """``ruby_class`` is the class that its tag names; keys are texts."""

    members: dict[str, Node]
    ruby_class: str | None = None
    weight: int = field(default=1, eq=False)


Node = Scalar | Sequence | Mapping


def parse(document: str) -> Node:
    """
    The one document of a text.

    :raises IngestError: it is no YAML, or holds more than the bounds allow, a tag that is not of :data:`CLASSES`, an
        alias of what is around it, a key twice or that is no text, a merge key, or a second document.
    """
    if len(document.encode("utf-8", "replace")) > LONGEST:
        raise IngestError(f"The gem's specification is larger than {LONGEST >> 10} KiB, which is the limit.")
    events = _events(document)
    composer = _Composer(events)
    first = next(events)
    if not isinstance(first, yaml.DocumentStartEvent):
        raise IngestError("The gem's specification is empty; build the gem again.")
    root = composer.node(next(events), DEEPEST)
    next(events)
    if not isinstance(next(events), yaml.StreamEndEvent):
        raise IngestError("The gem's specification holds more than one document; build the gem again.")
    return root


def _events(document: str) -> Iterator[Any]:
    try:
        for event in yaml.parse(document, Loader=_LOADER):
            if not isinstance(event, yaml.StreamStartEvent):
                yield event
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reason = getattr(error, "problem", None) or "it holds characters that YAML does not allow"
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f" in line {line + 1}"
        raise IngestError(f"The gem's specification is no YAML{where}: {reason}; build the gem again.") from None


class _Composer:
    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Node] = {}
        self._count = 0

    def node(self, event: Any, depth: int) -> Node:
        if depth <= 0:
            raise IngestError(f"The gem's specification is nested more than {DEEPEST} deep; build the gem again.")
        if isinstance(event, yaml.AliasEvent):
            known = self._anchors.get(event.anchor)
            if known is None:
                raise IngestError("The gem's specification refers to something that is not there, or to itself.")
            self._add(known.weight)
            return known
        self._add(1)
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        ruby_class, binary = _read_tag(event)
        if isinstance(event, yaml.ScalarEvent):
            if ruby_class is not None:
                raise IngestError(f"The gem's specification holds a {ruby_class} that is a mere text.")
            found: Node = Scalar(event.value, not event.style and event.tag is None, binary)
        elif isinstance(event, yaml.SequenceStartEvent):
            if ruby_class is not None:
                raise IngestError(f"The gem's specification holds a {ruby_class} that is a list.")
            found = self._sequence(depth)
        else:
            found = self._mapping(ruby_class, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = found
        return found

    def _sequence(self, depth: int) -> Sequence:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self.node(event, depth - 1))
        return Sequence(tuple(items), 1 + sum(item.weight for item in items))

    def _mapping(self, ruby_class: str | None, depth: int) -> Mapping:
        members: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self.node(event, depth - 1)
            if not isinstance(key, Scalar) or key.binary or (key.plain and key.text == "<<"):
                raise IngestError("The gem's specification holds a key that is no plain text; build the gem again.")
            if key.text in members:
                raise IngestError(f"The gem's specification states {ascii(key.text[:60])} twice; build the gem again.")
            members[key.text] = self.node(next(self._events), depth - 1)
        return Mapping(members, ruby_class, 1 + sum(1 + member.weight for member in members.values()))

    def _add(self, weight: int) -> None:
        self._count += weight
        if self._count > MOST_NODES:
            raise IngestError(f"The gem's specification has more than {MOST_NODES} values, which is the limit.")


def _read_tag(event: Any) -> tuple[str | None, bool]:
    """The Ruby class that a node's tag names, and whether the node is binary."""
    tag = event.tag
    if tag is None or tag in _NEUTRAL:
        return None, False
    if tag in _BINARY and isinstance(event, yaml.ScalarEvent):
        return None, True
    ruby_class = tag.removeprefix(_OBJECT)
    if not tag.startswith(_OBJECT) or ruby_class not in CLASSES:
        raise IngestError(
            f"The gem's specification holds an object of a kind that is not read ({ascii(tag[:80])}); "
            "a specification has texts, lists and Gem:: objects only."
        )
    return ruby_class, False
