"""Bearers for tests, made straight in the database: licenses, users, products, with their credentials."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from keygenreg.access.account_keys import generate_account_keys
from keygenreg.domain import token as tokens
from tests.daemon_fixtures import Account, Api

_COLUMNS = {
    "licenses": ("bearer_license_id", tokens.LICENSE),
    "users": ("bearer_user_id", tokens.USER),
    "products": ("bearer_product_id", tokens.PRODUCT),
    "environments": ("bearer_environment_id", tokens.ENVIRONMENT),
}


def days(count: float) -> datetime:
    """A moment that many days from now; negative ones are past."""
    return datetime.now(UTC) + timedelta(days=count)


def token_of(account: Account, type: str, identifier: str, environment: str | None = None) -> Api:
    """The API as the bearer of a new token."""
    column, kind = _COLUMNS[type]
    raw = tokens.new_secret(kind, secrets.token_hex)
    [(secret_key,)] = account.sql("SELECT secret_key FROM accounts WHERE id = %s", account.id)
    account.sql(
        f"INSERT INTO tokens (id, account_id, environment_id, {column}, digest) VALUES (%s, %s, %s, %s, %s)",
        str(uuid4()), account.id, environment, identifier, tokens.digest_of(secret_key, raw),
    )  # fmt: skip
    return account.admin.as_(raw)


KEYS = generate_account_keys()


def product_api(account: Account, product: dict) -> Api:
    """The API as a product."""
    return token_of(account, "products", product["id"])


def entitlement(account: Account, code: str) -> dict:
    """A new entitlement; what tests need of its resource object."""
    identifier = str(uuid4())
    account.sql(
        "INSERT INTO entitlements (id, account_id, name, code) VALUES (%s, %s, %s, %s)",
        identifier, account.id, code, code,
    )  # fmt: skip
    return {"id": identifier, "code": code}


class License:
    """A license with a policy of its own; ``token`` and ``key`` are the API as its bearer."""

    def __init__(
        self,
        account: Account,
        product: dict,
        *,
        owner: str | None = None,
        users: tuple[str, ...] = (),
        expiry: datetime | None = None,
        suspended: bool = False,
        entitlements: tuple[dict, ...] = (),
        policy_entitlements: tuple[dict, ...] = (),
        **policy: Any,
    ) -> None:
        self.account = account
        self.id, self.policy, self.secret = str(uuid4()), str(uuid4()), f"KEY-{uuid4()}"
        columns = {"authentication_strategy": "MIXED", **policy}
        account.sql(
            f"INSERT INTO policies (id, account_id, product_id, name, {', '.join(columns)}) "
            f"VALUES (%s, %s, %s, 'p'{', %s' * len(columns)})",
            self.policy, account.id, product["id"], *columns.values(),
        )  # fmt: skip
        account.sql(
            "INSERT INTO licenses (id, account_id, policy_id, owner_id, key, expiry, suspended) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            self.id, account.id, self.policy, owner, self.secret, expiry, suspended,
        )  # fmt: skip
        for user in users:
            self._join("license_users", license_id=self.id, user_id=user)
        for held in entitlements:
            self._join("license_entitlements", license_id=self.id, entitlement_id=held["id"])
        for held in policy_entitlements:
            self._join("policy_entitlements", policy_id=self.policy, entitlement_id=held["id"])
        self.token = token_of(account, "licenses", self.id)
        self.key = account.admin.as_(key=self.secret)

    def _join(self, table: str, **columns: str) -> None:
        self.account.sql(
            f"INSERT INTO {table} (id, account_id, {', '.join(columns)}) VALUES (%s, %s, %s, %s)",
            str(uuid4()), self.account.id, *columns.values(),
        )  # fmt: skip

    def set(self, **columns: Any) -> None:
        """Change columns of the license."""
        changes = ", ".join(f"{name} = %s" for name in columns)
        self.account.sql(f"UPDATE licenses SET {changes} WHERE id = %s", *columns.values(), self.id)

    @property
    def expiry(self) -> datetime | None:
        return self.account.sql("SELECT expiry FROM licenses WHERE id = %s", self.id)[0][0]


def user(account: Account, role: str = "user") -> str:
    """The id of a new user."""
    identifier = str(uuid4())
    account.sql(
        "INSERT INTO users (id, account_id, email, role) VALUES (%s, %s, %s, %s)",
        identifier, account.id, f"{identifier}@example.com", role,
    )  # fmt: skip
    return identifier


def staff(account: Account, role: str) -> Api:
    """The API as a new member of staff."""
    return token_of(account, "users", user(account, role))


def ids(answer: Any) -> set[str]:
    """The ids of a list document."""
    assert answer.status == 200, answer
    return {item["id"] for item in answer.data}


def codes(answer: Any) -> set[tuple[str | None, str | None]]:
    """Code and pointer of every error of an error document."""
    return {(error.get("code"), error.get("source", {}).get("pointer")) for error in answer.json["errors"]}
