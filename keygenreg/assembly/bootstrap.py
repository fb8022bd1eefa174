"""First things: the installation's signing key, accounts with their first administrator."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any
from uuid import uuid4

from keygenreg.access.account_keys import AccountKeys, generate_account_keys
from keygenreg.access.passwords import hash_password
from keygenreg.domain.identifiers import is_email, is_slug, normal_email
from keygenreg.domain.token import digest_of, kind_of, new_secret

FIRST_SLUG = "default"
FIRST_EMAIL = "admin@example.com"
FIRST_ADMIN_FILE = "first-admin.json"


class CannotCreate(Exception):
    """The account cannot be made; the text says why."""


def signing_key(connection: Any) -> bytes:
    """The installation's key for signed URLs; made on the first call. ``connection`` is a psycopg2 one."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO installation (signing_key) VALUES (%s) ON CONFLICT DO NOTHING", (secrets.token_bytes(32),)
        )
        cursor.execute("SELECT signing_key FROM installation")
        return bytes(cursor.fetchone()[0])


def create_account(
    connection: Any,
    slug: str,
    email: str,
    password: str | None = None,
    *,
    name: str | None = None,
    keys: AccountKeys | None = None,
) -> dict[str, Any]:
    """
    Make an account and its first administrator, in one transaction.

    :param connection: a psycopg2 connection.
    :param password: at least six bytes; ``None`` makes one.
    :param keys: the account's keys; ``None`` makes them.
    :return: ``{"account": {"id", "slug"}, "email", "password", "token"}``.
    :raises CannotCreate: a malformed or taken slug, a malformed e-mail address, a password of the wrong length.
    """
    with connection, connection.cursor() as cursor:
        return _create(cursor, slug, email, password, name, keys or generate_account_keys())


def _create(
    cursor: Any, slug: str, email: str, password: str | None, name: str | None, keys: AccountKeys
) -> dict[str, Any]:
    email = normal_email(email)
    if not is_slug(slug):
        raise CannotCreate(f"{slug!r} cannot be an account's slug: use lower-case letters, digits and dashes.")
    if not is_email(email):
        raise CannotCreate(f"{email!r} is not an e-mail address.")
    password = secrets.token_urlsafe(18) if password is None else password
    if not 6 <= len(password.encode()) <= 72:
        raise CannotCreate("The password must have 6 to 72 bytes.")
    account, user = uuid4(), uuid4()
    token = new_secret(kind_of("users", "admin"), secrets.token_hex)
    cursor.execute(
        """INSERT INTO accounts (id, slug, name, protected, secret_key, ed25519_private_key, rsa_private_key,
            ecdsa_private_key)
        VALUES (%s, %s, %s, true, %s, %s, %s, %s) ON CONFLICT (slug) DO NOTHING""",
        (
            str(account),
            slug,
            name or slug,
            keys.secret_key,
            keys.ed25519_private_key,
            keys.rsa_private_key,
            keys.ecdsa_private_key,
        ),
    )
    if not cursor.rowcount:
        raise CannotCreate(f"There is an account {slug!r} already.")
    cursor.execute(
        "INSERT INTO users (id, account_id, email, role, password_hash) VALUES (%s, %s, %s, 'admin', %s)",
        (str(user), str(account), email, hash_password(password)),
    )
    cursor.execute(
        "INSERT INTO tokens (id, account_id, bearer_user_id, name, digest) VALUES (%s, %s, %s, %s, %s)",
        (str(uuid4()), str(account), str(user), "first administrator", digest_of(keys.secret_key, token)),
    )
    return {"account": {"id": str(account), "slug": slug}, "email": email, "password": password, "token": token}


def create_first_account(connection: Any, data_dir: Path) -> dict[str, Any] | None:
    """
    On an empty registry make the account ``default``, and leave its administrator in ``first-admin.json`` (0600).

    :return: as :func:`create_account`; ``None`` when there are accounts already.
    """
    with connection, connection.cursor() as cursor:
        # Two daemons of one database may start at once.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('first account', 0))")
        cursor.execute("SELECT 1 FROM accounts LIMIT 1")
        if cursor.fetchone():
            return None
        made = _create(cursor, FIRST_SLUG, FIRST_EMAIL, None, None, generate_account_keys())
    path = data_dir / FIRST_ADMIN_FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(made, file, indent=2)
        file.write("\n")
    return made
