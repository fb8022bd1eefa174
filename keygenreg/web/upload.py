"""Bodies that go to the blob store as they arrive, never through memory or twisted.web's temporary files."""

from __future__ import annotations

from typing import Any, Protocol

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from keygenreg.domain.failures import BadRequest, Failure, TooLarge, Unavailable
from keygenreg.storage.interface import Incoming

_log = Logger()


@frozen
class UploadTarget:
    """
    Permission to send a body, worked out from the request's head alone.

    :ivar max_bytes: bodies above this are refused with 413.
    :ivar exact_bytes: the size that was announced; any other is refused with 400. None: any size.
    :ivar algorithms: digests wanted beside sha256.
    :ivar claim: whatever the claimer knows, for the handler (``request.upload.target.claim``).
    """

    max_bytes: int
    exact_bytes: int | None = None
    algorithms: frozenset[str] = frozenset()
    claim: Any = None

    def refusal(self, length: int | None) -> Failure | None:
        """What is wrong with a body of Content-Length ``length`` (None: unknown), before a byte of it is taken."""
        if length is None:
            return None
        if length > self.max_bytes:
            return TooLarge(f"The body has {length} bytes; at most {self.max_bytes} are taken.")
        if self.exact_bytes is not None and length != self.exact_bytes:
            return self.wrong_size(length)
        return None

    def wrong_size(self, length: int) -> Failure:
        return BadRequest(f"The body has {length} bytes where {self.exact_bytes} were announced.")


@define(eq=False)
class Upload:
    """One body on its way into the store; ``incoming`` is for the handler to finish and adopt."""

    target: UploadTarget
    incoming: Incoming
    received: int = field(default=0, init=False)

    def receive(self, data: bytes) -> Failure | None:
        """Take the next bytes, or say why not."""
        self.received += len(data)
        if self.received > self.target.max_bytes:
            return TooLarge(f"The body has more than {self.target.max_bytes} bytes.")
        exact = self.target.exact_bytes
        if exact is not None and self.received > exact:
            return BadRequest(f"The body has more than the {exact} bytes that were announced.")
        self.incoming.write(data)
        return None

    def complete(self) -> Failure | None:
        """Say whether what came is all that was announced."""
        exact = self.target.exact_bytes
        return None if exact is None or self.received == exact else self.target.wrong_size(self.received)

    def discard(self) -> None:
        """Let go of bytes that nobody adopted; does nothing when somebody did."""
        Deferred.fromCoroutine(self.incoming.discard()).addErrback(
            lambda reason: _log.failure("An upload could not be discarded", failure=reason)
        )


class Valve(Protocol):
    """The connection that a body comes from."""

    def hold_reading(self) -> None: ...

    def release_reading(self) -> None: ...

    def refuse(self, failure: Failure) -> None: ...


@frozen
class TransportPressure:
    """Backpressure from the store to the connection that the bytes come from."""

    valve: Valve

    def pause(self) -> None:
        self.valve.hold_reading()

    def resume(self) -> None:
        self.valve.release_reading()

    def fail(self, failure: Exception) -> None:
        if not isinstance(failure, Failure):
            failure = Unavailable("The registry cannot store uploads at the moment.")
        self.valve.refuse(failure)
