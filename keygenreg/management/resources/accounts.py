"""The account itself (api.md 1.2, 2.9); accounts are made by the command line."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Denied
from keygenreg.domain.identifiers import is_slug, parse_uuid
from keygenreg.formats.http_signature import load_private_key
from keygenreg.formats.jsonapi_document import account_path
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.changes import update
from keygenreg.management.dialect import SUPPORTED
from keygenreg.management.router import Route
from keygenreg.management.rules import LONGEST_NAME, Problems
from keygenreg.management.schema import Attribute, Schema
from keygenreg.web.reply import Reply

ACCOUNT = Query("account to show", "SELECT t.* FROM accounts t WHERE t.id = %(id)s", "found by admission")
SLUG_TAKEN = Query(
    "account slug in use",
    "SELECT 1 AS taken FROM accounts WHERE slug = %(slug)s AND id <> %(id)s",
    "slugs are unique in the whole installation",
)

UPDATE = Schema(
    "accounts",
    {
        "name": Attribute(nullable=True, blank=False),
        "slug": Attribute(blank=False),
        "api_version": Attribute(nullable=True, blank=False),
        "protected": Attribute("boolean"),
    },
)
_PARTS = (
    "environments", "products", "packages", "releases", "artifacts", "entitlements", "policies", "licenses", "users",
    "tokens", "engines", "platforms", "arches", "channels",
)  # fmt: skip


def document(call: Call, row: dict) -> dict:
    """The account as a resource object, with the keys that verify its answers."""
    path = account_path(row["id"])
    rsa = _public_pem(row["rsa_private_key"])
    ecdsa = _public_pem(row["ecdsa_private_key"])
    keys = {
        "ed25519": _public_ed25519(row["ed25519_private_key"]),
        "rsa2048": rsa and b64encode(rsa.encode()).decode(),
        "ecdsaP256": ecdsa and b64encode(ecdsa.encode()).decode(),
    }
    return {
        "id": str(row["id"]),
        "type": "accounts",
        "attributes": {
            "name": row["name"],
            "slug": row["slug"],
            "apiVersion": row["api_version"],
            "status": row["status"],
            "protected": row["protected"],
            "created": row["created"],
            "updated": row["updated"],
        },
        "relationships": {part: {"links": {"related": f"{path}/{part}"}} for part in _PARTS},
        "links": {"self": path},
        "meta": {"publicKey": rsa, "keys": keys},
    }


def _public_ed25519(seed: str) -> str | None:
    """The raw public key, 32 bytes in Base64; ``None`` for a seed that is none."""
    try:
        key = load_private_key(seed)
    except ValueError:
        return None
    return b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


@lru_cache(maxsize=64)
def _public_pem(private_pem: str) -> str | None:
    """The public half of a key in PEM; ``None`` for text that is no key."""
    try:
        # Checking an RSA key's primes takes long, and it was checked when it was stored.
        key = load_pem_private_key(private_pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _require_this(call: Call, account: str) -> None:
    """:raises NotFound: a path names another account below this one."""
    if account != call.grant.account.slug and parse_uuid(account) != call.account_id:
        raise call.not_found("account", account)


async def show(call: Call, account: str) -> Reply:
    _require_this(call, account)
    call.grant.require("account.read")
    return call.ok(document(call, await call.database.one(ACCOUNT, id=call.account_id)))


async def change(call: Call, account: str) -> Reply:
    _require_this(call, account)
    call.grant.require("account.update")
    if call.grant.role not in ("admin", "developer") or call.grant.environment is not None:
        raise Denied("Only administrators and developers of the whole account may do this.")
    values = read_resource(UPDATE, call.body).attributes

    async def work(transaction: Transaction) -> dict:
        await _check(call, transaction, values)
        await update(transaction, "accounts", call.account_id, values)
        return await transaction.one(ACCOUNT, id=call.account_id)

    return call.ok(document(call, await call.database.transact(work)))


async def _check(call: Call, transaction: Transaction, values: dict[str, Any]) -> None:
    problems = Problems()
    problems.longest(values, {"name": LONGEST_NAME, "slug": LONGEST_NAME})
    problems.among(values, "api_version", SUPPORTED)
    slug = values.get("slug")
    if slug is not None and len(slug) <= LONGEST_NAME and not is_slug(slug):
        problems.add("slug", "INVALID", "must be lower-case letters, digits and dashes, and not look like an id")
    elif slug and await transaction.maybe(SLUG_TAKEN, slug=slug, id=call.account_id):
        problems.add("slug", "TAKEN", "has already been taken")
    problems.raise_any()


ROUTES = (
    Route("GET", "/accounts/{account}", show),
    Route("PATCH", "/accounts/{account}", change),
)
