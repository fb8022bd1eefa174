"""Who may write a record once it is found: the owner's rule and the environment's rule (api.md 2.8, 3.6, 3.8)."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from keygenreg.domain.failures import Denied
from keygenreg.domain.roles import bearer_permissions
from keygenreg.management.call import Call
from keygenreg.management.schema import Parsed

#: "W" of api.md 2.8; a product writes only what belongs to it.
WRITERS = ("admin", "developer", "environment", "product")
#: Who makes policies and licenses; a product only its own (api.md 2.9).
LICENSORS = ("admin", "developer", "sales-agent", "environment", "product")
#: Who makes what no product owns.
MANAGERS = ("admin", "developer", "environment")
#: Who may say what a record's bearer may do.
GRANTORS = ("admin", "developer", "environment", "product")


def require_reader(call: Call) -> None:
    """:raises Denied: the caller is neither staff nor an environment nor a product."""
    if not call.grant.staff and call.grant.role not in ("environment", "product"):
        raise Denied("Your role does not permit this.")


def require_writer(call: Call, product_id: UUID | None, roles: tuple[str, ...] = WRITERS) -> None:
    """
    The caller must be one of ``roles``, and if it is a product, the one that the record belongs to.

    :raises Denied: it is not (403).
    """
    role = call.grant.role
    if role not in roles:
        raise Denied("Your role does not permit this.")
    if role == "product" and call.grant.bearer.id != product_id:
        raise Denied("This belongs to another product.")


def require_writable(
    call: Call, row: dict, *, product_id: UUID | None = None, roles: tuple[str, ...] = WRITERS
) -> None:
    """
    The found record may be written by the caller, in the selected environment.

    :raises Denied: the role or owner does not permit it, or a global record was reached from a shared environment.
    """
    require_writer(call, product_id, roles)
    require_same_environment(call, row)


def require_same_environment(call: Call, row: dict) -> None:
    """:raises Denied: a global record was reached from a shared environment, where it can only be read."""
    if row.get("environment_id") != call.grant.environment_id:
        raise Denied("This record belongs to another environment.")


def adopt_environment(call: Call, body: Parsed) -> UUID | None:
    """
    The environment of a new record: the selected one; a body may repeat it but not name another.

    :raises Denied: another environment is asked for (403).
    """
    selected = call.grant.environment_id
    if "environment" in body.relationships and body.reference("environment") != selected:
        raise Denied("A record can only be made in the selected environment.")
    return selected


def require_grantable(call: Call, role: str, explicit: Iterable[str] | None) -> None:
    """
    Nobody gives away permissions that they do not have themselves.

    :param explicit: a record's own list of permissions; ``None`` for the default of its role.
    :raises Denied: the list, or the default, has more than the caller.
    """
    if not bearer_permissions(role, explicit, call.grant.account.settings) <= call.grant.bearer.permissions:
        raise Denied("You cannot give permissions that you do not have.")


def require_permissions_grantable(call: Call, role: str, body: Parsed) -> None:
    """:func:`require_grantable` for a body that says anything about permissions."""
    if "permissions" in body.attributes:
        require_grantable(call, role, body.attributes["permissions"])


def shown_permissions(row: dict) -> dict[str, list[str]]:
    """The attribute ``permissions`` of a record that does not have the default ones."""
    return {} if row["permissions"] is None else {"permissions": row["permissions"]}
