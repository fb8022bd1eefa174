"""What can go wrong, as values that any layer raises and each protocol puts into its own wire form.

An engine's ``errors.py`` (or ``management/errors.py``) is the only place that turns one of these into bytes.
``detail`` is a sentence for a person; ``code`` is the machine word of the specification (``TOKEN_INVALID``).
"""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen


@frozen
class Source:
    """Where in the request the fault lies; exactly one member is set.

    ``pointer`` is a JSON pointer into the body, ``parameter`` a query parameter, ``header`` a header's name.
    """

    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None


@frozen
class Failure(Exception):
    """Base of all expected failures: never a programming error, always an answer to the client."""

    detail: str
    code: str | None = None
    source: Source | None = None

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal server error"

    def __str__(self) -> str:
        return self.detail


@frozen
class BadRequest(Failure):
    """The request cannot be understood: syntax, schema, query, header (400)."""

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Bad request"


@frozen
class Unauthenticated(Failure):
    """No credentials where some are needed, or wrong ones (401)."""

    status: ClassVar[int] = 401
    title: ClassVar[str] = "Unauthorized"


@frozen
class Denied(Failure):
    """The bearer is known and may not do this (403)."""

    status: ClassVar[int] = 403
    title: ClassVar[str] = "Access denied"


@frozen
class Unsubscribed(Denied):
    """The account is paused or canceled: nothing of it is served (403)."""

    title: ClassVar[str] = "Account does not have an active subscription"


@frozen
class NotFound(Failure):
    """Nothing there, or nothing that this bearer may know of (404)."""

    code: str | None = "NOT_FOUND"

    status: ClassVar[int] = 404
    title: ClassVar[str] = "Not found"


@frozen
class NotAllowed(Failure):
    """The path exists but not for this method (405); ``allow`` names the methods that do."""

    allow: tuple[str, ...] = ("GET", "HEAD")

    status: ClassVar[int] = 405
    title: ClassVar[str] = "Method not allowed"


@frozen
class NotAcceptable(Failure):
    """Nothing the client accepts can be made (406)."""

    status: ClassVar[int] = 406
    title: ClassVar[str] = "Not acceptable"


@frozen
class Conflict(Failure):
    """The state of the record forbids it, or a race was lost (409)."""

    status: ClassVar[int] = 409
    title: ClassVar[str] = "Conflict"


@frozen
class TooLarge(Failure):
    """The body is over a limit (413)."""

    status: ClassVar[int] = 413
    title: ClassVar[str] = "Payload too large"


@frozen
class Unprocessable(Failure):
    """An action that the record's state makes impossible (422)."""

    status: ClassVar[int] = 422
    title: ClassVar[str] = "Unprocessable entity"


@frozen
class Problem:
    """One failed validation: ``pointer`` into the body, ``code`` such as ``NAME_TOO_LONG``, and a sentence."""

    pointer: str
    code: str
    detail: str


@frozen
class Invalid(Failure):
    """Well-formed input that breaks rules of the record (422); carries every problem found, at least one."""

    problems: tuple[Problem, ...] = field(default=())

    status: ClassVar[int] = 422
    title: ClassVar[str] = "Unprocessable resource"

    @classmethod
    def of(cls, *problems: Problem) -> Invalid:
        return cls(detail=problems[0].detail, problems=problems)


@frozen
class TooMany(Failure):
    """A limit on attempts was reached (429); ``retry_after`` in whole seconds."""

    retry_after: int = 60

    status: ClassVar[int] = 429
    title: ClassVar[str] = "Too many requests"


@frozen
class Unavailable(Failure):
    """A bound of ours is reached or a part is down; try again in ``retry_after`` seconds (503)."""

    retry_after: int = 1

    status: ClassVar[int] = 503
    title: ClassVar[str] = "Service unavailable"
