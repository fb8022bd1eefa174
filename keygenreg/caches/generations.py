"""
Generations: numbers in shared memory that move whenever what answers are made from may have changed.

Whoever remembers something takes a :class:`Guard` before it reads what that is made from; what is remembered counts as
long as the guard holds. Numbers move in two ways. A web process that writes moves them itself, after the commit and
before it answers, for every process of the daemon at once. Other writers (commands, daemons on other machines) are
heard of by NOTIFY, moments later. While notifications cannot be heard, no guard holds.
"""

from __future__ import annotations

import itertools
import mmap
import os
from uuid import UUID

CHANNEL = "registry_changed"
"""Channel of NOTIFY, and first word of the notices with which triggers tell a writer what it has changed."""

_SLOTS = 4096
_EVERYTHING = 0
_CATALOGUES = 1
_BEARERS = 1 + _SLOTS
NAME = "keygenreg-generations"
"""Name of the shared memory, as /proc shows it."""
SIZE = (1 + 2 * _SLOTS) * 8
"""Bytes of the shared memory."""


class Guard:
    """
    What the numbers were when reading began: of all, and, once the account is known, of its catalogue (products to
    artifacts) and of its bearers (policies to tokens).
    """

    __slots__ = ("bearers", "bearers_slot", "catalogue", "catalogue_slot", "everything")

    def __init__(self, everything: int) -> None:
        self.everything = self.catalogue = self.bearers = everything
        self.catalogue_slot = self.bearers_slot = _EVERYTHING


def shared_memory() -> int:
    """The descriptor of new memory for :class:`Generations`, to be handed to other processes."""
    descriptor = os.memfd_create(NAME)
    os.ftruncate(descriptor, SIZE)
    return descriptor


class Generations:
    """
    The numbers, as one process sees them.

    :param descriptor: of :func:`shared_memory`, which is mapped and may be closed afterwards; ``None`` for a process
        that shares with none.
    :ivar numbers: for the one place that compares them without a call; see :meth:`holds`.
    :ivar heard: whether notifications arrive. False at first.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            descriptor = shared_memory()
            self._memory = mmap.mmap(descriptor, SIZE)
            os.close(descriptor)
        else:
            self._memory = mmap.mmap(descriptor, SIZE)
        self.numbers = memoryview(self._memory).cast("Q")
        self.heard = False
        # A number is never used twice, by no process: so nobody needs a lock, and the last of two writers wins nothing.
        self._fresh = itertools.count((int.from_bytes(os.urandom(4), "big") << 32) + 1)

    def guard(self) -> Guard:
        """What to take before anything is read."""
        return Guard(self.numbers[_EVERYTHING])

    def watch(self, guard: Guard, account: UUID) -> None:
        """Extend a guard to an account, before anything of it but its own row is read."""
        slot = account.int % _SLOTS
        guard.catalogue_slot, guard.bearers_slot = _CATALOGUES + slot, _BEARERS + slot
        guard.catalogue, guard.bearers = self.numbers[guard.catalogue_slot], self.numbers[guard.bearers_slot]

    def holds(self, guard: Guard) -> bool:
        """Whether nothing that the guard watches can have changed."""
        return self.catalogue_holds(guard) and self.numbers[guard.bearers_slot] == guard.bearers

    def catalogue_holds(self, guard: Guard) -> bool:
        """The same, apart from bearers: for what is the same for all who may see the same."""
        numbers = self.numbers
        return (
            self.heard
            and numbers[guard.catalogue_slot] == guard.catalogue
            and numbers[_EVERYTHING] == guard.everything
        )

    def bearers_hold(self, guard: Guard) -> bool:
        """The same, apart from the catalogue."""
        numbers = self.numbers
        return (
            self.heard and numbers[guard.bearers_slot] == guard.bearers and numbers[_EVERYTHING] == guard.everything
        )

    def move(self, message: str) -> None:
        """
        Something has changed.

        :param message: as triggers tell it: ``catalogue ACCOUNT``, ``bearers ACCOUNT``, ``account ACCOUNT`` for both;
            any other text stands for everything.
        """
        kind, _, account = message.partition(" ")
        try:
            slot = UUID(account).int % _SLOTS
        except ValueError:
            kind = "everything"
        if kind == "catalogue":
            self.numbers[_CATALOGUES + slot] = next(self._fresh)
        elif kind == "bearers":
            self.numbers[_BEARERS + slot] = next(self._fresh)
        elif kind == "account":
            self.numbers[_CATALOGUES + slot] = next(self._fresh)
            self.numbers[_BEARERS + slot] = next(self._fresh)
        else:
            self.numbers[_EVERYTHING] = next(self._fresh)

    def begin_hearing(self) -> None:
        """Notifications arrive from now on; whatever was told before is unknown."""
        self.numbers[_EVERYTHING] = next(self._fresh)
        self.heard = True

    def end_hearing(self) -> None:
        """Notifications may be missed from now on."""
        self.heard = False
