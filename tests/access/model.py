"""Who sees what, in plain Python: written from the tables of api.md 3.8 and 4.1-4.6, not from the SQL that it judges.

Each function is one sentence or table of the specification; :func:`views` has one entry for each ``visible_*`` name.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tests.access.records import (
    Artifact,
    Constraint,
    Entitlement,
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

# --- api.md 3.8: which records there are at all ---------------------------------------------------------------------


def reachable(viewer: Viewer, record: Record) -> bool:
    """A record of the viewer's account and selected environment."""
    if record.account != viewer.account:
        return False
    if viewer.selected is None:
        return record.environment is None
    if viewer.selected.shared:
        return record.environment is None or record.environment is viewer.selected
    return record.environment is viewer.selected


# --- api.md 4.1: the words of the rules ----------------------------------------------------------------------------


def pubopen(world: World, release: Release) -> bool:
    return release.product.strategy == "OPEN" and release.status == "PUBLISHED" and not world.needs(release)


def ent(world: World, license: License, release: Release) -> bool:
    held = set(license.entitlements) | set(license.policy.entitlements)
    return world.needs(release) <= held


def eff(release: Release) -> datetime:
    return release.created if release.backdated is None else release.backdated


def win(world: World, license: License, release: Release) -> bool:
    if license.expiry is None:
        return True
    strategy = license.policy.expiration
    if strategy == "ALLOW_ACCESS":
        return True
    if strategy in ("RESTRICT_ACCESS", "MAINTAIN_ACCESS"):
        return eff(release) <= license.expiry
    return world.now <= license.expiry  # REVOKE_ACCESS


def ok(world: World, license: License) -> bool:
    if license.suspended or (license.owner is not None and license.owner.banned):
        return False
    expired = license.expiry is not None and license.expiry < world.now
    return not (expired and license.policy.expiration == "REVOKE_ACCESS")


def licenses_of(world: World, viewer: Viewer) -> list[License]:
    if isinstance(viewer.bearer, License):
        mine = [viewer.bearer]
    elif isinstance(viewer.bearer, User):
        mine = [license for license in world.licenses if license.belongs_to(viewer.bearer)]
    else:
        mine = []
    return [license for license in mine if reachable(viewer, license)]


# --- api.md 4.2, 4.3, 4.6: releases and artifacts -----------------------------------------------------------------


def visible(world: World, viewer: Viewer, release: Release) -> bool:
    """Stage 1: what is not visible is 404 and in no list."""
    if not reachable(viewer, release):
        return False
    if viewer.staff or viewer.is_environment:
        return True
    if viewer.is_product:
        return release.product is viewer.bearer
    if release.status != "PUBLISHED":
        return False
    if pubopen(world, release):
        return True
    if release.product.strategy == "CLOSED":
        return False
    return any(
        license.product is release.product and ent(world, license, release) and win(world, license, release)
        for license in licenses_of(world, viewer)
    )


def permitted(world: World, viewer: Viewer, release: Release) -> bool:
    """Stage 2, for a visible release: what is not permitted is 403."""
    if viewer.staff or viewer.is_environment or viewer.is_product:
        return True
    return pubopen(world, release) or any(
        license.product is release.product
        and ok(world, license)
        and ent(world, license, release)
        and win(world, license, release)
        for license in licenses_of(world, viewer)
    )


def sees_artifact(world: World, viewer: Viewer, artifact: Artifact) -> bool:
    """A deleted artifact (YANKED) is gone for everybody; customers see finished uploads only (api.md 4.2, 1.6)."""
    if not reachable(viewer, artifact) or not visible(world, viewer, artifact.release):
        return False
    if viewer.staff or viewer.is_environment or viewer.is_product:
        return artifact.status != "YANKED"
    return artifact.status == "UPLOADED"


# --- api.md 4.5, 2.9, 2.10: everything else ------------------------------------------------------------------------


def sees_product(world: World, viewer: Viewer, product: Product) -> bool:
    """Customers: LICENSED products that they hold a license for, in whatever state, and OPEN ones."""
    if viewer.staff or viewer.is_environment:
        return True
    if viewer.is_product:
        return product is viewer.bearer
    if product.strategy == "OPEN":
        return True
    return product.strategy == "LICENSED" and any(
        license.product is product for license in licenses_of(world, viewer)
    )


def sees_package(world: World, viewer: Viewer, package: Package) -> bool:
    return sees_product(world, viewer, package.product)


def sees_entitlement(world: World, viewer: Viewer, entitlement: Entitlement) -> bool:
    if viewer.staff or viewer.is_environment or viewer.is_product:
        return True
    return any(
        entitlement in license.entitlements or entitlement in license.policy.entitlements
        for license in licenses_of(world, viewer)
    )


def sees_policy(world: World, viewer: Viewer, policy: Policy) -> bool:
    if viewer.staff or viewer.is_environment:
        return True
    if viewer.is_product:
        return policy.product is viewer.bearer
    return any(license.policy is policy for license in licenses_of(world, viewer))


def sees_license(world: World, viewer: Viewer, license: License) -> bool:
    if viewer.staff or viewer.is_environment:
        return True
    if viewer.is_product:
        return license.product is viewer.bearer
    return license in licenses_of(world, viewer)


def sees_user(world: World, viewer: Viewer, user: User) -> bool:
    """Environments and products know customers only, never the vendor's staff (api.md 2.9)."""
    if viewer.staff:
        return True
    if viewer.is_environment or viewer.is_product:
        return user.role == "user"
    if isinstance(viewer.bearer, License):
        return viewer.bearer.belongs_to(user)
    return viewer.bearer is user


def sees_token(world: World, viewer: Viewer, token: Token) -> bool:
    """A product: its own, its licenses' and its users' tokens (api.md 2.10)."""
    if viewer.staff or viewer.is_environment:
        return True
    bearer = token.bearer
    if viewer.is_product and isinstance(bearer, License):
        return bearer.product is viewer.bearer
    if viewer.is_product and isinstance(bearer, User):
        return bearer.role == "user" and any(
            license.product is viewer.bearer and license.belongs_to(bearer) for license in world.licenses
        )
    return viewer.bearer is not None and bearer is viewer.bearer


def sees_constraint(world: World, viewer: Viewer, constraint: Constraint) -> bool:
    return visible(world, viewer, constraint.release)


def views(world: World, viewer: Viewer) -> dict[str, dict[UUID, bool]]:
    """For each ``visible_*`` name the ids that the viewer sees, with whether each is permitted."""

    def those(records, sees) -> dict[UUID, bool]:
        return {r.id: True for r in records if reachable(viewer, r) and sees(world, viewer, r)}

    return {
        "visible_releases": {
            r.id: permitted(world, viewer, r) for r in world.releases if visible(world, viewer, r)
        },
        "visible_artifacts": {
            a.id: permitted(world, viewer, a.release) for a in world.artifacts if sees_artifact(world, viewer, a)
        },
        "visible_packages": those(world.packages, sees_package),
        "visible_products": those(world.products, sees_product),
        "visible_entitlements": those(world.entitlements, sees_entitlement),
        "visible_policies": those(world.policies, sees_policy),
        "visible_licenses": those(world.licenses, sees_license),
        "visible_users": those(world.users, sees_user),
        "visible_tokens": those(world.tokens, sees_token),
        "visible_constraints": those(world.constraints, sees_constraint),
    }
