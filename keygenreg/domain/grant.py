"""Who is calling, once admitted: the bearer, its permissions and its scope."""

from __future__ import annotations

from uuid import UUID

from attrs import field, frozen

from keygenreg.domain.account import Account, Environment
from keygenreg.domain.failures import Denied, Unauthenticated
from keygenreg.domain.roles import STAFF_ROLES
from keygenreg.domain.scope import EnvironmentScope, Scope, ScopeKind


@frozen
class Bearer:
    """Whom the credentials stand for. ``type`` is the JSON:API type: users, licenses, products or environments."""

    type: str
    id: UUID
    role: str
    permissions: frozenset[str] = field(repr=False)
    environment_id: UUID | None = None

    @property
    def staff(self) -> bool:
        return self.role in STAFF_ROLES

    @property
    def scope_kind(self) -> ScopeKind:
        if self.staff:
            return "staff"
        return self.role  # type: ignore[return-value]  # environment, product, license, user


@frozen
class Grant:
    """The outcome of admission. ``bearer`` is ``None`` for anonymous callers, ``token_id`` unless a token was used."""

    account: Account
    environment: Environment | None = None
    bearer: Bearer | None = None
    token_id: UUID | None = None

    @property
    def scope(self) -> Scope:
        environment = self.environment and EnvironmentScope(self.environment.id, self.environment.shared)
        if self.bearer is None:
            return Scope(self.account.id, "anonymous", None, environment)
        kind = self.bearer.scope_kind
        bearer_id = self.bearer.id if kind in ("product", "license", "user") else None
        return Scope(self.account.id, kind, bearer_id, environment)

    @property
    def role(self) -> str:
        return self.bearer.role if self.bearer else "anonymous"

    @property
    def staff(self) -> bool:
        return self.bearer is not None and self.bearer.staff

    @property
    def environment_id(self) -> UUID | None:
        """The environment that new records belong to."""
        return self.environment.id if self.environment else None

    def authenticated(self) -> Bearer:
        """The bearer; :raises Unauthenticated: there is none (401 ``TOKEN_MISSING``)."""
        if self.bearer is None:
            raise Unauthenticated("This needs credentials: send a token or a license key.", "TOKEN_MISSING")
        return self.bearer

    def may(self, permission: str) -> bool:
        """Whether the bearer has a permission; anonymous callers have those of reading."""
        if self.bearer is None:
            return permission in _ANONYMOUS
        return permission in self.bearer.permissions

    def require(self, permission: str) -> None:
        """:raises Denied: the bearer lacks the permission (403)."""
        if not self.may(permission):
            raise Denied(f"You do not have permission to do this (needs {permission}).")


_ANONYMOUS = frozenset(
    f"{name}.read" for name in ("artifact", "release", "package", "engine", "platform", "arch", "channel", "constraint")
) | {"release.download", "release.upgrade"}
