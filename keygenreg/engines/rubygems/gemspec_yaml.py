"""A specification in YAML, as RubyGems puts it into a gem, to a :class:`Gemspec`."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error

from keygenreg.domain.reading import IngestError
from keygenreg.engines.rubygems.gem_version import GemVersion, parse_gem_version
from keygenreg.engines.rubygems.gemspec import (
    ANY,
    DEVELOPMENT,
    OPERATORS,
    RUNTIME,
    Dependency,
    Gemspec,
    Requirement,
    is_gem_name,
)
from keygenreg.engines.rubygems.platform import is_platform_name
from keygenreg.engines.rubygems.strict_yaml import Mapping, Node, Scalar, Sequence, parse

_DATE = re.compile(r"\s*([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_MONTHS, _DAYS = range(1, 13), range(1, 32)
_MOST_REQUIREMENTS = 100
_REQUIREMENTS = ("Gem::Requirement", "Gem::Version::Requirement")
# What RubyGems itself takes where no date is stated, for builds that are the same each time.
_NO_DATE = "1980-01-02"


def read_gemspec(document: str) -> Gemspec:
    """
    Read a specification; unknown members are passed over.

    :raises IngestError: it is none that gem would install, or beyond the bounds of
        :func:`~keygenreg.engines.rubygems.strict_yaml.parse`.
    """
    root = parse(document)
    if not isinstance(root, Mapping) or root.ruby_class != "Gem::Specification":
        raise _wrong("is no Gem::Specification")
    members = root.members
    name = _text(members, "name") or ""
    if not is_gem_name(name):
        raise _wrong(f"states a name that is none ({_shown(name)})")
    return Gemspec(
        name=name,
        version=_version(members.get("version"), "version"),
        platform=_platform(members),
        summary=_text(members, "summary"),
        description=_text(members, "description"),
        authors=_texts(members, "authors") or _texts(members, "author"),
        email=_email(members.get("email")),
        homepage=_text(members, "homepage"),
        licenses=_texts(members, "licenses") or _texts(members, "license"),
        metadata=_metadata(members.get("metadata")),
        date=_date(members.get("date")),
        rubygems_version=_text(members, "rubygems_version") or "",
        specification_version=_specification_version(_text(members, "specification_version")),
        required_ruby_version=_requirement(members.get("required_ruby_version"), "required_ruby_version"),
        required_rubygems_version=_requirement(members.get("required_rubygems_version"), "required_rubygems_version"),
        dependencies=_dependencies(members.get("dependencies")),
    )


def _wrong(what: str) -> IngestError:
    return IngestError(f"The gem's specification {what}; build the gem again with gem build.")


def _shown(text: str) -> str:
    return ascii(text[:60])


def _string(node: Node | None, where: str) -> str | None:
    """A text, None for null and nothing."""
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return None
    if not isinstance(node, Scalar):
        raise _wrong(f"has something else than a text as {where}")
    text = node.text
    if node.binary:
        try:
            text = b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
        except (Base64Error, ValueError):
            raise _wrong(f"has damaged bytes as {where}") from None
    if "\x00" in text or not _is_unicode(text):
        raise _wrong(f"has characters that cannot be stored in {where}")
    return text


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _text(members: dict[str, Node], name: str) -> str | None:
    return _string(members.get(name), name)


def _texts(members: dict[str, Node], name: str) -> tuple[str, ...]:
    """A list of texts, or one; nulls are left out."""
    node = members.get(name)
    items = node.items if isinstance(node, Sequence) else (node,)
    return tuple(text for text in (_string(item, name) for item in items) if text is not None)


def _email(node: Node | None) -> str | tuple[str, ...] | None:
    return _texts({"email": node}, "email") if isinstance(node, Sequence) else _string(node, "email")


def _metadata(node: Node | None) -> tuple[tuple[str, str], ...]:
    if not isinstance(node, Mapping) or node.ruby_class is not None:
        if _string(node, "metadata") is None:
            return ()
        raise _wrong("has metadata that are no mapping")
    values = ((key, _string(value, "metadata")) for key, value in node.members.items())
    return tuple((_string(Scalar(key), "metadata") or "", value) for key, value in values if value is not None)


def _date(node: Node | None) -> str:
    match = _DATE.match(_string(node, "date") or "")
    if match is None or int(match[2]) not in _MONTHS or int(match[3]) not in _DAYS or int(match[1]) < 1900:
        return _NO_DATE
    return "-".join(match.groups())


def _specification_version(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 4 else 4


def _platform(members: dict[str, Node]) -> str:
    node = members.get("platform")
    if isinstance(node, Mapping) and node.ruby_class == "Gem::Platform":
        parts = (_text(node.members, part) for part in ("cpu", "os", "version"))
        text = "-".join(part for part in parts if part)
    else:
        text = _string(node, "platform") or "ruby"
    if not is_platform_name(text):
        raise _wrong(f"states a platform that is none ({_shown(text)})")
    return text


def _version(node: Node | None, where: str) -> GemVersion:
    if isinstance(node, Mapping) and node.ruby_class == "Gem::Version":
        text = _text(node.members, "version")
    elif isinstance(node, Scalar):
        text = _string(node, where)
    else:
        raise _wrong(f"has no version as {where}")
    try:
        return parse_gem_version(text or "0")
    except ValueError as error:
        raise _wrong(f"states a version as {where} that is none ({_shown(text or '')}: {error})") from None


def _requirement(node: Node | None, where: str) -> Requirement:
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return ANY
    if not isinstance(node, Mapping) or node.ruby_class not in _REQUIREMENTS:
        raise _wrong(f"has no requirement as {where}")
    stated = node.members.get("requirements")
    if not isinstance(stated, Sequence):
        # RubyGems before 1.0 wrote the first one only.
        stated = Sequence(()) if stated is None else Sequence((stated,))
    if len(stated.items) > _MOST_REQUIREMENTS:
        raise _wrong(f"has more than {_MOST_REQUIREMENTS} requirements as {where}")
    return tuple(_condition(item, where) for item in stated.items) or ANY


def _condition(node: Node, where: str) -> tuple[str, str]:
    if not isinstance(node, Sequence) or len(node.items) != 2:
        raise _wrong(f"has no requirement as {where}")
    operator = _string(node.items[0], where) or ""
    if operator not in OPERATORS:
        raise _wrong(f"compares versions with {_shown(operator)} in {where}")
    return operator, _version(node.items[1], where).text


def _dependencies(node: Node | None) -> tuple[Dependency, ...]:
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return ()
    if not isinstance(node, Sequence):
        raise _wrong("has dependencies that are no list")
    return tuple(map(_dependency, node.items))


def _dependency(node: Node) -> Dependency:
    if not isinstance(node, Mapping) or node.ruby_class != "Gem::Dependency":
        raise _wrong("has a dependency that is none")
    name = _text(node.members, "name") or ""
    if not is_gem_name(name):
        raise _wrong(f"depends on {_shown(name)}, which is no name of a gem")
    kind = (_text(node.members, "type") or RUNTIME).removeprefix(":")
    if kind not in (RUNTIME, DEVELOPMENT):
        raise _wrong(f"has a dependency of an unknown type ({_shown(kind)})")
    stated = node.members.get("requirement", node.members.get("version_requirements"))
    return Dependency(name, kind, _requirement(stated, f"requirement of {name}"))
