"""What may be remembered of one answer: collected while it is made, used when it is complete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from math import inf
from typing import TYPE_CHECKING, TypeVar

from attrs import define, field, frozen

from keygenreg.access.views import View
from keygenreg.caches.generations import Generations, Guard
from keygenreg.domain.account import Account
from keygenreg.domain.failures import Denied, Failure, NotFound, Unauthenticated
from keygenreg.domain.grant import Grant
from keygenreg.web.keeping.kept_replies import KEPT_STATUSES, KEY_FIELDS, Kept, KeptReplies, Settled
from keygenreg.web.keeping.ready_answers import Keeping
from keygenreg.web.reply import BlobReply, Reply

if TYPE_CHECKING:
    from keygenreg.web.exchange import Exchange

T = TypeVar("T")

_KEY_FIELDS = frozenset(name.lower() for name in KEY_FIELDS)
#: Bytes of a character of a request field, at most.
_CHARACTER = 4
#: What a row is taken to cost.
_ROW_BYTES = 2048
_KEPT_FAILURES = (Unauthenticated, Denied, NotFound)


@frozen
class Memory:
    """What a process remembers answers with."""

    generations: Generations
    replies: KeptReplies


@define
class KeepingAnswer:
    """
    For one exchange.

    :ivar guard: of what has been read so far; taken before anything was.
    :param now: when the exchange began (Unix seconds).
    """

    memory: Memory
    now: float
    guard: Guard = field(init=False)
    _until: float = field(default=inf, init=False)
    _allowed: bool = field(default=False, init=False)
    _shared: bool = field(default=False, init=False)
    _each: Callable[[], object] | None = field(default=None, init=False)
    _watching: bool = field(default=False, init=False)
    _judged: bool = field(default=False, init=False)
    _view: View | None = field(default=None, init=False)
    _viewer: Grant | None = field(default=None, init=False)
    _key: Hashable = field(default=None, init=False)
    _key_bytes: int = field(default=0, init=False)
    _making: bool = field(default=False, init=False)
    _fields: set[str] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self.guard = self.memory.generations.guard()

    def depends_on(self, name: str) -> None:
        """The handler has looked at a request field."""
        self._fields.add(name.lower())

    def watch(self, account: Account) -> None:
        """The account is known; nothing of it but its own row has been read."""
        if self._watching:
            # What was remembered with the guard must not count for longer by this.
            self.guard = Guard(self.guard.everything)
        self._watching = True
        self.memory.generations.watch(self.guard, account.id)

    def allow(self, until: float, *, shared: bool, each: Callable[[], object] | None = None) -> None:
        """See :meth:`keygenreg.web.exchange.Exchange.keep`."""
        self._allowed, self._shared, self._each = True, shared, each
        self.lasts_until(until)

    def lasts_until(self, time: float) -> None:
        """What the answer is made from ends then (Unix seconds)."""
        self._until = min(self._until, time)

    async def settle(self, exchange: Exchange, grant: Grant) -> None:
        """
        The caller is known: look whether the reply is.

        :raises Settled: it is.
        """
        if not self._allowed or not self.memory.generations.heard:
            return
        self.ended()
        view = await self.view(grant)
        self.lasts_until(view.until)
        self._judged = True
        if not self._shared or view.key is None:
            return
        fields = tuple(map(exchange._field, KEY_FIELDS))
        # The engine and the origin both follow from the host, but not from each other.
        engine = exchange.request.engine
        self._key = (engine, exchange.origin, exchange.method, exchange.raw_target, fields, view.key)
        self._key_bytes = view.size + len(exchange.raw_target) + sum(_CHARACTER * len(text or "") for text in fields)
        replies = self.memory.replies
        kept = replies.find(self._key, self.now)
        if kept is None:
            # Of many who ask at once, one makes it. Who has waited in vain makes it too, and holds up nobody.
            self._making = await replies.turn(self._key)
            kept = None if self._making else replies.find(self._key, self.now)
        if kept is not None:
            self._key = None
            self.lasts_until(kept.until)
            raise Settled(kept)

    async def view(self, grant: Grant) -> View:
        """What a caller may see; asked once. The account must be known."""
        if self._view is None or self._viewer != grant:
            self._viewer, self._view = grant, await self.memory.replies.views.of(grant, self.guard)
        return self._view

    async def shared(self, exchange: Exchange, name: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """See :meth:`keygenreg.web.exchange.Exchange.shared`."""
        if not self.memory.generations.heard:
            return await make()
        view = await self.view(exchange.grant)
        if view.key is None:
            return await make()
        key = (exchange.request.engine, name, view.key)
        kept = self.memory.replies.find(key, self.now)
        if kept is not None:
            return kept.value
        value = await make()
        if await self._confirmed(exchange):
            self.memory.replies.remember(key, Kept(value, self.guard, view.until), _ROW_BYTES + view.size)
        return value

    async def _confirmed(self, exchange: Exchange) -> bool:
        """Whether the caller's rights are still those of the view: what was just made goes to others who have it."""
        try:
            return await self.memory.replies.views.confirm(exchange.grant, self.guard, self._view)
        except Failure:
            return False  # the answer is good all the same

    def ended(self) -> None:
        """The handler has ended, however it did."""
        if self._making:
            self._making = False
            self.memory.replies.made(self._key)

    async def made(self, exchange: Exchange, reply: Reply | BlobReply) -> None:
        """The handler has made a reply; it is kept for others where it may be."""
        if self._key is None or not isinstance(reply, Reply) or reply.status not in KEPT_STATUSES:
            return
        if self._fields <= _KEY_FIELDS and await self._confirmed(exchange):
            kept = Kept(reply, self.guard, self._until)
            self.memory.replies.remember(self._key, kept, self._key_bytes + len(reply.body) + len(reply.packed or b""))

    def admitted(self) -> None:
        """The credentials were judged without :meth:`settle`; :meth:`lasts_until` says how long they are good."""
        self._judged = True

    async def permission(self, exchange: Exchange, failure: Failure | None) -> Keeping | None:
        """
        Whether the complete answer may be given again to the same request.

        :param failure: what the handler raised instead of making a reply.
        """
        if not self._allowed or not (failure is None or isinstance(failure, _KEPT_FAILURES)):
            return None
        if not self._judged and isinstance(failure, Denied):
            return None  # credentials that are refused for one reason may end in a moment, which is another
        if not self._judged and (exchange.authorization is not None or exchange.authenticated is not None):
            if not self._watching:
                return None  # nobody knows whose credentials these may become
            try:
                self.lasts_until((await self.view(exchange.grant)).until)
            except Failure:
                return None  # the answer is good all the same
        return Keeping(self.guard, self._until, self._each)
