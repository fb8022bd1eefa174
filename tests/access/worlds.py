"""Small random worlds of registry records, and everybody who may look at one."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from tests.access.records import (
    Artifact,
    Constraint,
    Entitlement,
    Environment,
    License,
    Package,
    Policy,
    Product,
    Release,
    Token,
    User,
    Viewer,
    World,
)

EXPIRATIONS = ("RESTRICT_ACCESS", "REVOKE_ACCESS", "MAINTAIN_ACCESS", "ALLOW_ACCESS")
#: The clock of every world; the loader moves it to the database's.
NOW = datetime(2031, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
STAFF = ("admin", "developer", "sales-agent", "support-agent", "read-only")


def identifiers() -> Iterable[UUID]:
    """Ids that come in the same order in every run, so that failures are reproducible."""
    numbers = random.Random(1)
    while True:
        yield UUID(int=numbers.getrandbits(128), version=4)


#: Hours from now; few values, so that a release's date often equals a license's expiry exactly.
_PAST = st.sampled_from((-3, -2, -1, 0))
_EXPIRY = st.sampled_from((None, None, -3, -2, -1, 0, 1))
_BACKDATED = st.sampled_from((None, None, None, -3, -2, -1, 1))
_STRATEGY = st.sampled_from(("LICENSED", "LICENSED", "LICENSED", "LICENSED", "OPEN", "OPEN", "CLOSED"))
_RELEASE_STATUS = st.sampled_from(("PUBLISHED", "PUBLISHED", "PUBLISHED", "PUBLISHED", "DRAFT", "YANKED"))
_ARTIFACT_STATUS = st.sampled_from(("UPLOADED", "UPLOADED", "UPLOADED", "WAITING", "PROCESSING", "FAILED", "YANKED"))
_PRODUCTS = {1: st.just(1), 3: st.sampled_from((1, 1, 2, 3))}
_ROLE = st.sampled_from(("user", "user", "user", *STAFF))
_RARELY = st.sampled_from((False, False, True))


class _Builder:
    """Draws the records of one account after another into a world."""

    def __init__(self, draw) -> None:
        self.draw, self.world, self.ids = draw, World(now=NOW), identifiers()

    def moment(self, hours: int | None) -> datetime | None:
        return None if hours is None else self.world.now + timedelta(hours=hours)

    def several(self, least: int, most: int) -> range:
        return range(self.draw(st.integers(least, most)))

    def some(self, records: list) -> list:
        """A few of the records, each at most once."""
        return self.draw(st.lists(st.sampled_from(records), max_size=2, unique_by=id)) if records else []

    def one(self, records: list):
        return self.draw(st.sampled_from(records))

    def own(self, parent=None) -> dict:
        """Id, account and environment; mostly the parent's environment, as the service itself would have it."""
        choices = [parent.environment if parent else None] * 9
        environment = self.one([*choices, None, *self.environments])
        return {"id": next(self.ids), "account": self.account, "environment": environment}

    def account_with(self, most: int) -> None:
        world, draw = self.world, self.draw
        self.account = next(self.ids)
        self.environments = [
            Environment(id=next(self.ids), account=self.account, shared=shared) for shared in (False, True)
        ]
        entitlements = [Entitlement(**self.own()) for _ in self.several(0, most)]
        products = [Product(**self.own(), strategy=draw(_STRATEGY)) for _ in range(draw(_PRODUCTS[most]))]
        packages = [Package(**self.own(p), product=p) for p in (self.one(products) for _ in self.several(0, 2))]
        users = [User(**self.own(), role=draw(_ROLE), banned=draw(_RARELY)) for _ in self.several(1, most)]
        policies = [self.policy(self.one(products), entitlements) for _ in self.several(1, most)]
        licenses = [self.license(self.one(policies), users, entitlements) for _ in self.several(1, most + 1)]
        releases = [self.release(self.one([*packages, *products])) for _ in self.several(1, most + 2)]
        for release in releases:
            for entitlement in self.some(entitlements):
                world.constraints.append(Constraint(**self.own(release), release=release, entitlement=entitlement))
            if draw(st.booleans()):
                world.artifacts.append(Artifact(**self.own(release), release=release, status=draw(_ARTIFACT_STATUS)))
        bearers = [*products, *licenses, *users]
        tokens = [Token(**self.own(b), bearer=b) for b in self.some(bearers)]
        tokens += [
            Token(id=next(self.ids), account=self.account, environment=self.one([None, e]), bearer=e)
            for e in self.some(self.environments)
        ]
        world.accounts.append(self.account)
        for name, records in (
            ("environments", self.environments),
            ("entitlements", entitlements),
            ("products", products),
            ("packages", packages),
            ("users", users),
            ("policies", policies),
            ("licenses", licenses),
            ("releases", releases),
            ("tokens", tokens),
        ):
            getattr(world, name).extend(records)

    def policy(self, product: Product, entitlements: list[Entitlement]) -> Policy:
        expiration = self.draw(st.sampled_from(EXPIRATIONS))
        return Policy(
            **self.own(product), product=product, expiration=expiration, entitlements=self.some(entitlements)
        )

    def license(self, policy: Policy, users: list[User], entitlements: list[Entitlement]) -> License:
        return License(
            **self.own(policy),
            policy=policy,
            owner=self.one([None, *users]),
            users=self.some(users),
            expiry=self.moment(self.draw(_EXPIRY)),
            suspended=self.draw(_RARELY),
            entitlements=self.some(entitlements),
        )

    def release(self, parent: Package | Product) -> Release:
        return Release(
            **self.own(parent),
            product=parent.product if isinstance(parent, Package) else parent,
            package=parent if isinstance(parent, Package) else None,
            created=self.moment(self.draw(_PAST)),
            backdated=self.moment(self.draw(_BACKDATED)),
            status=self.draw(_RELEASE_STATUS),
        )


@st.composite
def worlds(draw) -> World:
    """Two accounts: a populated one, and a small one whose records must never show up in the first."""
    builder = _Builder(draw)
    builder.account_with(most=3)
    builder.account_with(most=1)
    return builder.world


def viewers(world: World) -> list[Viewer]:
    """Everybody who can look at the first account: each bearer with each environment, and nobody in particular."""
    account = world.accounts[0]

    def of_account(records) -> list:
        return [record for record in records if record.account == account]

    environments = of_account(world.environments)
    bearers = [None, *of_account([*world.products, *world.licenses, *world.users])]
    found = [Viewer(account=account, bearer=b, selected=e) for b in bearers for e in (None, *environments)]
    # An environment's token counts in that environment only (api.md 3.8).
    return found + [Viewer(account=account, bearer=e, selected=e) for e in environments]
