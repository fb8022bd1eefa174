"""package.json: reading one safely, and whether it is that of a release."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import Any

import orjson

from keygenreg.domain.reading import IngestError
from keygenreg.domain.version import Version, parse_version
from keygenreg.formats.archives.member_names import shown

#: Size of the largest package.json, in bytes (engines.md 2.3), and how deep it may be nested.
LONGEST = 1024 * 1024
DEEPEST = 100

_VERSION_PREFIX = re.compile(r"[=v\s]*")
_INSTALL_SCRIPTS = ("preinstall", "install", "postinstall")


def parse(document: bytes) -> dict[str, Any]:
    """
    The object in a package.json, read as npm reads it: a byte order mark is dropped, of equal keys the last counts.

    :raises IngestError: it is no JSON object, or beyond :data:`LONGEST` or :data:`DEEPEST`.
    """
    if len(document) > LONGEST:
        raise IngestError(f"package.json is larger than {LONGEST >> 10} KiB, which is the limit.")
    try:
        found = orjson.loads(document.removeprefix(codecs.BOM_UTF8))
    except ValueError as error:
        raise IngestError(f"package.json is not valid JSON ({str(error)[:200]}).") from None
    if not isinstance(found, dict):
        raise IngestError("package.json holds no JSON object.")
    if _is_deeper(found, DEEPEST):
        raise IngestError(f"package.json is nested more than {DEEPEST} levels deep, which is the limit.")
    return found


def _is_deeper(value: object, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return [member for member in value.values() if isinstance(member, (dict, list))]
    return [member for member in value if isinstance(member, (dict, list))] if isinstance(value, list) else []


def check_identity(package: Mapping[str, Any], *, key: str, version: str) -> None:
    """
    :param key: the package's key; ``version``: the release's.
    :raises IngestError: package.json speaks of another package or version; installers would refuse or mix them up.
    """
    name, stated = package.get("name"), package.get("version")
    if not isinstance(name, str):
        raise IngestError(f'package.json has no name; it must be {shown(key)}, as the package is.')
    if name != key:
        raise IngestError(
            f"package.json names the package {shown(name)}, but this is the package {shown(key)}; "
            "correct the name, or publish the file in a package of that name."
        )
    if not isinstance(stated, str):
        raise IngestError(f"package.json has no version; it must be {shown(version)}, as the release is.")
    if _version(stated) != _version(version):
        raise IngestError(
            f"package.json states version {shown(stated)}, but this is release {shown(version)}; "
            "correct the version, or publish the file in a release of that version."
        )


def _version(text: str) -> Version | str:
    try:
        return parse_version(text[_VERSION_PREFIX.match(text).end() :].strip())
    except ValueError:
        return text


def runs_scripts(package: Mapping[str, Any], *, has_binding_gyp: bool) -> bool:
    """Whether installing the package runs anything: its scripts, or node-gyp where it has a ``binding.gyp``."""
    scripts = package.get("scripts")
    scripts = scripts if isinstance(scripts, dict) else {}
    if any(scripts.get(name) for name in _INSTALL_SCRIPTS):
        return True
    return has_binding_gyp and package.get("gypfile") is not False
