"""SQL as values: a query is a named text, fixed at import time."""

from __future__ import annotations

from attrs import frozen


@frozen
class Query:
    """One SQL statement.

    ``name`` is a few plain words for logs and errors (``"files of a package"``).
    ``sql`` uses named parameters ``%(name)s`` only; a literal percent sign is written ``%%``.
    ``scoped`` queries read from the ``visible_*`` names (and nothing else that is visible per bearer) and must be run
    with a :class:`~keygenreg.domain.scope.Scope`; others name the reason they need none in ``unscoped``.
    """

    name: str
    sql: str
    unscoped: str | None = None
