"""What bodies of users may hold, depending on who sends them (api.md 1.12, 2.9)."""

from __future__ import annotations

from typing import Any

from keygenreg.domain.identifiers import is_email, normal_email
from keygenreg.management.call import Call
from keygenreg.management.rules import LONGEST_NAME, Problems
from keygenreg.management.schema import Attribute, Relationship, Schema

ROLES = ("user", "admin", "developer", "sales-agent", "support-agent", "read-only")
#: Bytes of a password; the upper bound is that of the reference's hash (api.md 3.5).
SHORTEST_PASSWORD = 6
LONGEST_PASSWORD = 72

_NAMES = {"first_name": Attribute(nullable=True), "last_name": Attribute(nullable=True)}
_REST = {
    "password": Attribute(nullable=True),
    "metadata": Attribute("metadata"),
    "permissions": Attribute("strings", nullable=True),
    "role": Attribute(choices=ROLES),
}
CREATE = Schema(
    "users",
    {"email": Attribute(required=True, blank=False), **_NAMES, **_REST},
    {"environment": Relationship(("environments",), nullable=True)},
)
UPDATE = Schema("users", {"email": Attribute(blank=False), **_NAMES, **_REST})
UPDATE_SELF = Schema("users", {"email": Attribute(blank=False), **_NAMES})

_WITHOUT = {
    "admin": (),
    "developer": ("role",),
    "environment": ("role",),
    "product": ("role",),
}


def for_create(call: Call) -> Schema:
    """What the caller may say about a new user."""
    return CREATE.but(without=_WITHOUT.get(call.grant.role, ("role", "permissions")))


def for_update(call: Call, itself: bool) -> Schema:
    """What the caller may change of a user; ``itself``: of its own."""
    role = call.grant.role
    if itself and role not in ("admin", "developer"):
        return UPDATE_SELF
    without = _WITHOUT.get(role, ("role", "permissions"))
    # Products share users: one must not take over those of another.
    return UPDATE.but(without=without if role in ("admin", "developer", "environment") else (*without, "password"))


def normal(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes as they are stored, still with a clear password."""
    return attributes | ({"email": normal_email(attributes["email"])} if "email" in attributes else {})


def problems_of(values: dict[str, Any], role: str) -> Problems:
    """All rules that a user's values break."""
    problems = Problems()
    problems.longest(values, {"email": LONGEST_NAME, "first_name": LONGEST_NAME, "last_name": LONGEST_NAME})
    problems.metadata(values)
    problems.permissions(values, role)
    email = values.get("email")
    if email is not None and len(email) <= LONGEST_NAME and not is_email(email):
        problems.add("email", "INVALID", "must be an e-mail address")
    check_password(problems, values.get("password"))
    return problems


def check_password(problems: Problems, password: str | None, *, pointer: str | None = None) -> None:
    """Add what is wrong with a new password."""
    size = 0 if password is None else len(password.encode())
    if password is not None and size < SHORTEST_PASSWORD:
        problems.add("password", "TOO_SHORT", f"is too short (at least {SHORTEST_PASSWORD} bytes)", pointer=pointer)
    if size > LONGEST_PASSWORD:
        problems.add("password", "TOO_LONG", f"is too long (at most {LONGEST_PASSWORD} bytes)", pointer=pointer)
