"""Rules of records that several resource types share; faults are gathered and answered together as 422."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keygenreg.domain.failures import Invalid, Problem
from keygenreg.domain.identifiers import is_reserved, looks_like_uuid
from keygenreg.domain.roles import ALLOWED
from keygenreg.formats.metadata_keys import shown_key, size_problem

LONGEST_NAME = 255
LARGEST_NUMBER = 2**31 - 1
LONGEST_DESCRIPTION = 16 * 1024


class Problems:
    """The faults found in one body."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, attribute: str, word: str, detail: str, *, pointer: str | None = None) -> None:
        """
        :param attribute: snake_case name; gives the code ``<ATTRIBUTE>_<WORD>`` and, unless given, the pointer.
        :param word: ``TAKEN``, ``INVALID``, ``TOO_LONG``, ``NOT_ALLOWED``, ``MISSING`` and so on.
        """
        at = pointer or f"/data/attributes/{shown_key(attribute)}"
        self._found.append(Problem(at, f"{attribute.upper()}_{word}", detail))

    def relationship(self, name: str, word: str, detail: str, *, pointer: str | None = None) -> None:
        """As :meth:`add`, for a relationship."""
        self.add(name, word, detail, pointer=pointer or f"/data/relationships/{shown_key(name)}")

    def longest(self, attributes: Mapping[str, Any], limits: Mapping[str, int]) -> None:
        """Texts that are longer than their limit, in characters."""
        for name, most in limits.items():
            value = attributes.get(name)
            if isinstance(value, str) and len(value) > most:
                self.add(name, "TOO_LONG", f"is too long (at most {most} characters)")

    def among(self, attributes: Mapping[str, Any], name: str, allowed: Iterable[str]) -> None:
        """A value outside of a list."""
        value = attributes.get(name)
        if value is not None and value not in allowed:
            self.add(name, "NOT_ALLOWED", f"must be one of: {', '.join(allowed)}")

    def alias(self, attributes: Mapping[str, Any], name: str) -> None:
        """An alias must not look like an id, and not be a word that paths use (api.md 1.1)."""
        value = attributes.get(name)
        if value is None:
            return
        if looks_like_uuid(value):
            self.add(name, "INVALID", "must not look like an id")
        self.reserved(attributes, name)

    def reserved(self, attributes: Mapping[str, Any], name: str) -> None:
        """A word that paths use."""
        if is_reserved(attributes.get(name) or ""):
            self.add(name, "NOT_ALLOWED", "is reserved")

    def permissions(self, attributes: Mapping[str, Any], role: str) -> None:
        """Permissions that a bearer of the role cannot have; ``*`` is all that it can."""
        unknown = sorted(set(attributes.get("permissions") or ()) - ALLOWED[role] - {"*"})
        if unknown:
            self.add("permissions", "NOT_ALLOWED", f"unsupported permissions: {', '.join(unknown)[:255]}")

    def between(self, attributes: Mapping[str, Any], names: Iterable[str], least: int) -> None:
        """Numbers outside of a range that starts at ``least``."""
        for name in names:
            value = attributes.get(name)
            if value is not None and not least <= value <= LARGEST_NUMBER:
                self.add(name, "INVALID", f"must be from {least} to {LARGEST_NUMBER}")

    def metadata(self, attributes: Mapping[str, Any]) -> None:
        """Metadata that is too much (api.md 1.1)."""
        problem = size_problem(attributes["metadata"]) if attributes.get("metadata") else None
        if problem is not None:
            self.add("metadata", "TOO_LONG" if problem == "too_large" else "INVALID", problem.replace("_", " "))

    def raise_any(self) -> None:
        """:raises Invalid: with everything found, if anything was."""
        if self._found:
            raise Invalid.of(*self._found)
