"""The records of a registry as bare facts that point at each other: what the model reasons about."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attrs import define, field


@define(eq=False, kw_only=True)
class Environment:
    id: UUID
    account: UUID
    shared: bool


@define(eq=False, kw_only=True)
class Record:
    """What every record has. ``environment`` is ``None`` for global ones."""

    id: UUID
    account: UUID
    environment: Environment | None = None


@define(eq=False, kw_only=True)
class Product(Record):
    strategy: str = "LICENSED"
    permissions: list[str] | None = None


@define(eq=False, kw_only=True)
class Package(Record):
    product: Product


@define(eq=False, kw_only=True)
class Entitlement(Record):
    pass


@define(eq=False, kw_only=True)
class Policy(Record):
    product: Product
    expiration: str = "RESTRICT_ACCESS"
    authentication: str = "MIXED"
    entitlements: list[Entitlement] = field(factory=list)


@define(eq=False, kw_only=True)
class User(Record):
    role: str = "user"
    banned: bool = False
    permissions: list[str] | None = None
    password_hash: str | None = None

    @property
    def email(self) -> str:
        return f"{self.id}@example.com"


@define(eq=False, kw_only=True)
class License(Record):
    policy: Policy
    owner: User | None = None
    users: list[User] = field(factory=list)
    expiry: datetime | None = None
    suspended: bool = False
    entitlements: list[Entitlement] = field(factory=list)
    permissions: list[str] | None = None
    key_prefix: str = ""

    @property
    def key(self) -> str:
        return f"{self.key_prefix}{self.id}"

    @property
    def product(self) -> Product:
        return self.policy.product

    def belongs_to(self, user: User) -> bool:
        return self.owner is user or user in self.users


@define(eq=False, kw_only=True)
class Release(Record):
    product: Product
    created: datetime
    package: Package | None = None
    status: str = "PUBLISHED"
    backdated: datetime | None = None


@define(eq=False, kw_only=True)
class Artifact(Record):
    release: Release
    status: str = "UPLOADED"


@define(eq=False, kw_only=True)
class Constraint(Record):
    release: Release
    entitlement: Entitlement


@define(eq=False, kw_only=True)
class Token(Record):
    bearer: Product | License | User | Environment
    expiry: datetime | None = None
    permissions: list[str] | None = None

    @property
    def secret(self) -> str:
        return f"{self.id}v3"


@define(eq=False, kw_only=True)
class World:
    """All records of a registry at the moment ``now``; ``settings`` are those of each of its accounts."""

    now: datetime
    accounts: list[UUID] = field(factory=list)
    environments: list[Environment] = field(factory=list)
    products: list[Product] = field(factory=list)
    packages: list[Package] = field(factory=list)
    entitlements: list[Entitlement] = field(factory=list)
    policies: list[Policy] = field(factory=list)
    users: list[User] = field(factory=list)
    licenses: list[License] = field(factory=list)
    releases: list[Release] = field(factory=list)
    artifacts: list[Artifact] = field(factory=list)
    constraints: list[Constraint] = field(factory=list)
    tokens: list[Token] = field(factory=list)
    settings: dict = field(factory=dict)

    def needs(self, release: Release) -> set[Entitlement]:
        return {constraint.entitlement for constraint in self.constraints if constraint.release is release}


@define(eq=False, kw_only=True)
class Viewer:
    """Somebody who looks at one account with one environment selected; ``bearer`` is ``None`` for anonymous callers."""

    account: UUID
    bearer: Product | License | User | Environment | None = None
    selected: Environment | None = None

    @property
    def staff(self) -> bool:
        return isinstance(self.bearer, User) and self.bearer.role != "user"

    @property
    def is_environment(self) -> bool:
        return isinstance(self.bearer, Environment)

    @property
    def is_product(self) -> bool:
        return isinstance(self.bearer, Product)
