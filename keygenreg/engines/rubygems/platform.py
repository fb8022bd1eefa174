"""``Gem::Platform``: how the name of a platform is taken apart and put together again.

Source: lib/rubygems/platform.rb of RubyGems, checked against it in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from attrs import frozen

#: Gems of this platform run everywhere.
RUBY = "ruby"

_NAME = re.compile(r"[0-9A-Za-z_.-]{1,100}", re.ASCII)
_NUMBER_LAST = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


@frozen
class Platform:
    """Processor, system and its version, as far as they are known."""

    cpu: str | None
    os: str | None
    version: str | None

    def __str__(self) -> str:
        return "-".join(part for part in (self.cpu, self.os, self.version) if part is not None)


def is_platform_name(text: str) -> bool:
    """Whether a text can be that of a platform in file names and indexes."""
    return _NAME.fullmatch(text) is not None


def parse_platform(text: str) -> Platform | None:
    """The platform that a name means, None for :data:`RUBY`; unknown systems are called ``unknown``."""
    if text in ("", RUBY):
        return None
    cpu, *rest = _split(text)
    if len(rest) > 1 and re.search(r"\d", rest[-1], re.ASCII) is None:
        extra = rest.pop()
        rest[-1] += f"-{extra}"
    cpu = "x86" if re.search(r"i\d86", cpu, re.ASCII) else cpu
    if len(rest) == 2 and _NUMBER_LAST.fullmatch(rest[-1]):
        return Platform(cpu, rest[0], rest[1])
    if not rest:
        return _of_system(None, cpu)
    return _of_system(cpu, rest[0])


def canonical_platform(text: str) -> str:
    """What a gem for a platform is filed under: ``jruby`` is ``java``, ``x86_64-linux-gnu`` has no ``-gnu``."""
    platform = parse_platform(text)
    return RUBY if platform is None else str(platform)


def _split(text: str) -> list[str]:
    parts = text.split("-")
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts


def _of_system(cpu: str | None, system: str) -> Platform:
    for pattern, name in _SYSTEMS:
        if match := pattern.search(system):
            os, version = name(match)
            if os.startswith("mswin") and os.endswith("32") and cpu is None:
                cpu = "x86"
            return Platform(cpu, os, version)
    return Platform(cpu, "unknown", None)


def _known(name: str) -> Callable[[re.Match[str]], tuple[str, str | None]]:
    return lambda match: (name, match[1] if match.re.groups else None)


def _first_and(group: int) -> Callable[[re.Match[str]], tuple[str, str | None]]:
    return lambda match: (match[1], match[group])


_SYSTEMS = tuple(
    (re.compile(pattern, re.ASCII), name if callable(name) else _known(name))
    for pattern, name in (
        (r"aix(\d+)?", "aix"),
        (r"cygwin", "cygwin"),
        (r"darwin(\d+)?", "darwin"),
        (r"^macruby$", "macruby"),
        (r"freebsd(\d+)?", "freebsd"),
        (r"hpux(\d+)?", "hpux"),
        (r"^java$|^jruby$", "java"),
        (r"^java([\d.]*)", "java"),
        (r"^dalvik(\d+)?$", "dalvik"),
        (r"^dotnet$", "dotnet"),
        (r"^dotnet([\d.]*)", "dotnet"),
        (r"linux-?((?!gnu)\w+)?", "linux"),
        (r"mingw32", "mingw32"),
        (r"mingw-?(\w+)?", "mingw"),
        (r"(mswin\d+)(_(\d+))?", _first_and(3)),
        (r"netbsdelf", "netbsdelf"),
        (r"openbsd(\d+\.\d+)?", "openbsd"),
        (r"bitrig(\d+\.\d+)?", "bitrig"),
        (r"solaris(\d+\.\d+)?", "solaris"),
        (r"^(\w+_platform)(\d+)?", _first_and(2)),
    )
)
