"""Small worlds made by hand, a record at a time, for examples with a name."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeVar

from attrs import define, field

from tests.access.records import (
    Artifact,
    Constraint,
    Entitlement,
    Environment,
    License,
    Package,
    Policy,
    Product,
    Record,
    Release,
    Token,
    User,
    Viewer,
    World,
)
from tests.access.worlds import NOW, identifiers

R = TypeVar("R", bound=Record)


def hours(number: float) -> datetime:
    """A moment that many hours after the world's now."""
    return NOW + timedelta(hours=number)


@define
class Scene:
    """One account to which a test adds what it needs; ``environment`` is that of all records not told otherwise."""

    world: World = field(factory=lambda: World(now=NOW))
    environment: Environment | None = None
    _ids: Any = field(factory=identifiers)

    def __attrs_post_init__(self) -> None:
        self.world.accounts.append(next(self._ids))

    @property
    def account(self):
        return self.world.accounts[0]

    def _add(self, kind: type[R], records: list[R], facts: dict[str, Any]) -> R:
        facts.setdefault("environment", self.environment)
        record = kind(id=next(self._ids), account=self.account, **facts)
        records.append(record)
        return record

    def make_environment(self, *, shared: bool = False) -> Environment:
        environment = Environment(id=next(self._ids), account=self.account, shared=shared)
        self.world.environments.append(environment)
        return environment

    def product(self, strategy: str = "LICENSED", **facts) -> Product:
        return self._add(Product, self.world.products, {"strategy": strategy, **facts})

    def package(self, product: Product, **facts) -> Package:
        return self._add(Package, self.world.packages, {"product": product, **facts})

    def entitlement(self, **facts) -> Entitlement:
        return self._add(Entitlement, self.world.entitlements, facts)

    def policy(self, product: Product, **facts) -> Policy:
        return self._add(Policy, self.world.policies, {"product": product, **facts})

    def license(self, product: Product, *, expiration="RESTRICT_ACCESS", inherits=(), holds=(), **facts) -> License:
        """A license with a policy of its own; ``inherits`` are the policy's entitlements, ``holds`` its own."""
        policy = self.policy(product, expiration=expiration, entitlements=list(inherits))
        return self._add(License, self.world.licenses, {"policy": policy, "entitlements": list(holds), **facts})

    def user(self, role: str = "user", **facts) -> User:
        return self._add(User, self.world.users, {"role": role, **facts})

    def token(self, bearer, **facts) -> Token:
        return self._add(Token, self.world.tokens, {"bearer": bearer, **facts})

    def release(self, product: Product, status: str = "PUBLISHED", *, needs=(), **facts) -> Release:
        facts.setdefault("created", hours(-2))
        release = self._add(Release, self.world.releases, {"product": product, "status": status, **facts})
        for entitlement in needs:
            self._add(Constraint, self.world.constraints, {"release": release, "entitlement": entitlement})
        return release

    def artifact(self, release: Release, status: str = "UPLOADED", **facts) -> Artifact:
        return self._add(Artifact, self.world.artifacts, {"release": release, "status": status, **facts})

    def viewer(self, bearer=None, selected: Environment | None = None) -> Viewer:
        return Viewer(account=self.account, bearer=bearer, selected=selected or self.environment)
