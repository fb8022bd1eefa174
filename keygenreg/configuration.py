"""Reads settings: defaults, then a TOML file, then ``KEYGENREG_*`` variables, then command-line options.

Each step overrides the one before it. A variable is named after section and key, ``KEYGENREG_UPSTREAM_PYPI_MODE`` for
``mode`` in ``[upstream.pypi]``. Whatever is unknown or of the wrong kind is an error that says where it stands and what
was expected; nothing is silently ignored or corrected.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from attrs import Attribute, fields, frozen

from keygenreg.setting_kinds import Kind
from keygenreg.settings import Settings

PREFIX = "KEYGENREG_"

#: Command-line options of the daemon, and the settings they override.
OPTIONS = {
    "data-dir": "storage.data_dir",
    "port": "server.port",
    "host": "server.host",
    "mode": "server.mode",
    "domain": "server.domain",
    "delivery": "delivery.mode",
    "workers": "server.workers",
}


class ConfigurationError(ValueError):
    """A setting that cannot be taken; its text is one sentence for the person who wrote it."""


@frozen
class Described:
    """One setting: its full name (``upstream.pypi.mode``), kind, default and meaning."""

    name: str
    kind: Kind
    default: Any
    doc: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.replace(".", "_").upper()


def described(cls: type = Settings, path: str = "") -> Iterator[Described]:
    """Every setting, in the order of the reference file."""
    for attribute in fields(cls):
        name = path + attribute.name
        if "section" in attribute.metadata:
            yield from described(attribute.metadata["section"], f"{name}.")
        else:
            yield Described(name, attribute.metadata["kind"], attribute.default, attribute.metadata["doc"])


#: All settings by their full names.
KNOWN = {each.name: each for each in described()}
_VARIABLES = {each.variable: each for each in KNOWN.values()}
_SECTION_PREFIXES = tuple(PREFIX + attribute.name.upper() + "_" for attribute in fields(Settings))


def load(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """
    The settings of a daemon.

    :param file: a TOML file, which must exist; ``None`` for none.
    :param environment: variables, usually ``os.environ``; those that do not name a section of ours are passed over.
    :param options: values of command-line options by full setting name, as text or already read; ``None`` means that
        the option was not given.
    :raises ConfigurationError: the first thing that is wrong.
    """
    values: dict[str, Any] = {}
    if file is not None:
        values.update(_from_document(_parse(file), str(file)))
    values.update(_from_environment(environment or {}))
    for name, value in (options or {}).items():
        if value is not None:
            values[name] = _taken(KNOWN[name].kind, str(value), _option_of(name))
    return _build(Settings, "", values)


def from_document(document: Mapping[str, Any], source: str = "settings") -> Settings:
    """
    Settings from nested tables, as a TOML or JSON parser gives them; the opposite of :func:`to_document`.

    :param source: what to call the document in errors.
    :raises ConfigurationError: the first thing that is wrong.
    """
    return _build(Settings, "", dict(_from_document(document, source)))


def to_document(settings: Any) -> dict[str, Any]:
    """Nested tables of plain values, defaults included: fit for JSON, or to be handed to another process."""
    return {
        attribute.name: (
            to_document(getattr(settings, attribute.name))
            if "section" in attribute.metadata
            else attribute.metadata["kind"].to_toml(getattr(settings, attribute.name))
        )
        for attribute in fields(type(settings))
    }


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: is not UTF-8 text.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: is not TOML: {error}.") from error


def _from_document(
    document: Mapping[str, Any], source: str, cls: type = Settings, path: str = ""
) -> Iterator[tuple[str, Any]]:
    attributes: dict[str, Attribute] = {attribute.name: attribute for attribute in fields(cls)}
    for key, value in document.items():
        name = path + key
        attribute = attributes.get(key)
        if attribute is None:
            what = "section" if isinstance(value, Mapping) else "setting"
            raise ConfigurationError(f"{source}: {name}: there is no such {what}{_perhaps(key, attributes)}.")
        if "section" in attribute.metadata:
            if not isinstance(value, Mapping):
                raise ConfigurationError(f"{source}: {name}: expected a section, written [{name}].")
            yield from _from_document(value, source, attribute.metadata["section"], f"{name}.")
        else:
            yield name, _taken(attribute.metadata["kind"], value, f"{source}: {name}", text=False)


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for variable, text in environment.items():
        known = _VARIABLES.get(variable)
        if known is not None:
            yield known.name, _taken(known.kind, text, variable)
        elif variable.startswith(_SECTION_PREFIXES):
            raise ConfigurationError(f"{variable}: there is no such setting{_perhaps(variable, _VARIABLES)}.")


def _taken(kind: Kind, value: Any, where: str, *, text: bool = True) -> Any:
    try:
        return kind.from_text(value) if text else kind.from_toml(value)
    except ValueError as error:
        got = "" if kind.secret else f"; got {value!r}"
        raise ConfigurationError(f"{where}: expected {error}{got}.") from None


def _option_of(name: str) -> str:
    return next((f"--{option}" for option, setting in OPTIONS.items() if setting == name), name)


def _perhaps(word: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(word, known, n=1)
    return f" (perhaps {close[0]})" if close else ""


def _build(cls: type, path: str, values: Mapping[str, Any]) -> Any:
    given = {}
    for attribute in fields(cls):
        name = path + attribute.name
        if "section" in attribute.metadata:
            given[attribute.name] = _build(attribute.metadata["section"], f"{name}.", values)
        elif name in values:
            given[attribute.name] = values[name]
    return cls(**given)
