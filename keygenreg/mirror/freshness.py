"""How long a document is good for: what upstream says, within the operator's bounds (RFC 9111; packages.md 1.9)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from keygenreg.mirror.policy import Policy

_MAX_AGE = re.compile(r'(?:^|[,\s])max-age="?([0-9]{1,10})"?', re.IGNORECASE)

#: However short upstream wants it, in seconds: one client's install asks for a page several times.
SHORTEST = 30


def lifetime(headers: Mapping[str, str], longest: int) -> int:
    """
    Seconds for which a document is fresh.

    :param headers: of its answer, names in lower case.
    :param longest: the operator's bound, and what counts where upstream says nothing.
    """
    control = headers.get("cache-control", "")
    if re.search(r"\bno-(?:store|cache)\b", control, re.IGNORECASE):
        return min(SHORTEST, longest)
    stated = _MAX_AGE.search(control)
    if stated is None:
        return longest
    age = headers.get("age", "")
    spent = int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0
    return min(max(SHORTEST, int(stated.group(1)) - spent), longest)


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
