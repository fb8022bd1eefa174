"""Turns credentials into a bearer: the outcomes table of api.md 3.3 and engines.md 1.4."""

from __future__ import annotations

import hashlib
import hmac
from math import inf
from uuid import UUID

from attrs import frozen

from keygenreg.access.passwords import Passwords
from keygenreg.database.pool import Database
from keygenreg.database.queries import access as queries
from keygenreg.database.transactions import Transaction
from keygenreg.domain.account import Account, Environment
from keygenreg.domain.failures import Denied, Source, TooMany, Unauthenticated
from keygenreg.domain.grant import Bearer
from keygenreg.domain.identifiers import is_email, parse_uuid
from keygenreg.domain.roles import bearer_permissions, narrowed
from keygenreg.domain.token import digest_of
from keygenreg.formats.authorization import LicenseKeyCredential, PasswordCredential, TokenCredential


@frozen
class RecognisedCredential:
    """
    Credentials that were judged before and are named by what they are of: a token's id, or a license's whose key was
    sent. Only an engine that signed such a name itself may present one; it is judged anew each time.

    ``proof`` is :func:`proof_of` the token as it was: one that got another secret since then is not known any more.
    """

    token_id: UUID | None = None
    license_id: UUID | None = None
    proof: str = ""


def proof_of(digest: str) -> str:
    """A text that tells one secret of a token from another and nothing else; ``digest`` is what is stored of it."""
    return hashlib.sha256(f"token {digest}".encode()).hexdigest()[:32]


Credential = TokenCredential | LicenseKeyCredential | PasswordCredential | RecognisedCredential

_TOKEN_STRATEGIES = ("TOKEN", "MIXED")
_KEY_STRATEGIES = ("LICENSE", "MIXED")
#: Password attempts a minute for one address and e-mail (api.md 3.5).
ATTEMPTS = 5
WINDOW_SECONDS = 60


@frozen
class Authenticated:
    """A bearer, where a token was used the token's id, and when the credentials end (Unix seconds)."""

    bearer: Bearer
    token_id: UUID | None = None
    until: float = inf


