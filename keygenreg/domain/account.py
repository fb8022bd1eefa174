"""An account and the environments in it: the tenants of a registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from attrs import field, frozen

#: In these states an account's requests are served; in the others every one answers 403 (dump.md, accounts).
OPEN_STATUSES = frozenset({"PENDING", "TRIALING", "SUBSCRIBED", "CANCELING"})


@frozen
class Account:
    """A tenant. The keys sign its answers and digest its tokens; they never appear in ``repr``."""

    id: UUID
    slug: str
    name: str | None
    status: str
    protected: bool
    api_version: str | None
    settings: Mapping[str, Any] = field(hash=False)
    secret_key: str = field(repr=False)
    ed25519_private_key: str = field(repr=False)

    @property
    def active(self) -> bool:
        return self.status in OPEN_STATUSES


@frozen
class Environment:
    """A selected environment of an account."""

    id: UUID
    code: str
    isolation_strategy: str

    @property
    def shared(self) -> bool:
        return self.isolation_strategy == "SHARED"
