"""What the database's errors mean to whoever waits for an answer."""

from __future__ import annotations

from psycopg2 import Error
from psycopg2.errors import (
    DeadlockDetected,
    LockNotAvailable,
    QueryCanceled,
    ReadOnlySqlTransaction,
    SerializationFailure,
)

from keygenreg.domain.failures import BadRequest, Unavailable

# Administrator's stop, crash of another backend, still starting, database dropped, idle session ended; a transaction
# that was idle or open for too long.
_ENDINGS = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04"})
# Errors of one connection class: 08xxx.
_CONNECTION_CLASS = "08"
# Memory, disk space or connections are exhausted: 53xxx. The system below the server fails, such as its disk: 58xxx.
_RESOURCES_CLASSES = ("53", "58")
# A text or a JSON document with a character that PostgreSQL cannot store.
_UNSTORABLE = frozenset({"22021", "22P05"})


class SessionLost(Exception):
    """The connection broke; whether the statement took effect is unknown."""


class NeverSent(SessionLost):
    """The connection was found broken before the statement was sent: it can be tried on another one, write or not."""


class StatementOutdated(Exception):
    """A prepared statement could not be executed because something has changed, and has spoilt its transaction."""


def ends_session(error: Error) -> bool:
    """Whether the server says that this connection is over."""
    code = error.pgcode or ""
    return code in _ENDINGS or code.startswith(_CONNECTION_CLASS)


def is_repeatable(error: BaseException) -> bool:
    """Whether the transaction was undone only because of something else's change, so that trying again makes sense."""
    return isinstance(error, (SerializationFailure, DeadlockDetected, StatementOutdated))


def as_failure(error: Exception) -> Exception:
    """The error as the caller shall see it.

    Lost connections, exhausted or broken resources, timeouts and lost races become :class:`Unavailable`; characters
    that no column can hold :class:`BadRequest`; all else, such as a violated constraint, stays the psycopg2 error.
    """
    if isinstance(error, SessionLost):
        return Unavailable("The connection to the database was lost.", retry_after=1)
    if isinstance(error, (QueryCanceled, LockNotAvailable)):
        return Unavailable("The database took too long to answer.", retry_after=5)
    if isinstance(error, ReadOnlySqlTransaction) or lacks_resources(error):
        return Unavailable("The database cannot do this right now.", retry_after=5)
    if is_repeatable(error):
        return Unavailable("Too many changes at the same time.", retry_after=1)
    if unstorable(error):
        return BadRequest("The text contains characters that cannot be stored.")
    return error


def lacks_resources(error: Exception) -> bool:
    """Whether the server is sound, but what it stands on is not."""
    return isinstance(error, Error) and (error.pgcode or "").startswith(_RESOURCES_CLASSES)


def unstorable(error: Exception) -> bool:
    """Whether the fault is a character: NUL or half a surrogate pair."""
    if isinstance(error, Error):
        return error.pgcode in _UNSTORABLE
    return isinstance(error, UnicodeEncodeError) or (isinstance(error, ValueError) and "NUL" in str(error))
