"""Types of resource in a dump that decide who may what (dump.md, accounts to tokens; second factors)."""

from __future__ import annotations

from types import MappingProxyType

from keygenreg.dump.declaring import ANY_METADATA, ENTITLEMENT, OWNED, PERMISSIONS, choice, link, named, to
from keygenreg.dump.kind import ACCOUNT, Aside, Attribute, Kind, Relationship, Unique
from keygenreg.formats.dump.values import BOOLEAN, INTEGER, KEY, SETTINGS, TEXT, TEXTS, TIME

_LIMITS = named(INTEGER, "maxMachines", "maxProcesses", "maxUsers", "maxCores", "maxMemory", "maxDisk", "maxUses")


def _unique_code(*, always: bool) -> Unique:
    return Unique("code", ("r.account_id", "lower(r.code)"), "true" if always else "r.code IS NOT NULL")


ACCOUNTS = Kind(
    "accounts",
    "account",
    attributes=(
        Attribute("name", TEXT),
        Attribute("slug", KEY, required=True),
        choice("status", "PENDING", "TRIALING", "SUBSCRIBED", "CANCELING", "PAUSED", "CANCELED", default="SUBSCRIBED"),
        Attribute("protected", BOOLEAN, default=False),
        Attribute("apiVersion", TEXT),
        Attribute("cname", KEY),
        Attribute("domain", KEY),
        Attribute("settings", SETTINGS, default={}),
    ),
    secrets=frozenset({"ed25519PrivateKey", "rsaPrivateKey", "ecdsaPrivateKey", "secretKey"}),
    extras=("ed25519_private_key", "rsa_private_key", "ecdsa_private_key", "secret_key"),
    unique=(
        Unique("slug", ("r.slug",)),
        Unique("cname", ("lower(r.cname)",), "r.cname IS NOT NULL"),
        Unique("domain", ("lower(r.domain)",), "r.domain IS NOT NULL"),
    ),
    aside=Aside("slug = t.id::text, cname = NULL, domain = NULL", ("slug", "cname", "domain")),
)

ENVIRONMENTS = Kind(
    "environments",
    "environment",
    attributes=(
        Attribute("code", KEY, required=True),
        Attribute("name", TEXT, required=True),
        choice("isolationStrategy", "ISOLATED", "SHARED", default="ISOLATED"),
    ),
    relationships=(ACCOUNT,),
    unique=(_unique_code(always=True),),
    aside=Aside("code = t.id::text", ("code", "account_id")),
)

ENTITLEMENTS = Kind(
    "entitlements",
    "entitlement",
    attributes=(Attribute("code", KEY, required=True), Attribute("name", TEXT, required=True), ANY_METADATA),
    relationships=OWNED,
    unique=(_unique_code(always=True),),
    aside=Aside("code = t.id::text", ("code", "account_id")),
)

PRODUCTS = Kind(
    "products",
    "product",
    attributes=(
        Attribute("name", TEXT, required=True),
        Attribute("code", KEY),
        choice("distributionStrategy", "LICENSED", "OPEN", "CLOSED", default="LICENSED"),
        Attribute("url", TEXT),
        Attribute("platforms", TEXTS),
        PERMISSIONS,
        ANY_METADATA,
    ),
    relationships=OWNED,
    unique=(_unique_code(always=False),),
    aside=Aside("code = NULL", ("code", "account_id")),
)

