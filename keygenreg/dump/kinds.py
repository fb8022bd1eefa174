"""Every type of resource that a dump holds, in the order in which an export writes them (dump.md, types)."""

from __future__ import annotations

from types import MappingProxyType

from keygenreg.dump.distribution_kinds import ARTIFACTS, CONSTRAINTS, DESCRIPTORS, MANIFESTS, PACKAGES, RELEASES
from keygenreg.dump.kind import Kind
from keygenreg.dump.licensing_kinds import (
    ACCOUNTS,
    ENTITLEMENTS,
    ENVIRONMENTS,
    LICENSE_ENTITLEMENTS,
    LICENSE_USERS,
    LICENSES,
    POLICIES,
    POLICY_ENTITLEMENTS,
    PRODUCTS,
    SECOND_FACTORS,
    TOKENS,
    USERS,
)

KINDS: tuple[Kind, ...] = (
    ACCOUNTS,
    ENVIRONMENTS,
    ENTITLEMENTS,
    PRODUCTS,
    POLICIES,
    USERS,
    LICENSES,
    LICENSE_USERS,
    LICENSE_ENTITLEMENTS,
    POLICY_ENTITLEMENTS,
    TOKENS,
    PACKAGES,
    RELEASES,
    ARTIFACTS,
    CONSTRAINTS,
    MANIFESTS,
    DESCRIPTORS,
    SECOND_FACTORS,
)

BY_TYPE = MappingProxyType({kind.type: kind for kind in KINDS})

#: Those that have a table, parents before their children.
STORED = tuple(kind for kind in KINDS if kind.stored)
