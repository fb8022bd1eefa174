"""Going on with the list of versions that a client has, instead of sending the whole again.

The list is sorted, so a new version changes it in the middle; but a client that keeps it asks for what was appended
since. The format allows that: later lines add versions, take them away (``-1.0.0``), and replace checksums.
Source: https://guides.rubygems.org/rubygems-org-compact-index-api/ ("versions").
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable

from attrs import define, field

from keygenreg.engines.rubygems.document_cache import DocumentCache

_MOST_KEPT = 32 * 1024 * 1024
_MOST_STEPS = 4 * 1024 * 1024
_ONE_TAG = re.compile(r'\s*(?:W/)?"([0-9a-f]{32})"\s*', re.ASCII)
_OPEN_RANGE = re.compile(r"\s*bytes=([0-9]{1,18})-\s*", re.ASCII)


@define
class Continuations:
    """Remembers lists that were sent; ``whose`` tells apart callers, who must not see what others saw."""

    _sent: DocumentCache = field(factory=lambda: DocumentCache(_MOST_KEPT), init=False)
    # From one list to another, by their digests: the same for all who make this step.
    _steps: DocumentCache = field(factory=lambda: DocumentCache(_MOST_STEPS), init=False)

    def answer(self, whose: Hashable, current: bytes, header: Callable[[str], str | None]) -> bytes:
        """
        The list for a request: ``current``, or what the client has with lines that bring it up to date.

        :param header: a request header's value by name.
        """
        chosen = current
        tag = _ONE_TAG.fullmatch(header("If-None-Match") or "")
        known = self._sent.get((whose, tag[1])) if tag else None
        if known is not None and known != current:
            more = self._step(known, current)
            start = _OPEN_RANGE.fullmatch(header("Range") or "")
            if more == b"" or (more is not None and start is not None and int(start[1]) == len(known) - 1):
                chosen = known + more
        self._sent.put((whose, _digest(chosen)), chosen)
        return chosen

    def _step(self, known: bytes, current: bytes) -> bytes | None:
        step = _digest(known), _digest(current)
        more = self._steps.get(step)
        if more is None:
            more = continued(known, current)
            if more is not None:
                self._steps.put(step, more)
        return more


def _digest(document: bytes) -> str:
    return hashlib.md5(document, usedforsecurity=False).hexdigest()


# Of the information about a gem that has no versions.
_EMPTY = _digest(b"---\n")


def continued(known: bytes, current: bytes) -> bytes | None:
    """
    The lines after which one list says the same as another.

    :return: None where the lists are of different age, or sending the other as it is would be better.
    """
    known_head, _, known_lines = known.decode().partition("---\n")
    head, _, lines = current.decode().partition("---\n")
    if known_head != head:
        return None
    before, after = _state(known_lines), _state(lines)
    changes = []
    for name in sorted(before.keys() | after.keys()):
        old, old_digest = before.get(name, ([], _EMPTY))
        new, digest = after.get(name, ([], _EMPTY))
        if sorted(old) == sorted(new) and old_digest == digest:
            continue
        steps = [f"-{version}" for version in old if version not in new]
        steps += [version for version in new if version not in old]
        if not steps:
            # Nothing but the checksum: a line must name a version all the same.
            steps = [f"-{version}" for version in old] + new
        if steps:
            changes.append(f"{name} {','.join(steps)} {digest}\n")
    more = "".join(changes).encode()
    return more if len(known) + len(more) <= 2 * len(current) else None


def _state(lines: str) -> dict[str, tuple[list[str], str]]:
    """Versions and checksum of each gem that has any, after all lines."""
    found: dict[str, tuple[list[str], str]] = {}
    for line in lines.splitlines():
        name, steps, digest = line.split(" ")
        versions = list(found.get(name, ([], ""))[0])
        for step in steps.split(","):
            if step.startswith("-"):
                versions.remove(step[1:])
            else:
                versions.append(step)
        found[name] = versions, digest
    return {name: state for name, state in found.items() if state[0]}
