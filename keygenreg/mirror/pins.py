"""Which kept files stay whatever else needs room: globs of names and of files, as the database compares them."""

from __future__ import annotations

import re
from collections.abc import Callable

from attrs import frozen


@frozen
class Pins:
    """Patterns of LIKE, of names in their normal form and of files; case does not matter."""

    names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @classmethod
    def of(cls, globs: tuple[str, ...], normalize: Callable[[str], str]) -> Pins:
        """:param globs: each of a name or of a file: ``*`` is any text, ``?`` one character."""
        return cls(tuple(as_like(normalize(glob)) for glob in globs), tuple(map(as_like, globs)))

    @property
    def parameters(self) -> dict[str, list[str]]:
        return {"pinned_names": list(self.names), "pinned_files": list(self.files)}


def as_like(glob: str) -> str:
    """A glob as a pattern of SQL's LIKE, with the backslash as its escape."""
    escaped = re.sub(r"([\\%_])", r"\\\1", glob)
    return re.sub(r"\*+", "%", escaped).replace("?", "_")
