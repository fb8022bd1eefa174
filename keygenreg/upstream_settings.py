"""Settings of other registries: what happens to names that this one does not carry, per engine and per account."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from attrs import Attribute, fields, frozen

from keygenreg.setting_kinds import Choice, Flag, HttpUrl, Number, OrNone, Text, WholeNumber, section, setting

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
HOUR = 3600
DAY = 24 * HOUR


@frozen
class Words:
    """A list of words that a pattern matches as a whole; as text they are separated by commas."""

    expectation: str
    pattern: str
    secret = False

    def check(self, value: Any) -> None:
        if not isinstance(value, tuple):
            raise ValueError(self.expectation)
        if not all(isinstance(each, str) and re.fullmatch(self.pattern, each, re.ASCII) for each in value):
            raise ValueError(self.expectation)

    def from_toml(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError(self.expectation)
        self.check(tuple(value))
        return tuple(value)

    def from_text(self, text: str) -> tuple[str, ...]:
        return self.from_toml([part.strip() for part in text.split(",") if part.strip()])

    def to_toml(self, value: tuple[str, ...]) -> list[str]:
        return list(value)


GLOBS = Words('a list of names where * stands for any text, such as ["acme-*"]', r"[A-Za-z0-9@/._*?-]{1,255}")
CODES = Words('a list of codes of entitlements, such as ["UPSTREAM"]', r"[^\s,](?:[^,]{0,253}[^\s,])?")
HOSTS = Words('a list of hosts with or without port, such as ["files.example.com"]', r"[a-z0-9.\[\]:-]{1,255}")


@frozen
class Overrides:
    """
    Settings of single accounts: account (id or slug) -> engine -> setting -> value, as tables of TOML.

    :param engines: the sections whose settings may be overridden.
    """

    engines: Mapping[str, type]
    expectation: str = "a table of accounts, each of engines, each of their settings; JSON in a variable"
    secret: bool = True  # they may hold credentials

    def check(self, value: Any) -> None:
        if not isinstance(value, Mapping):
            raise ValueError(self.expectation)
        for engines in value.values():
            for engine, given in engines.items():
                for name, each in given.items():
                    self._kind(engine, name).check(each)

    def from_toml(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(self.expectation)
        return {account: self._engines(account, engines) for account, engines in value.items()}

    def from_text(self, text: str) -> Mapping[str, Any]:
        try:
            return self.from_toml(json.loads(text or "{}"))
        except RecursionError:
            raise ValueError(self.expectation) from None

    def to_toml(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {
            account: {
                engine: {name: self._kind(engine, name).to_toml(each) for name, each in given.items()}
                for engine, given in engines.items()
            }
            for account, engines in value.items()
        }

    def _engines(self, account: str, engines: Any) -> dict[str, Any]:
        if not isinstance(account, str) or not isinstance(engines, Mapping):
            raise ValueError(self.expectation)
        return {engine: self._section(account, engine, given) for engine, given in engines.items()}

    def _section(self, account: str, engine: str, given: Any) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            raise ValueError(self.expectation)
        read = {}
        for name, value in given.items():
            try:
                read[name] = self._kind(engine, name).from_toml(value)
            except ValueError as error:
                raise ValueError(f"{error} for {account}.{engine}.{name}") from None
        return read

    def _kind(self, engine: str, name: str) -> Any:
        cls = self.engines.get(engine)
        attribute: Attribute | None = None if cls is None else getattr(fields(cls), str(name), None)
        if attribute is None:
            raise ValueError("a setting of an engine that has an upstream")
        return attribute.metadata["kind"]


_SECONDS = Number("seconds", 0.001, 7 * DAY)
_COUNT = WholeNumber("", 1, 10_000)


@frozen
class Mirrored:
    """What the upstreams of all engines have in common."""

    file_hosts: tuple[str, ...] = setting(
        HOSTS, (), "Hosts that its files may come from, and redirects lead to, besides its own."
    )
    authorization: str | None = setting(
        OrNone(Text(secret=True)),
        None,
        "Value of the Authorization header for the upstream's own origin, such as `Bearer TOKEN`. Empty: none.",
    )
    anonymous: bool = setting(Flag(), False, "Mirror for callers without credentials too.")
    entitlements: tuple[str, ...] = setting(
        CODES, (), "Pass through for licenses with all of these entitlements only, by code. Empty: for all."
    )
    allow: tuple[str, ...] = setting(GLOBS, (), "Only these names are looked up. Empty: all.")
    deny: tuple[str, ...] = setting(GLOBS, (), "Names that are refused with 403.")
    reserved: tuple[str, ...] = setting(GLOBS, (), "Names that are never looked up, whether they exist here or not.")
    warn_of_claims: str = setting(
        Choice("never", "mirror", "always"),
        "mirror",
        "Ask upstream whether it has names that are claimed here, and warn if so: where the mode is mirror; always: "
        "where it is redirect, too.",
    )
    cooldown_days: float = setting(
        Number("days", 0, 3650), 0.0, "Hide files that upstream has had for less time. 0: show all."
    )
    cooldown_exempt: tuple[str, ...] = setting(GLOBS, (), "Names whose files are never hidden for their age.")
    cache_bytes: int = setting(
        WholeNumber("bytes", 0), 20 * GIB, "Files kept for one account; the longest unused go. 0: no limit."
    )
    pinned: tuple[str, ...] = setting(
        GLOBS, (), "Names, and names of files, whose files stay whatever else needs room."
    )
    free_bytes: int = setting(
        WholeNumber("bytes", 0), GIB, "Room on disk that is left to others: without it further files are not kept."
    )
    ranges: str = setting(
        Choice("pass", "wait"),
        "pass",
        "Pass small parts of large files that are not here on by themselves, unverified, or let clients wait for the"
        " file.",
    )
    file_bytes: int = setting(WholeNumber("bytes", 1), 5 * GIB, "Largest file.")
    document_bytes: int = setting(WholeNumber("bytes", KIB, GIB), 64 * MIB, "Largest page, decompressed.")
    fresh_seconds: int = setting(
        WholeNumber("seconds", 0, DAY),
        600,
        "A page is used this long without asking, or for what upstream says if less.",
    )
    stale_seconds: int = setting(
        WholeNumber("seconds", 0, 30 * DAY), HOUR, "For this long after that, it is used while it is asked for anew."
    )
    stale_error_seconds: int = setting(
        WholeNumber("seconds", 0, 365 * DAY), 7 * DAY, "And for this long when upstream does not answer."
    )
    absent_seconds: int = setting(
        WholeNumber("seconds", 0, HOUR), 60, "How long a name is known not to exist upstream."
    )
    connections: int = setting(_COUNT, 16, "Pages, and as many files, that one process fetches at the same time.")
    connect_seconds: float = setting(_SECONDS, 5.0, "Time for a connection.")
    answer_seconds: float = setting(_SECONDS, 10.0, "Time from a request to the start of its answer.")
    idle_seconds: float = setting(_SECONDS, 30.0, "Time in which the next 4 KiB of an answer must come.")
    private_addresses: bool = setting(
        Flag(), False, "Connect to addresses that are not public: loopback, private and link-local ones."
    )


@frozen
class Pypi(Mirrored):
    """What happens to project names that this registry does not carry."""

    mode: str = setting(
        Choice("redirect", "mirror", "deny"),
        "redirect",
        "Send clients on to the index below, pass its pages and files through, or answer 404.",
    )
    url: str = setting(HttpUrl(path=True), "https://pypi.org/simple/", "The Simple index that names are looked up in.")
    file_hosts: tuple[str, ...] = setting(
        HOSTS,
        ("files.pythonhosted.org",),
        "Hosts that its files may come from, and redirects lead to, besides its own.",
    )


@frozen
class Npm(Mirrored):
    """What happens to npm packages that this registry does not carry."""

    mode: str = setting(
        Choice("mirror", "deny", refused={"redirect": "mirror or deny, as clients would keep the redirect's files"}),
        "deny",
        "Pass the documents and tarballs of the registry below through, or answer 404.",
    )
    url: str = setting(
        HttpUrl(path=True), "https://registry.npmjs.org/", "The registry that packages are looked up in."
    )


@frozen
class Rubygems(Mirrored):
    """What happens to gems that this registry does not carry."""

    mode: str = setting(
        Choice("mirror", "deny", refused={"redirect": "mirror or deny, as the indexes of both would have to be one"}),
        "deny",
        "Pass the indexes and gems of the source below through, or answer 404.",
    )
    url: str = setting(HttpUrl(path=True), "https://rubygems.org/", "The source that gems are looked up in.")


ENGINES: Mapping[str, type] = MappingProxyType({"pypi": Pypi, "npm": Npm, "rubygems": Rubygems})


@frozen
class Upstream:
    """Other registries."""

    accounts: Mapping[str, Any] = setting(
        Overrides(ENGINES),
        {},  # plain, as settings cross a pipe to web processes
        "What is different for single accounts, by id or slug: `[upstream.accounts.acme.pypi]`.",
    )
    pypi: Pypi = section(Pypi)
    npm: Npm = section(Npm)
    rubygems: Rubygems = section(Rubygems)
