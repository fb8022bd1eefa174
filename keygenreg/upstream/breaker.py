"""The circuit breaker: an upstream that fails again and again is left alone, then tried with one request."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from keygenreg.upstream.failures import Tripped

CLOSED, HALF_OPEN, OPEN = "closed", "half-open", "open"


@define(eq=False)
class Breaker:
    """
    Closed, it lets everything through; after ``threshold`` failures in a row it opens. When its time is over it is half
    open: one request is let through as a probe, whose outcome closes it or opens it for twice as long.

    Every :meth:`admit` that returns is followed by :meth:`answered` and, when the body has come, :meth:`succeeded`; or
    by :meth:`failed`; or by :meth:`abandoned`.

    :ivar last_success: when a whole answer last came, by the clock.
    :param clock: seconds; :param shortest: how long it stays open at first, :param longest: and at most, in seconds.
    """

    clock: Callable[[], float]
    threshold: int = 5
    shortest: float = 1.0
    longest: float = 60.0
    last_success: float | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _pause: float = field(default=0.0, init=False)
    _until: float | None = field(default=None, init=False)
    _probing: bool = field(default=False, init=False)

    @property
    def state(self) -> str:
        if self._until is None:
            return CLOSED
        return OPEN if self.clock() < self._until else HALF_OPEN

    def admit(self) -> None:
        """:raises Tripped: it is open, or a probe is under way."""
        if self._until is None:
            return
        left = self._until - self.clock()
        if left > 0 or self._probing:
            detail = "The upstream has failed several times and is left alone for a moment."
            raise Tripped(detail, retry_after=max(left, 1.0))
        self._probing = True

    def answered(self) -> None:
        """The head of an answer came: others may try, too; failures count on, as the body may still break off."""
        self._until, self._probing = None, False

    def succeeded(self) -> None:
        """A whole answer came, whatever it said."""
        self.answered()
        self.last_success = self.clock()
        self._failures, self._pause = 0, 0.0

    def failed(self, pause: float | None = None) -> None:
        """No answer, or one that says that it cannot; ``pause`` is how long upstream asked us to wait, in seconds."""
        self._failures += 1
        if self._until is None and self._failures < self.threshold and pause is None:
            return
        if self._until is not None and not self._probing and pause is None:
            return  # it began before the circuit opened
        self._probing = False
        self._pause = min(max(self._pause * 2, self.shortest), self.longest)
        self._until = self.clock() + min(max(self._pause, pause or 0.0), self.longest)

    def abandoned(self) -> None:
        """The request was given up by us: it says nothing about upstream."""
        self._probing = False
