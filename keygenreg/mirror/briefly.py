"""What is remembered for a short while and within a bound, such as that upstream does not have a name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from attrs import define, field


@define(eq=False)
class Briefly:
    """:param most: keys remembered; the longest unused go first. :param clock: seconds."""

    clock: Callable[[], float]
    most: int = 10_000
    _until: OrderedDict[Hashable, float] = field(factory=OrderedDict, init=False)

    def remember(self, key: Hashable, seconds: float) -> None:
        self._until[key] = self.clock() + seconds
        self._until.move_to_end(key)
        while len(self._until) > self.most:
            self._until.popitem(last=False)

    def __contains__(self, key: Hashable) -> bool:
        until = self._until.get(key)
        if until is None:
            return False
        if self.clock() >= until:
            del self._until[key]
            return False
        self._until.move_to_end(key)
        return True

    def forget(self, key: Hashable) -> None:
        self._until.pop(key, None)
