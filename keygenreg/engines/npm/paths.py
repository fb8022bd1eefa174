"""Paths of the registry: which package, version or tarball one of them names, and how they are written in links."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from attrs import frozen

from keygenreg.web.resource_tree import path_parts

_SUFFIX = ".tgz"
# What registries have let names be (packages.md 2.3): old ones have capitals; none begins with a dot or underscore.
_PUBLIC_NAME = re.compile(r"(?:@[0-9A-Za-z~-][0-9A-Za-z._~-]*/)?[0-9A-Za-z~-][0-9A-Za-z._~-]*", re.ASCII)
_LONGEST_PUBLIC = 214


@frozen
class Document:
    """``/<package>``: everything about a package."""

    name: str


@frozen
class Selected:
    """``/<package>/<version or tag>``: one version."""

    name: str
    selector: str


@frozen
class Tarball:
    """``/<package>/-/<file>``: the file of a version."""

    name: str
    version: str


def read_path(path: str) -> Document | Selected | Tarball | None:
    """
    What a path below the registry's root means; ``None`` for what no client asks for.

    :param path: decoded, so that the slash after a scope may have come as ``/`` or ``%2F``; without a slash in front.
    """
    first, *rest = path.split("/")
    name = first
    if first.startswith("@"):
        if not rest:
            return None
        name = f"{first}/{rest.pop(0)}"
    if first == "-" or not basename(name):
        return None
    if not rest:
        return Document(name)
    if rest[0] != "-":
        return Selected(name, rest[0]) if len(rest) == 1 and rest[0] else None
    # Some registries repeat the scope before the file's name, and so do lockfiles that were made with them.
    folders, file = rest[1:-1], rest[-1]
    version = version_of_tarball(name, file) if len(rest) > 1 and folders in ([], [first]) else None
    return None if version is None else Tarball(name, version)


def basename(name: str) -> str:
    """A package's name without its scope: what tarballs are called after."""
    return name.partition("/")[2] if name.startswith("@") else name


def is_public_name(name: str) -> bool:
    """Whether another registry may know a name; others are not asked for."""
    return len(name) <= _LONGEST_PUBLIC and _PUBLIC_NAME.fullmatch(name) is not None


def version_of_tarball(name: str, file: str) -> str | None:
    """The version in ``<basename>-<version>.tgz``."""
    prefix = f"{basename(name)}-"
    if not file.startswith(prefix) or not file.endswith(_SUFFIX):
        return None
    return file[len(prefix) : -len(_SUFFIX)] or None


def registry_base(base_url: str, target: bytes, own_parts: int) -> str:
    """
    The root of the registry as the client spelled it: credentials in ``.npmrc`` hold below that prefix only, so links
    must not leave it.

    :param base_url: scheme, host and port.
    :param target: path and query as received.
    :param own_parts: how many segments of the path lie below the root.
    """
    parts = path_parts(target.partition(b"?")[0])
    prefix = parts[: len(parts) - own_parts]
    return "/".join([base_url, *(quote(part, safe="@:") for part in prefix)])


def tarball_name(name: str, version: str) -> str:
    """What a version's file is called by convention."""
    return f"{basename(name)}-{version}{_SUFFIX}"


def tarball_url(base: str, name: str, version: str) -> str:
    """The conventional address of a version's file: clients that find another one in documents write it into lockfiles,
    and some build this one themselves."""
    return tarball_urls(base, name)(version)


def tarball_urls(base: str, name: str) -> Callable[[str], str]:
    """:func:`tarball_url` for many versions of a package."""
    start = f"{base}/{quote(name, safe='@/')}/-/{quote(basename(name), safe='')}-"
    return lambda version: f"{start}{quote(version, safe='+')}{_SUFFIX}"


def nerf_dart(base: str) -> str:
    """The registry's root as it stands before ``:_authToken`` and its kin in ``.npmrc``."""
    return base.partition(":")[2] + "/"
