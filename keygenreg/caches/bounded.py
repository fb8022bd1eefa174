"""A dictionary with a bound in bytes that keeps what is used."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

OVERHEAD = 400
"""What an entry is taken to cost beside its key and value, in bytes."""


class BoundedCache(Generic[K, V]):
    """
    Two dictionaries, of which the older is dropped whenever the younger is full; what is found in the older moves to
    the younger. So a hit costs one look-up, and an entry stays as long as it is used.

    Equal ``shared`` bytes of several entries are kept, and counted, once in each dictionary.

    :param limit: bytes of both together, by what callers say of their entries.
    """

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        #: The younger one, for the one place that looks it up without a call.
        self.young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._costs: dict[K, tuple[int, bytes]] = {}
        self._old_costs: dict[K, tuple[int, bytes]] = {}
        self._shared: dict[bytes, bytes] = {}
        self._old_shared: dict[bytes, bytes] = {}
        self._bytes = self._old_bytes = 0

    @property
    def used(self) -> int:
        """Bytes that the entries are taken to cost."""
        return self._bytes + self._old_bytes

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def get(self, key: K) -> V | None:
        """What was put under the key, if it is still here."""
        value = self.young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value, *self._old_costs[key])
        return value

    def shared(self, body: bytes) -> bytes:
        """The object that stands for equal bytes, for use in a value that is then :meth:`put`."""
        return self._shared.get(body) or self._old_shared.get(body) or body

    def put(self, key: K, value: V, size: int, shared: bytes = b"") -> None:
        """
        Remember; more than half the limit is not remembered at all.

        :param size: of key and value in bytes, without ``shared``.
        :param shared: bytes that other values hold too, as :meth:`shared` gave them.
        """
        self.forget(key)
        alone = OVERHEAD + size
        if alone + len(shared) > self._half:
            return
        cost = alone if not shared or shared in self._shared else alone + len(shared)
        if self._bytes + cost > self._half:
            self._old, self._old_costs, self._old_shared = self.young, self._costs, self._shared
            self.young, self._costs, self._shared = {}, {}, {}
            self._old_bytes, self._bytes = self._bytes, 0
            cost = alone + len(shared)
        if shared:
            self._shared.setdefault(shared, shared)
        self.young[key] = value
        self._costs[key] = (size, shared)
        self._bytes += cost

    def forget(self, key: K) -> None:
        """Drop one entry; what it shares counts until its dictionary is dropped."""
        if self.young.pop(key, None) is not None:
            self._bytes -= OVERHEAD + self._costs.pop(key)[0]
        elif self._old.pop(key, None) is not None:
            self._old_bytes -= OVERHEAD + self._old_costs.pop(key)[0]

    def clear(self) -> None:
        """Drop all."""
        for kept in (self.young, self._old, self._costs, self._old_costs, self._shared, self._old_shared):
            kept.clear()
        self._bytes = self._old_bytes = 0
