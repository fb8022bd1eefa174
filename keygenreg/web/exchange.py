"""One request as the features see it: plain values, admission, and what every answer carries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from functools import cached_property
from math import inf
from typing import TypeVar
from uuid import UUID

from twisted.web.http import Request

from keygenreg.access.authentication import Authenticated, Credential
from keygenreg.access.remembering import RememberedAccounts, RememberedBearers
from keygenreg.domain.account import Account, Environment
from keygenreg.domain.grant import Grant
from keygenreg.formats.authorization import read_credentials
from keygenreg.formats.jsonapi_query import QueryParameters
from keygenreg.web.keeping.keeping_answer import KeepingAnswer
from keygenreg.web.links import Addresses, Origin, Proxies, artifact_url, split_authority

T = TypeVar("T")


class Exchange:
    """
    A request under way.

    ``account_reference`` is the account as the path spells it (``None`` without one); ``account``, ``environment`` and
    ``authenticated`` fill up as admission proceeds, so that even a refused answer names what was already known.
    ``keeping`` is what of the answer may be remembered.
    """

    def __init__(
        self,
        request: Request,
        *,
        accounts: RememberedAccounts,
        authenticator: RememberedBearers,
        addresses: Addresses,
        proxies: Proxies,
        account_reference: str | None,
        keeping: KeepingAnswer,
    ) -> None:
        self.request = request
        self.keeping = keeping
        self.account_reference = account_reference
        self.account: Account | None = None
        self.environment: Environment | None = None
        self.authenticated: Authenticated | None = None
        self._accounts = accounts
        self._authenticator = authenticator
        self._addresses = addresses
        self._proxies = proxies

    @property
    def method(self) -> str:
        return self.request.method.decode("latin-1")

    @property
    def request_id(self) -> str:
        return self.request.request_id

    def header(self, name: str) -> str | None:
        """A header's value; several lines are joined by commas (RFC 9110 5.3), what is not UTF-8 is replaced."""
        self.keeping.depends_on(name)
        return self._field(name)

    def _field(self, name: str) -> str | None:
        values = self.request.requestHeaders.getRawHeaders(name.encode("latin-1"))
        return None if values is None else ", ".join(value.decode("utf-8", "replace") for value in values)

    @property
    def authorization(self) -> bytes | None:
        """The Authorization header's value as received."""
        return (self.request.requestHeaders.getRawHeaders(b"authorization") or [None])[0]

    @cached_property
    def query(self) -> QueryParameters:
        """:raises BadRequest: the query string is malformed."""
        return QueryParameters.parse(self.raw_target.partition(b"?")[2])

    @property
    def raw_target(self) -> bytes:
        """Path and query as received."""
        return self.request.uri

    @property
    def client_address(self) -> str:
        """The client's address; behind a trusted proxy the last one that the proxy was told of."""
        peer = getattr(self.request.getClientAddress(), "host", "") or ""
        forwarded = self._field("X-Forwarded-For")
        if forwarded and self._proxies.trusts(peer):
            for hop in reversed([hop.strip() for hop in forwarded.split(",")]):
                peer = hop
                if not self._proxies.trusts(hop):
                    break
        return peer

    @cached_property
    def origin(self) -> Origin:
        """Scheme, host and port as the client sees them."""
        scheme = "https" if self.request.isSecure() else "http"
        authority = (self.request.requestHeaders.getRawHeaders("Host") or [""])[0]
        peer = getattr(self.request.getClientAddress(), "host", "") or ""
        if self._proxies.trusts(peer):
            forwarded = (self._field("X-Forwarded-Proto") or "").split(",")[0].strip().lower()
            scheme = forwarded if forwarded in ("http", "https") else scheme
            authority = (self._field("X-Forwarded-Host") or "").split(",")[0].strip() or authority
        try:
            host, port = split_authority(authority)
        except ValueError:
            host, port = "localhost", None
        return Origin(scheme, host, port)

    @cached_property
    def base_url(self) -> str:
        """The start of absolute URLs in this answer."""
        return self._addresses.base(self.origin)

    def artifact_url(self, artifact_id: UUID, filename: str) -> str:
        """The vanity URL of an artifact of the admitted account, on the host that was asked."""
        return artifact_url(self.base_url, self.account.id, artifact_id, filename)

    async def admit(
        self, *, password_login: bool = False, credentials: Callable[[], Credential | None] | None = None
    ) -> Grant:
        """
        Find the account and the environment, and judge the credentials (engines.md 1.3, steps 3 to 5).

        :param password_login: e-mail and password count (only where tokens are made).
        :param credentials: reads them, where a protocol has forms of its own; called once the account is known.
        :raises Failure: 404, 400, 403 or 401, in this order.
        :raises Settled: the reply is known already, see :meth:`keep`.
        """
        if self.account is None:
            await self.find_account()
        selector = self._field("Keygen-Environment")
        from_header = bool(selector)
        selector = selector or self.query.text("environment")
        self.environment = await self._accounts.environment(self.account, selector, header=from_header)
        self._accounts.admit(self.account)
        if credentials is not None:
            credential = credentials()
        else:
            credential = read_credentials(self.authorization, self.query, password_login=password_login)
        if credential is not None:
            self.authenticated = await self._authenticator.authenticate(
                self.account,
                self.environment,
                credential,
                client=self.client_address,
                guard=self.keeping.guard,
            )
            self.keeping.lasts_until(self.authenticated.until)
        grant = self.grant
        await self.keeping.settle(self, grant)
        return grant

    async def find_account(self) -> Account:
        """:raises NotFound: the request means no account that is here."""
        self.account = await self._accounts.find(self.account_reference, self.origin.host)
        self.keeping.watch(self.account)
        return self.account

    def keep(
        self, until: float = inf, *, shared: bool = True, each: Callable[[], object] | None = None
    ) -> None:
        """
        Say, best before :meth:`admit`, that the reply follows only from the request, from what the caller may see, and
        from the catalogue: then it may be given again without asking, to everybody who sees the same.

        :param until: the reply counts before this time only (Unix seconds).
        :param shared: not so where it names the caller, or is a file: then only to the same request with the same
            credentials. Of a file that may be with another Range and other conditions.
        :param each: called whenever a file is given again.
        """
        self.keeping.allow(until, shared=shared, each=each)

    async def shared(self, name: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """
        A small value, such as a row, that follows from ``name``, from what the caller may see, and from the catalogue:
        as it was made for anybody who sees the same, else from ``make``. Whoever gets it must not change it. After
        :meth:`admit` only; what ``make`` raises is not remembered.
        """
        return await self.keeping.shared(self, name, make)

    async def may_start_clock(self) -> bool:
        """Whether a download by the caller may start the time of a license (api.md 4.7). After :meth:`admit` only."""
        return (await self.keeping.view(self.grant)).untimed

    @property
    def grant(self) -> Grant:
        """Who is asking, as far as admission has got."""
        if self.authenticated is None:
            return Grant(self.account, self.environment)
        return Grant(self.account, self.environment, self.authenticated.bearer, self.authenticated.token_id)
