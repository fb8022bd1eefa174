"""The words that the daemon and its web processes exchange through pipes, each in a frame with its length."""

from __future__ import annotations

from collections.abc import Callable

from twisted.protocols.basic import Int32StringReceiver

#: Descriptors of a web process beside standard input, on which it is spoken to and whose end is the daemon's: the
#: listening socket, what it says itself, and the memory that all share.
SOCKET_DESCRIPTOR = 3
ANSWER_DESCRIPTOR = 4
GENERATIONS_DESCRIPTOR = 5

# What the daemon says, after the orders.
TELL_FIGURES = b"tell figures"
LEAVE = b"leave"

# What a web process says; figures follow their word.
READY = b"ready"
FIGURES = b"figures "

_LARGEST = 64 * 1024 * 1024


class Words(Int32StringReceiver):
    """Calls ``hear`` with each word."""

    MAX_LENGTH = _LARGEST

    def __init__(self, hear: Callable[[bytes], None]) -> None:
        self._hear = hear

    def stringReceived(self, string: bytes) -> None:
        self._hear(string)


def framed(word: bytes) -> bytes:
    """A word as it is sent."""
    return len(word).to_bytes(4, "big") + word
