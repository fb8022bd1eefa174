"""Platforms and architectures: the many names of the few that matter, and targets that name both."""

from __future__ import annotations

from attrs import frozen

#: Names as the updater spells them, then what else people call them.
_PLATFORMS = (
    ("linux",),
    ("darwin", "macos", "mac", "osx"),
    ("windows", "win", "win32", "win64"),
    ("android",),
    ("ios",),
)
_ARCHES = (
    ("x86_64", "amd64", "x64"),
    ("i686", "i386", "i586", "x86", "ia32", "386"),
    ("aarch64", "arm64"),
    ("armv7", "armv7l", "armhf", "arm"),
    ("riscv64", "riscv64gc"),
)
_KNOWN = frozenset(name for group in _PLATFORMS for name in group)
_UNIVERSAL = ("universal", "universal2")
_BUNDLES = frozenset({"app", "appimage", "deb", "rpm", "nsis", "msi"})


def _aliases(name: str, groups: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    name = name.strip().lower()
    return next((group for group in groups if name in group), (name,))


def platform_names(name: str) -> tuple[str, ...]:
    """All names of a platform, in lower case; the first is the updater's own."""
    return _aliases(name, _PLATFORMS)


def arch_names(name: str, platform: str) -> tuple[str, ...]:
    """All names of an architecture, in lower case, the updater's own first; universal builds of macOS fit each."""
    found = _aliases(name, _ARCHES)
    return found + tuple(each for each in _UNIVERSAL if platform_names(platform)[0] == "darwin" and each not in found)


def is_universal(arch: str) -> bool:
    return arch.lower() in _UNIVERSAL


@frozen
class Target:
    """What an updater runs on; ``bundle`` is how it was installed, where that is known."""

    platform: str
    arch: str
    bundle: str | None = None


def read_target(target: str, arch: str) -> Target:
    """
    ``{{target}}`` and ``{{arch}}`` of an endpoint. The target is a platform, unless the app sets one of its own: those
    that start with a platform are read like keys of the static document, ``darwin-universal`` or ``linux-x86_64-deb``.
    """
    platform, *more = target.strip().lower().split("-")
    if not more or platform not in _KNOWN:
        return Target(target, arch)
    bundle = more.pop() if more[-1] in _BUNDLES else None
    return Target(platform, "-".join(more) or arch, bundle)