@frozen
class Authenticator:
    """Judges credentials. ``uniform_errors`` hides which e-mail addresses exist (api.md 3.5)."""

    database: Database
    passwords: Passwords
    uniform_errors: bool = False

    async def authenticate(
        self,
        account: Account,
        environment: Environment | None,
        credential: Credential,
        *,
        client: str = "",
    ) -> Authenticated:
        """
        :param client: the client's address, for limiting password attempts.
        :raises Unauthenticated, Denied, TooMany: with the code of the outcomes table.
        """
        if isinstance(credential, TokenCredential):
            return await self._token(account, environment, credential.token)
        if isinstance(credential, LicenseKeyCredential):
            return await self._license_key(account, environment, credential.key)
        if isinstance(credential, RecognisedCredential):
            return await self._recognised(account, environment, credential)
        return await self._password(account, environment, credential, client)

    async def _token(self, account: Account, environment: Environment | None, raw: str) -> Authenticated:
        if parse_uuid(raw) is not None:
            raise Unauthenticated(
                "That is an id, not a token: use the secret shown when the token was made.", "TOKEN_FORMAT_INVALID"
            )
        row = await self.database.maybe(
            queries.TOKEN, account=account.id, digest=digest_of(account.secret_key, raw)
        )
        return self._judge_token(account, environment, row)

    async def _recognised(
        self, account: Account, environment: Environment | None, named: RecognisedCredential
    ) -> Authenticated:
        if named.token_id is not None:
            row = await self.database.maybe(queries.TOKEN_BY_ID, account=account.id, id=named.token_id)
            known = row is not None and hmac.compare_digest(proof_of(row["digest"]), named.proof)
            return self._judge_token(account, environment, row if known else None)
        row = await self.database.maybe(queries.LICENSE_BY_ID, account=account.id, id=named.license_id)
        return self._judge_license(account, environment, row)

    @staticmethod
    def _judge_token(account: Account, environment: Environment | None, row: dict | None) -> Authenticated:
        if row is None or not _reachable(row["bearer_environment"], row["environment_id"], environment):
            raise Unauthenticated("The token is not known here.", "TOKEN_INVALID")
        if row["expired"]:
            raise Unauthenticated("The token has expired.", "TOKEN_EXPIRED")
        if row["user_banned"] or row["owner_banned"]:
            raise Denied("The user is banned.", "USER_BANNED")
        if row["bearer_license_id"] and row["authentication_strategy"] not in _TOKEN_STRATEGIES:
            raise Denied("This license's policy does not allow tokens.", "TOKEN_NOT_ALLOWED")
        return Authenticated(_bearer_of_token(row, account), row["token_id"], _end(row))

    async def _license_key(self, account: Account, environment: Environment | None, key: str) -> Authenticated:
        row = await self.database.maybe(queries.LICENSE, account=account.id, key=key) if "\0" not in key else None
        return self._judge_license(account, environment, row)

    @staticmethod
    def _judge_license(account: Account, environment: Environment | None, row: dict | None) -> Authenticated:
        if row is None or not _reachable(row["environment_id"], None, environment):
            raise Unauthenticated("The license key is not known here.", "LICENSE_INVALID")
        if row["owner_banned"]:
            raise Denied("The license's owner is banned.", "LICENSE_BANNED")
        if row["suspended"]:
            raise Denied("The license is suspended.", "LICENSE_SUSPENDED")
        if row["revoked"]:
            raise Denied("The license has expired.", "LICENSE_EXPIRED")
        if row["authentication_strategy"] not in _KEY_STRATEGIES:
            raise Denied("This license's policy does not allow its key as credentials.", "LICENSE_NOT_ALLOWED")
        permissions = _license_permissions(row, row["permissions"], account)
        bearer = Bearer("licenses", row["id"], "license", permissions, row["environment_id"])
        return Authenticated(bearer, until=_end(row))

    async def _password(
        self,
        account: Account,
        environment: Environment | None,
        credential: PasswordCredential,
        client: str,
    ) -> Authenticated:
        def wrong(code: str, detail: str) -> Unauthenticated:
            source = Source(header="Authorization")
            if self.uniform_errors:
                return Unauthenticated("The e-mail address or the password is wrong.", "CREDENTIALS_INVALID", source)
            return Unauthenticated(detail, code, source)

        email = credential.email.strip().lower()
        if not is_email(email):
            raise wrong("EMAIL_REQUIRED", "The user name must be an e-mail address.")
        await self.limit_password_attempts(account, client, email)
        row = await self.database.maybe(queries.USER_BY_EMAIL, account=account.id, email=email)
        if row is None or not self._may_enter(row, environment):
            # Spend the time of a comparison in every case, so that timing tells nothing.
            await self.passwords.verify(None, credential.password)
            raise wrong("EMAIL_INVALID", "There is no user with this e-mail address.")
        if row["password_hash"] is None:
            await self.passwords.verify(None, credential.password)
            raise wrong("PASSWORD_NOT_SUPPORTED", "This user has no password.")
        if not credential.password:
            await self.passwords.verify(None, credential.password)
            raise wrong("PASSWORD_REQUIRED", "The password is missing.")
        if not await self.passwords.verify(row["password_hash"], credential.password):
            raise wrong("PASSWORD_INVALID", "The password is wrong.")
        if row["banned"]:
            raise Denied("The user is banned.", "USER_BANNED")
        permissions = bearer_permissions(row["role"], row["permissions"], account.settings)
        return Authenticated(Bearer("users", row["id"], row["role"], permissions, row["environment_id"]))

    @staticmethod
    def _may_enter(row: dict, environment: Environment | None) -> bool:
        # An administrator of the whole account may enter any environment by password (api.md 3.8).
        if row["role"] == "admin" and row["environment_id"] is None:
            return True
        return _reachable(row["environment_id"], None, environment)

    async def limit_password_attempts(self, account: Account, client: str, email: str) -> None:
        """Count an attempt. :raises TooMany: there were too many within a minute (429)."""
        key = digest_of(account.secret_key, f"password attempt\n{account.id}\n{client}\n{email}")

        async def count(transaction: Transaction) -> bool:
            # One after the other: attempts made at the same moment would all count the same past ones.
            await transaction.rows(queries.QUEUE_ATTEMPT, key=key)
            row = await transaction.one(queries.COUNT_ATTEMPT, key=key, seconds=WINDOW_SECONDS, limit=ATTEMPTS)
            return row["allowed"]

        if not await self.database.transact(count):
            raise TooMany(
                "Too many password attempts; wait a minute.", "TOO_MANY_REQUESTS", retry_after=WINDOW_SECONDS
            )


def _end(row: dict) -> float:
    return inf if row["expires"] is None else row["expires"].timestamp()


def _reachable(bearer: UUID | None, token: UUID | None, environment: Environment | None) -> bool:
    """Whether a bearer and its token, by their environments, count in the selected one (api.md 3.8)."""
    if environment is None:
        return bearer is None and token is None
    if environment.shared:
        return bearer in (None, environment.id) and token in (None, environment.id)
    # A global bearer enters an isolated environment only by a token made for it.
    return token in (None, environment.id) and environment.id in (bearer, token) and bearer in (None, environment.id)


def _license_permissions(row: dict, explicit: list[str] | None, account: Account) -> frozenset[str]:
    """A license has the permissions that it shares with its owner, if it has one (dump.md, licenses)."""
    permissions = bearer_permissions("license", explicit, account.settings)
    if row["owner_id"] is not None:
        owner = bearer_permissions(row["owner_role"], row["owner_permissions"], account.settings)
        permissions &= owner
    return permissions


def _bearer_of_token(row: dict, account: Account) -> Bearer:
    if row["bearer_user_id"]:
        kind, identifier, role = "users", row["bearer_user_id"], row["user_role"]
        permissions = bearer_permissions(role, row["user_permissions"], account.settings)
    elif row["bearer_license_id"]:
        kind, identifier, role = "licenses", row["bearer_license_id"], "license"
        permissions = _license_permissions(row, row["license_permissions"], account)
    elif row["bearer_product_id"]:
        kind, identifier, role = "products", row["bearer_product_id"], "product"
        permissions = bearer_permissions(role, row["product_permissions"], account.settings)
    else:
        kind, identifier, role = "environments", row["bearer_environment_id"], "environment"
        permissions = bearer_permissions(role, None, account.settings)
    permissions = narrowed(permissions, row["token_permissions"])
    return Bearer(kind, identifier, role, permissions, row["bearer_environment"])
