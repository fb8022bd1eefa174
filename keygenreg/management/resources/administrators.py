"""The rule that an account is never without an administrator (api.md 1.2, USR-05)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Invalid, Problem
from keygenreg.management.call import Call

# Two administrators who remove each other at once must not both succeed.
_LOCK = Query(
    "lock an account's administrators",
    "SELECT id FROM accounts WHERE id = %(account)s FOR UPDATE",
    unscoped="guards a rule of the whole account",
)
_FULL = "role = 'admin' AND environment_id IS NULL AND (permissions IS NULL OR '*' = ANY(permissions))"
_ADMINISTRATORS = Query(
    "administrators of an account",
    f"SELECT id FROM users WHERE account_id = %(account)s AND {_FULL}",
    unscoped="a rule of the whole account",
)


async def require_another_administrator(
    call: Call, transaction: Transaction, user_id: UUID, *, after: dict[str, Any] | None
) -> None:
    """
    A user may be changed or removed: an administrator of the whole account, with all rights, remains.

    :param after: the user as it will be; ``None`` when it goes.
    :raises Invalid: it is the last one (422 ``ACCOUNT_ADMINS_REQUIRED``).
    """
    if after is not None and _is_full(after):
        return
    await transaction.one(_LOCK, account=call.account_id)
    found = [row["id"] for row in await transaction.rows(_ADMINISTRATORS, account=call.account_id)]
    if found == [user_id]:
        raise Invalid.of(
            Problem(
                "/data/relationships/account", "ACCOUNT_ADMINS_REQUIRED", "account must have at least one admin user"
            )
        )


def _is_full(user: dict[str, Any]) -> bool:
    permissions = user["permissions"]
    return user["role"] == "admin" and (permissions is None or "*" in permissions)
