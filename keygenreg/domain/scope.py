"""What a bearer may see, as a small hashable value that the database layer compiles into SQL."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from attrs import frozen

ScopeKind = Literal["staff", "environment", "product", "license", "user", "anonymous"]


@frozen
class EnvironmentScope:
    """The selected environment: its own records, and the global ones too when it is shared."""

    id: UUID
    shared: bool


@frozen
class Scope:
    """Who looks, in which account and environment.

    ``kind`` decides the shape of the rule, ``bearer_id`` fills it in: the id of the product, license or user
    (``None`` for staff, environments and anonymous callers). Source: api.md 4.2, 3.8.
    """

    account_id: UUID
    kind: ScopeKind
    bearer_id: UUID | None = None
    environment: EnvironmentScope | None = None
