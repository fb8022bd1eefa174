"""What a gem says of itself, as a value; and as facts: the JSON that is kept beside an artifact."""

from __future__ import annotations

import re
from typing import Any

from attrs import field, frozen

from keygenreg.engines.rubygems.gem_version import GemVersion, parse_gem_version
from keygenreg.engines.rubygems.platform import canonical_platform, is_platform_name

#: ``>= 0`` says nothing.
ANY = ((">=", "0"),)

OPERATORS = frozenset({"=", "!=", ">", "<", ">=", "<=", "~>"})
RUNTIME, DEVELOPMENT = "runtime", "development"
_NAME = re.compile(r"(?=[0-9_.-]*[A-Za-z])[0-9A-Za-z._-]{1,255}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

#: Operators with versions, all of which must hold.
Requirement = tuple[tuple[str, str], ...]


@frozen
class Dependency:
    """``kind`` is :data:`RUNTIME` or :data:`DEVELOPMENT`."""

    name: str
    kind: str
    requirement: Requirement


@frozen
class Gemspec:
    """
    A specification. ``platform`` is what its author called it, ``date`` like ``2026-01-31``; ``email`` is one or many.

    :raises ValueError: made of a name, version, platform, date or requirement that is none.
    """

    name: str
    version: GemVersion
    platform: str = "ruby"
    summary: str | None = None
    description: str | None = None
    authors: tuple[str, ...] = ()
    email: str | tuple[str, ...] | None = None
    homepage: str | None = None
    licenses: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    date: str = "1980-01-02"
    rubygems_version: str = ""
    specification_version: int = 4
    required_ruby_version: Requirement = ANY
    required_rubygems_version: Requirement = ANY
    dependencies: tuple[Dependency, ...] = field(default=())

    def __attrs_post_init__(self) -> None:
        names = [self.name, *(dependency.name for dependency in self.dependencies)]
        if not all(map(is_gem_name, names)):
            raise ValueError("not the name of a gem")
        if not is_platform_name(self.platform) or not _DATE.fullmatch(self.date):
            raise ValueError("not a platform, or not a date")
        stated = [dependency.requirement for dependency in self.dependencies]
        for requirement in (self.required_ruby_version, self.required_rubygems_version, *stated):
            for operator, version in requirement:
                if operator not in OPERATORS or parse_gem_version(version).text != version:
                    raise ValueError("not a requirement")

    @property
    def filed_platform(self) -> str:
        """The platform in file names and indexes."""
        return canonical_platform(self.platform)

    @property
    def label(self) -> str:
        """Version and platform, the latter unless it is Ruby itself."""
        platform = self.filed_platform
        return self.version.text if platform == "ruby" else f"{self.version}-{platform}"

    @property
    def file_name(self) -> str:
        """What the gem's file is called by those who install it."""
        return f"{self.name}-{self.label}.gem"

    @property
    def runtime_dependencies(self) -> tuple[Dependency, ...]:
        return tuple(dependency for dependency in self.dependencies if dependency.kind == RUNTIME)


def is_gem_name(text: str) -> bool:
    """Whether a text can name a gem: letters, digits, dots, dashes, underscores; a letter among them."""
    return _NAME.fullmatch(text) is not None


_TEXTS = ("summary", "description", "homepage")


def facts_of(gemspec: Gemspec) -> dict[str, Any]:
    """All of a specification as JSON values; the reverse of :func:`gemspec_of`."""
    return {
        "name": gemspec.name,
        "version": gemspec.version.text,
        "platform": gemspec.platform,
        **{name: getattr(gemspec, name) for name in _TEXTS},
        "authors": list(gemspec.authors),
        "email": gemspec.email if isinstance(gemspec.email, str | None) else list(gemspec.email),
        "licenses": list(gemspec.licenses),
        # Pairs, so that nobody takes the vendor's words for keys of ours.
        "metadata": [list(pair) for pair in gemspec.metadata],
        "date": gemspec.date,
        "rubygems_version": gemspec.rubygems_version,
        "specification_version": gemspec.specification_version,
        "required_ruby_version": _pairs(gemspec.required_ruby_version),
        "required_rubygems_version": _pairs(gemspec.required_rubygems_version),
        "dependencies": [[each.name, each.kind, _pairs(each.requirement)] for each in gemspec.dependencies],
    }


def gemspec_of(facts: dict[str, Any]) -> Gemspec:
    """:raises ValueError: these are not the facts of a specification."""
    try:
        email = facts["email"]
        return Gemspec(
            name=_text(facts["name"]),
            version=parse_gem_version(_text(facts["version"])),
            platform=_text(facts["platform"]),
            **{name: None if facts[name] is None else _text(facts[name]) for name in _TEXTS},
            authors=_texts(facts["authors"]),
            email=email if isinstance(email, str | None) else _texts(email),
            licenses=_texts(facts["licenses"]),
            metadata=tuple((_text(key), _text(value)) for key, value in facts["metadata"]),
            date=_text(facts["date"]),
            rubygems_version=_text(facts["rubygems_version"]),
            specification_version=int(facts["specification_version"]),
            required_ruby_version=_requirement(facts["required_ruby_version"]),
            required_rubygems_version=_requirement(facts["required_rubygems_version"]),
            dependencies=tuple(
                Dependency(_text(name), _text(kind), _requirement(pairs)) for name, kind, pairs in facts["dependencies"]
            ),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not the facts of a gem: {error!r}") from None


def _pairs(requirement: Requirement) -> list[list[str]]:
    return [list(pair) for pair in requirement]


def _requirement(pairs: Any) -> Requirement:
    return tuple((_text(operator), _text(version)) for operator, version in pairs)


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(_text(value) for value in values)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
