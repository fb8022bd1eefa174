"""Channels: how stable a release claims to be, and which channels a request for one includes."""

from __future__ import annotations

from types import MappingProxyType

STABLE = "stable"

_INCLUDED = MappingProxyType(
    {
        "stable": frozenset({"stable"}),
        "rc": frozenset({"stable", "rc"}),
        "beta": frozenset({"stable", "rc", "beta"}),
        "alpha": frozenset({"stable", "rc", "beta", "alpha"}),
        "dev": frozenset({"dev"}),
    }
)

#: All channels, most stable first.
CHANNELS = tuple(_INCLUDED)
#: Those whose releases have a prerelease part, which starts with the channel's name.
PRERELEASE_CHANNELS = tuple(key for key in CHANNELS if key != STABLE)


def included(channel: str) -> frozenset[str]:
    """
    The channels that someone on ``channel`` is offered: everything at least as stable, but ``dev`` stands alone.
    Empty for an unknown channel.

    Source: api.md 2.8 (channel filter), engines.md 1.7.
    """
    return _INCLUDED.get(channel, frozenset())


def of_prerelease(prerelease: str | None) -> str:
    """The channel that a prerelease part names by the word it starts with; ``stable`` when it names none (dump.md)."""
    return next((key for key in PRERELEASE_CHANNELS if (prerelease or "").startswith(key)), STABLE)