POLICIES = Kind(
    "policies",
    "policy",
    attributes=(
        Attribute("name", TEXT, required=True),
        Attribute("duration", INTEGER),
        *named(BOOLEAN, "strict", "usePool", "encrypted", "protected", "floating", default=False),
        *_LIMITS,
        choice(
            "expirationStrategy",
            *("RESTRICT_ACCESS", "REVOKE_ACCESS", "MAINTAIN_ACCESS", "ALLOW_ACCESS"),
            default="RESTRICT_ACCESS",
        ),
        choice(
            "expirationBasis",
            *("FROM_CREATION", "FROM_FIRST_VALIDATION", "FROM_FIRST_ACTIVATION", "FROM_FIRST_DOWNLOAD"),
            "FROM_FIRST_USE",
            default="FROM_CREATION",
        ),
        choice("renewalBasis", "FROM_EXPIRY", "FROM_NOW", "FROM_NOW_IF_EXPIRED", default="FROM_EXPIRY"),
        choice("transferStrategy", "KEEP_EXPIRY", "RESET_EXPIRY", default="KEEP_EXPIRY"),
        choice("authenticationStrategy", "TOKEN", "LICENSE", "SESSION", "MIXED", "NONE", default="TOKEN"),
        choice(
            "overageStrategy",
            *("NO_OVERAGE", "ALWAYS_ALLOW_OVERAGE", "ALLOW_1_25X_OVERAGE", "ALLOW_1_5X_OVERAGE", "ALLOW_2X_OVERAGE"),
            default="NO_OVERAGE",
        ),
        Attribute("machineUniquenessStrategy", TEXT, default="UNIQUE_PER_LICENSE"),
        Attribute("machineMatchingStrategy", TEXT, default="MATCH_ANY"),
        Attribute("componentUniquenessStrategy", TEXT, default="UNIQUE_PER_MACHINE"),
        Attribute("componentMatchingStrategy", TEXT, default="MATCH_ANY"),
        Attribute("machineLeasingStrategy", TEXT, default="PER_LICENSE"),
        Attribute("processLeasingStrategy", TEXT, default="PER_MACHINE"),
        Attribute("heartbeatDuration", INTEGER),
        Attribute("heartbeatCullStrategy", TEXT, default="DEACTIVATE_DEAD"),
        Attribute("heartbeatResurrectionStrategy", TEXT, default="NO_REVIVE"),
        choice("heartbeatBasis", "FROM_CREATION", "FROM_FIRST_PING", default="FROM_FIRST_PING"),
        *named(BOOLEAN, "requireHeartbeat", "requireCheckIn", default=False),
        choice("checkInInterval", "day", "week", "month", "year"),
        Attribute("checkInIntervalCount", INTEGER),
        *named(
            BOOLEAN,
            *("requireProductScope", "requirePolicyScope", "requireMachineScope", "requireFingerprintScope"),
            *("requireComponentsScope", "requireUserScope", "requireChecksumScope", "requireVersionScope"),
            "requireEnvironmentScope",
            default=False,
        ),
        Attribute("scheme", TEXT),
        ANY_METADATA,
    ),
    relationships=(*OWNED, to("products", "product_id")),
)

USERS = Kind(
    "users",
    "user",
    attributes=(
        Attribute("email", KEY, required=True),
        *named(TEXT, "firstName", "lastName"),
        choice("role", "admin", "developer", "read-only", "sales-agent", "support-agent", "user", default="user"),
        *named(TIME, "banned", "passwordResetSent"),
        PERMISSIONS,
        ANY_METADATA,
    ),
    relationships=OWNED,
    secrets=frozenset({"password", "passwordHash", "passwordResetToken"}),
    extras=("password_hash", "password_reset_digest"),
    unique=(Unique("email", ("r.account_id", "lower(r.email)")),),
    aside=Aside("email = t.id::text", ("email", "account_id")),
)

LICENSES = Kind(
    "licenses",
    "license",
    attributes=(
        Attribute("key", TEXT, required=True),
        Attribute("name", TEXT),
        Attribute("expiry", TIME),
        Attribute("uses", INTEGER, default=0),
        Attribute("suspended", BOOLEAN, default=False),
        Attribute("protected", BOOLEAN),
        *_LIMITS,
        *named(TEXT, "version", "lastValidatedChecksum"),
        *named(TIME, "lastValidated", "lastCheckIn", "lastCheckOut"),
        PERMISSIONS,
        ANY_METADATA,
    ),
    relationships=(*OWNED, to("policies", "policy_id"), to("users", "owner_id", required=False)),
    unique=(Unique("key", ("r.account_id", "sha256(convert_to(r.key, 'UTF8'))")),),
    aside=Aside("key = t.id::text", ("key", "account_id")),
)


_LICENSE = to("licenses", "license_id")
_POLICY = to("policies", "policy_id")
_USER = to("users", "user_id")

LICENSE_USERS = link("license-users", "license user", _LICENSE, _USER)
LICENSE_ENTITLEMENTS = link("license-entitlements", "license entitlement", _LICENSE, ENTITLEMENT)
POLICY_ENTITLEMENTS = link("policy-entitlements", "policy entitlement", _POLICY, ENTITLEMENT)

BEARERS = MappingProxyType(
    {
        "users": "bearer_user_id",
        "licenses": "bearer_license_id",
        "products": "bearer_product_id",
        "environments": "bearer_environment_id",
    }
)

TOKENS = Kind(
    "tokens",
    "token",
    attributes=(
        Attribute("name", TEXT),
        Attribute("expiry", TIME),
        Attribute("permissions", TEXTS, default=["*"]),
        *named(INTEGER, "maxActivations", "maxDeactivations"),
        *named(INTEGER, "activations", "deactivations", default=0),
    ),
    relationships=(*OWNED, Relationship("bearer", BEARERS, required=True)),
    secrets=frozenset({"token", "digest"}),
    extras=("digest",),
    unique=(Unique("secret", ("r.account_id", "r.digest")),),
    leaf=True,
)

SECOND_FACTORS = Kind(
    "second-factors",
    "second factor",
    attributes=(Attribute("enabled", BOOLEAN, default=False),),
    relationships=(*OWNED, _USER),
    secrets=frozenset({"secret"}),
    stored=False,
)
