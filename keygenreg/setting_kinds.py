"""The kinds of settings: what values they take, how those are read from TOML or from text; how sections are made."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from attrs import field, frozen

#: The highest whole number where nothing else bounds it: PostgreSQL's bigint holds it, and so does JSON.
MANY = 2**53


class Kind(Protocol):
    """
    One kind of setting.

    ``check`` refuses a finished value; ``from_toml`` reads one from a file, ``from_text`` from a variable or an option;
    ``to_toml`` is the opposite of ``from_toml``. All raise :class:`ValueError` for what is not of the kind; its text,
    mostly ``expectation``, completes the sentence "expected ...". ``secret`` values are never repeated in messages.
    """

    secret: bool

    @property
    def expectation(self) -> str: ...

    def check(self, value: Any) -> None: ...

    def from_toml(self, value: Any) -> Any: ...

    def from_text(self, text: str) -> Any: ...

    def to_toml(self, value: Any) -> Any: ...


class _Plain:
    """Kinds whose value is the same in TOML and in the settings."""

    expectation = ""
    secret = False

    def check(self, value: Any) -> None:
        raise NotImplementedError

    def from_toml(self, value: Any) -> Any:
        self.check(value)
        return value

    def from_text(self, text: str) -> Any:
        return self.from_toml(text)

    def to_toml(self, value: Any) -> Any:
        return value


@frozen
class Text(_Plain):
    """Text of one line, not empty, that a pattern matches as a whole."""

    expectation: str = "text of one line"
    pattern: str = r".*\S.*"
    secret: bool = False

    def check(self, value: Any) -> None:
        if not isinstance(value, str) or not value.isprintable() or not re.fullmatch(self.pattern, value, re.ASCII):
            raise ValueError(self.expectation)


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DOMAIN_NAME = Text("a domain in lower case, such as example.com", rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
ACCOUNT_REFERENCE = Text("the id or slug of an account, such as acme", r"[a-z0-9][-a-z0-9]{1,254}")
#: A PostgreSQL connection URI (libpq, 34.1.1.2); may hold a password.
DATABASE_URL = Text("a URL such as postgresql://user:password@host/name", r"postgres(ql)?://[!-~]*", secret=True)


@frozen
class HttpUrl(_Plain):
    """An absolute URL; kept without its trailing slash unless it is the URL of a folder (``path``)."""

    path: bool = False

    @property
    def expectation(self) -> str:
        return "a URL such as https://example.com" + ("/simple/" if self.path else ", without a path")

    def check(self, value: Any) -> None:
        if not isinstance(value, str) or not value.isprintable() or " " in value:
            raise ValueError(self.expectation)
        parts = urlsplit(value)
        port_is_number = parts.port is None or parts.port > 0  # .port raises ValueError itself when it is none
        clean = not parts.query and not parts.fragment and "@" not in parts.netloc
        shape = parts.path.endswith("/") if self.path else not parts.path
        if parts.scheme not in ("http", "https") or not parts.hostname or not (port_is_number and clean and shape):
            raise ValueError(self.expectation)

    def from_toml(self, value: Any) -> Any:
        if isinstance(value, str):
            value = value.rstrip("/") + ("/" if self.path else "")
        try:
            self.check(value)
        except ValueError:
            raise ValueError(self.expectation) from None
        return value


@frozen
class Choice(_Plain):
    """One of a few words; ``refused`` says why a word that people may try is not among them."""

    words: tuple[str, ...]
    refused: Mapping[str, str]

    def __init__(self, *words: str, refused: Mapping[str, str] | None = None) -> None:
        self.__attrs_init__(words, dict(refused or {}))

    @property
    def expectation(self) -> str:
        return "one of " + ", ".join(self.words)

    def check(self, value: Any) -> None:
        if value not in self.words:
            raise ValueError(self.refused.get(str(value), self.expectation))


@frozen
class Flag(_Plain):
    """Yes or no."""

    expectation = "true or false"

    def check(self, value: Any) -> None:
        if not isinstance(value, bool):
            raise ValueError(self.expectation)

    def from_text(self, text: str) -> bool:
        try:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        except KeyError:
            raise ValueError(self.expectation) from None


@frozen
class WholeNumber(_Plain):
    """A whole number of something, within bounds that belong to it."""

    unit: str
    lowest: int = 0
    highest: int = MANY

    @property
    def expectation(self) -> str:
        of = f" of {self.unit}" if self.unit else ""
        bounds = f", at least {self.lowest}" if self.highest == MANY else f" from {self.lowest} to {self.highest}"
        return f"a whole number{of}{bounds}"

    def check(self, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not self.lowest <= value <= self.highest:
            raise ValueError(self.expectation)

    def from_text(self, text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,30}", text.strip()):
            raise ValueError(self.expectation)
        return self.from_toml(int(text))


@frozen
class Number(_Plain):
    """A number of something, with a fraction or without, within bounds that belong to it."""

    unit: str
    lowest: float
    highest: float

    @property
    def expectation(self) -> str:
        return f"a number of {self.unit} from {self.lowest:g} to {self.highest:g}"

    def check(self, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(self.expectation)
        if not self.lowest <= value <= self.highest:
            raise ValueError(self.expectation)

    def from_toml(self, value: Any) -> float:
        self.check(value)
        return float(value)

    def from_text(self, text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,20}(\.[0-9]{0,20})?", text.strip()):
            raise ValueError(self.expectation)
        return self.from_toml(float(text))


@frozen
class PathName:
    """The name of a file or directory; a relative one starts at the working directory, ``~`` is the home directory."""

    expectation: str = "the path of a directory"
    secret: bool = False

    def check(self, value: Any) -> None:
        if not isinstance(value, Path) or "\0" in str(value):
            raise ValueError(self.expectation)

    def from_toml(self, value: Any) -> Path:
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise ValueError(self.expectation)
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise ValueError("a path whose home directory can be found") from None

    def from_text(self, text: str) -> Path:
        return self.from_toml(text)

    def to_toml(self, value: Path) -> str:
        return str(value)


@frozen
class Networks:
    """Addresses and networks in CIDR form; as text they are separated by commas."""

    expectation = 'a list of addresses or networks, such as ["10.0.0.0/8", "::1"]'
    secret = False

    def check(self, value: Any) -> None:
        if not isinstance(value, tuple):
            raise ValueError(self.expectation)
        for each in value:
            try:
                if not isinstance(each, str):
                    raise ValueError
                ip_network(each, strict=False)
            except ValueError:
                raise ValueError(self.expectation) from None

    def from_toml(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError(self.expectation)
        self.check(tuple(value))
        return tuple(value)

    def from_text(self, text: str) -> tuple[str, ...]:
        return self.from_toml([part.strip() for part in text.split(",") if part.strip()])

    def to_toml(self, value: tuple[str, ...]) -> list[str]:
        return list(value)


@frozen
class OrNone:
    """Another kind, or nothing: written as empty text, as TOML has no null."""

    kind: Kind = field()

    @property
    def expectation(self) -> str:
        return f"{self.kind.expectation}, or empty text"

    @property
    def secret(self) -> bool:
        return self.kind.secret

    def check(self, value: Any) -> None:
        if value is not None:
            self.kind.check(value)

    def from_toml(self, value: Any) -> Any:
        return None if value == "" else self.kind.from_toml(value)

    def from_text(self, text: str) -> Any:
        return None if text == "" else self.kind.from_text(text)

    def to_toml(self, value: Any) -> Any:
        return "" if value is None else self.kind.to_toml(value)


def setting(kind: Kind, default: Any, doc: str) -> Any:
    """A setting: its kind (checked whenever the section is made), its default, and one or two sentences of meaning."""
    return field(
        default=default,
        kw_only=True,
        validator=lambda _section, _attribute, value: kind.check(value),
        metadata={"kind": kind, "doc": doc},
    )


def section(cls: type) -> Any:
    """A table of settings inside another."""
    return field(factory=cls, kw_only=True, metadata={"section": cls})
