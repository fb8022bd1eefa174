"""How long a document is good for: what upstream says, within the operator's bounds (RFC 9111; packages.md 1.9)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from math import inf

from attrs import frozen

from keygenreg.mirror.policy import Policy

_MAX_AGE = re.compile(r'(?:^|[,\s])max-age="?([0-9]{1,10})"?', re.IGNORECASE)

#: However short upstream wants it, in seconds: one client's install asks for a page several times.
SHORTEST = 30
#: The same of documents that list a whole registry, which are long to read and to make ours of.
SHORTEST_OF_ALL = 300


def lifetime(headers: Mapping[str, str], longest: int, shortest: int = SHORTEST) -> int:
    """
    Seconds for which a document is fresh.

    :param headers: of its answer, names in lower case.
    :param longest: the operator's bound, and what counts where upstream says nothing.
    :param shortest: however short upstream wants it; the operator may want it shorter still.
    """
    control = headers.get("cache-control", "")
    if re.search(r"\bno-(?:store|cache)\b", control, re.IGNORECASE):
        return min(shortest, longest)
    stated = _MAX_AGE.search(control)
    if stated is None:
        return longest
    age = headers.get("age", "")
    spent = int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0
    return min(max(shortest, int(stated.group(1)) - spent), longest)


@frozen
class Age:
    """A document's freshness at a moment; times in Unix seconds."""

    fresh_until: float
    now: float

    @property
    def fresh(self) -> bool:
        return self.now < self.fresh_until

    def usable_meanwhile(self, policy: Policy) -> bool:
        """Whether it may be used while it is asked for anew."""
        return self.now < self.fresh_until + policy.stale

    def usable_instead(self, policy: Policy) -> bool:
        """Whether it may be used because upstream does not answer."""
        return self.now < self.fresh_until + max(policy.stale, policy.stale_error)


def ripe_at(hidden: Iterable[datetime | None], policy: Policy) -> float:
    """When the first of what is too young yet may be shown (Unix seconds); what is of unknown age never is."""
    moments = (uploaded.timestamp() for uploaded in hidden if uploaded is not None)
    return min(moments, default=inf) + policy.cooldown.total_seconds()
