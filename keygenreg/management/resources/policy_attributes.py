"""The many attributes of a policy: what a body may hold, the rules of each, and how they are shown (api.md 1.10, 2.9).

Most of them govern licensing in the field and have no effect on distribution: they are stored and shown again.
"""

from __future__ import annotations

from typing import Any

from keygenreg.domain.expiry import MIN_DURATION
from keygenreg.formats.metadata_keys import shown_key
from keygenreg.management.call import Call
from keygenreg.management.rules import LARGEST_NUMBER, LONGEST_NAME, Problems
from keygenreg.management.schema import Attribute

_UNIQUENESS = ("UNIQUE_PER_ACCOUNT", "UNIQUE_PER_PRODUCT", "UNIQUE_PER_POLICY", "UNIQUE_PER_LICENSE")
_MATCHING = ("MATCH_ANY", "MATCH_TWO", "MATCH_MOST", "MATCH_ALL")

#: Attributes with a fixed set of values.
STRATEGIES: dict[str, tuple[str, ...]] = {
    "expiration_strategy": ("RESTRICT_ACCESS", "REVOKE_ACCESS", "MAINTAIN_ACCESS", "ALLOW_ACCESS"),
    "expiration_basis": (
        "FROM_CREATION", "FROM_FIRST_VALIDATION", "FROM_FIRST_ACTIVATION", "FROM_FIRST_DOWNLOAD", "FROM_FIRST_USE",
    ),
    "renewal_basis": ("FROM_EXPIRY", "FROM_NOW", "FROM_NOW_IF_EXPIRED"),
    "transfer_strategy": ("KEEP_EXPIRY", "RESET_EXPIRY"),
    "authentication_strategy": ("TOKEN", "LICENSE", "SESSION", "MIXED", "NONE"),
    "overage_strategy": (
        "NO_OVERAGE", "ALWAYS_ALLOW_OVERAGE", "ALLOW_1_25X_OVERAGE", "ALLOW_1_5X_OVERAGE", "ALLOW_2X_OVERAGE",
    ),
    "machine_uniqueness_strategy": _UNIQUENESS,
    "machine_matching_strategy": _MATCHING,
    "component_uniqueness_strategy": (*_UNIQUENESS, "UNIQUE_PER_MACHINE"),
    "component_matching_strategy": _MATCHING,
    "machine_leasing_strategy": ("PER_LICENSE", "PER_USER"),
    "process_leasing_strategy": ("PER_MACHINE", "PER_LICENSE", "PER_USER"),
    "heartbeat_cull_strategy": ("DEACTIVATE_DEAD", "KEEP_DEAD"),
    "heartbeat_resurrection_strategy": (
        "NO_REVIVE", "1_MINUTE_REVIVE", "2_MINUTE_REVIVE", "5_MINUTE_REVIVE", "10_MINUTE_REVIVE", "15_MINUTE_REVIVE",
        "ALWAYS_REVIVE",
    ),
    "heartbeat_basis": ("FROM_CREATION", "FROM_FIRST_PING"),
}  # fmt: skip
CHECK_IN_INTERVALS = ("day", "week", "month", "year")
LIMITS = ("max_machines", "max_processes", "max_users", "max_cores", "max_memory", "max_disk", "max_uses")
_FLAGS = (
    "strict", "floating", "protected", "require_heartbeat", "require_check_in", "require_product_scope",
    "require_policy_scope", "require_machine_scope", "require_fingerprint_scope", "require_components_scope",
    "require_user_scope", "require_checksum_scope", "require_version_scope", "require_environment_scope",
)  # fmt: skip
#: Ways of making keys that are not built.
_UNSUPPORTED = ("scheme", "encrypted", "use_pool")

ATTRIBUTES = {
    "duration": Attribute("integer", nullable=True),
    **{name: Attribute() for name in STRATEGIES},
    **{name: Attribute("integer", nullable=True) for name in LIMITS},
    **{name: Attribute("boolean") for name in _FLAGS},
    "heartbeat_duration": Attribute("integer", nullable=True),
    "check_in_interval": Attribute(nullable=True),
    "check_in_interval_count": Attribute("integer", nullable=True),
    "scheme": Attribute(nullable=True),
    "encrypted": Attribute("boolean"),
    "use_pool": Attribute("boolean"),
    "metadata": Attribute("metadata"),
}

_SHOWN = ("name", "duration", *STRATEGIES, *LIMITS, *_FLAGS, "heartbeat_duration", "check_in_interval",
          "check_in_interval_count", *_UNSUPPORTED)  # fmt: skip


def problems_of(values: dict[str, Any]) -> Problems:
    """All rules that the values of a body break."""
    problems = Problems()
    problems.longest(values, {"name": LONGEST_NAME})
    problems.metadata(values)
    for name, allowed in STRATEGIES.items():
        problems.among(values, name, allowed)
    duration = values.get("duration")
    if duration is not None and not MIN_DURATION <= duration <= LARGEST_NUMBER:
        problems.add("duration", "INVALID", f"must be from {MIN_DURATION} (one day) to {LARGEST_NUMBER} seconds")
    problems.between(values, LIMITS, 0)
    problems.between(values, ("heartbeat_duration", "check_in_interval_count"), 1)
    problems.among(values, "check_in_interval", CHECK_IN_INTERVALS)
    for name in _UNSUPPORTED:
        if values.get(name):
            problems.add(name, "NOT_SUPPORTED", "is not supported by this registry")
    return problems


def shown(call: Call, row: dict) -> dict[str, Any]:
    """A policy's attributes as the API shows them."""
    return {shown_key(name): row[name] for name in _SHOWN} | {"metadata": call.metadata(row["metadata"])}
