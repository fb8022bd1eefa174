"""Who is asking, and for which account: registry tokens, plain credentials, and log-ins that name no account."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from attrs import frozen

from keygenreg.access.authentication import Credential, RecognisedCredential, proof_of
from keygenreg.domain.account import Account
from keygenreg.domain.failures import NotFound, Unauthenticated
from keygenreg.domain.grant import Grant
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.domain.token import digest_of
from keygenreg.engines.oci import queries
from keygenreg.engines.oci.errors import INSUFFICIENT, remember_repository
from keygenreg.engines.oci.registry_token import Claims, TokenExpired, TokenInvalid, TokenSigner, looks_like_token
from keygenreg.engines.oci.token_owners import TokenOwners
from keygenreg.engines.oci.token_request import TokenRequest
from keygenreg.formats.authorization import LicenseKeyCredential, TokenCredential, read_credentials
from keygenreg.web.exchange import Exchange
from keygenreg.web.parts import Parts

#: Accounts of one token request in which its credentials are tried.
_MOST_ACCOUNTS = 4


@frozen
class Admission:
    """
    Admits requests to the engine.

    :param now: the time in Unix seconds.
    """

    parts: Parts
    signer: TokenSigner
    owners: TokenOwners
    now: Callable[[], float]

    async def to_repository(self, exchange: Exchange, path_name: str, *, in_path: bool) -> tuple[Grant, list[str]]:
        """
        Admit a request for a repository.

        :param path_name: the repository as the path names it.
        :param in_path: whether the account, if any is named, is the first part of that name.
        :return: who is asking, and the package keys that the name may mean, the likelier first.
        :raises Failure: as :meth:`Exchange.admit`.
        """
        scope = path_name
        if not in_path and exchange.account_reference:
            scope = f"{exchange.account_reference}/{path_name}"
        remember_repository(exchange, scope)
        keys = await self._find_account(exchange, path_name) if in_path else [path_name]
        if not in_path:
            await exchange.find_account()
        grant = await exchange.admit(credentials=lambda: self._credential(exchange, scope))
        return grant, keys

    async def to_registry(self, exchange: Exchange) -> Grant | None:
        """
        Judge the credentials of a request that is about no repository; ``None`` for a token of nobody in particular.

        :raises Unauthenticated: there are none, or wrong ones.
        """
        claims = self._claims(exchange)
        if claims is None:
            credential = read_credentials(exchange.authorization, exchange.query)
        elif claims.anonymous:
            exchange.keeping.admitted()
            return None
        else:
            exchange.account_reference = str(claims.account_id)
            return await exchange.admit(credentials=lambda: _recognised(claims))
        if credential is None:
            raise Unauthenticated("Log in with the user name license and a license key, or token and an API token.")
        return await self._log_in(exchange, credential)

    async def issue(self, exchange: Exchange, request: TokenRequest) -> str:
        """
        A registry token for whoever sent the request.

        :raises Unauthenticated, Denied: the credentials are wrong, or not to be used.
        """
        claims = Claims(request.repositories)
        if request.credential is not None:
            grant = await self._grant(exchange, request)
            if grant is not None:
                claims = _claims_of(grant, request)
        return self.signer.sign(claims, audience=exchange.origin.authority, now=self.now())

    # Accounts

    async def _find_account(self, exchange: Exchange, name: str) -> list[str]:
        """Find the account of ``/v2/<name>``: its first part, unless mode or host have an account for every path."""
        first, _, rest = name.partition("/")
        if self.parts.edge.accounts.singleplayer:
            account = await exchange.find_account()
            return [name, rest] if rest and _names(account, first) else [name]
        exchange.account_reference = first
        try:
            await exchange.find_account()
        except NotFound:
            exchange.account_reference = None
            try:
                await exchange.find_account()
            except NotFound:
                raise NotFound(f"There is no repository {name!r} here.", code="NAME_UNKNOWN") from None
            return [name]
        if not rest:
            raise NotFound("A repository's name is ACCOUNT/PACKAGE here.", code="NAME_UNKNOWN")
        return [rest, name]

    async def _grant(self, exchange: Exchange, request: TokenRequest) -> Grant | None:
        """
        Judge credentials in the accounts of the repositories; a log-in names none.

        :return: ``None`` where they are good, in another account: then the repositories are read as anybody may, since
            clients send what they have for a host with every request to it.
        """
        refused: Unauthenticated | None = None
        for name in _one_of_each_account(request.repositories):
            try:
                await self._find_account(exchange, name)
                return await exchange.admit(credentials=lambda: request.credential)
            except Unauthenticated as failure:
                refused = refused or failure
            except NotFound:
                pass  # the next one may be there
            exchange.account = exchange.account_reference = exchange.environment = None
        if refused is None:
            return await self._log_in(exchange, request.credential)
        if self.parts.edge.accounts.singleplayer or await self._account_of(request.credential) is None:
            raise refused
        return None

    async def _log_in(self, exchange: Exchange, credential: Credential) -> Grant:
        """Judge credentials without knowing the account: where there are several, whose they are is looked up."""
        try:
            exchange.account_reference = None
            await exchange.find_account()
        except NotFound:
            account_id = await self._account_of(credential)
            if account_id is None:
                raise _unknown(credential) from None
            exchange.account_reference = str(account_id)
        return await exchange.admit(credentials=lambda: credential)

    async def _account_of(self, credential: Credential) -> UUID | None:
        database = self.parts.database
        if isinstance(credential, LicenseKeyCredential):
            if "\0" in credential.key:
                return None
            rows = await database.rows(queries.ACCOUNTS_OF_KEY, key=credential.key)
            return rows[0]["account_id"] if rows else None
        if not isinstance(credential, TokenCredential):
            return None
        return await self.owners.of(credential.token)

    # Credentials

    def _credential(self, exchange: Exchange, repository: str) -> Credential | None:
        """What a request for a repository is to be judged by."""
        claims = self._claims(exchange)
        if claims is None:
            return read_credentials(exchange.authorization, exchange.query)
        if repository not in claims.repositories:
            raise Unauthenticated("The token is for other repositories; ask for one for this.", INSUFFICIENT)
        if claims.anonymous:
            return None
        # A token for repositories of several accounts is, outside of its own, as good as none.
        return _recognised(claims) if claims.account_id == exchange.account.id else None

    def _claims(self, exchange: Exchange) -> Claims | None:
        """What a registry token says, ``None`` when the request carries none. :raises Unauthenticated: a bad one."""
        lines = exchange.request.requestHeaders.getRawHeaders(b"authorization") or []
        if len(lines) > 1:
            raise Unauthenticated("The request has several Authorization headers; send one.")
        scheme, _, value = (lines[0] if lines else b"").partition(b" ")
        text = value.strip().decode("latin-1")
        if scheme.lower() != b"bearer" or not looks_like_token(text):
            return None
        try:
            claims = self.signer.verify(text, audience=exchange.origin.authority, now=self.now())
            exchange.keeping.lasts_until(claims.until)
            return claims
        except TokenExpired:
            raise Unauthenticated("The registry token has expired.", "REGISTRY_TOKEN_EXPIRED") from None
        except TokenInvalid:
            # One of a machine whose clock is ahead will be valid in a moment.
            exchange.keeping.lasts_until(self.now())
            raise Unauthenticated("The registry token is not valid here.", "REGISTRY_TOKEN_INVALID") from None


def _one_of_each_account(repositories: tuple[str, ...]) -> list[str]:
    """The first repository of each account that the names may be of, some at most."""
    found: dict[str, str] = {}
    for name in repositories:
        found.setdefault(name.partition("/")[0], name)
    return list(found.values())[:_MOST_ACCOUNTS]


def _names(account: Account, reference: str) -> bool:
    return reference == account.slug or parse_uuid(reference) == account.id


def _recognised(claims: Claims) -> RecognisedCredential:
    return RecognisedCredential(claims.token_id, claims.license_id, claims.proof)


def _claims_of(grant: Grant, request: TokenRequest) -> Claims:
    bearer, credential = grant.authenticated(), request.credential
    if isinstance(credential, TokenCredential):
        proof = proof_of(digest_of(grant.account.secret_key, credential.token))
        return Claims(request.repositories, grant.account.id, grant.token_id, None, proof)
    return Claims(request.repositories, grant.account.id, None, bearer.id)


def _unknown(credential: Credential) -> Unauthenticated:
    if isinstance(credential, LicenseKeyCredential):
        return Unauthenticated("The license key is not known here.", "LICENSE_INVALID")
    return Unauthenticated("The token is not known here.", "TOKEN_INVALID")
