"""What the operator allows one account to have from one upstream: names, files, bounds."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from attrs import evolve, frozen

from keygenreg.domain.failures import Denied, NotFound, Unauthenticated
from keygenreg.domain.grant import Grant
from keygenreg.mirror.adapter import Adapter, RemoteFile
from keygenreg.mirror.pins import Pins
from keygenreg.upstream.addresses import AddressRules
from keygenreg.upstream.client import Limits
from keygenreg.upstream_settings import Mirrored, Upstream


@frozen
class Names:
    """Names by globs: ``*`` is any text, also none; ``?`` one character; everything else is itself."""

    patterns: tuple[str, ...]
    _matcher: re.Pattern[str] | None

    @classmethod
    def of(cls, globs: tuple[str, ...], normalize: Callable[[str], str] = str.lower) -> Names:
        """:param normalize: brings what stands between the wildcards into the form of names."""
        patterns = tuple(normalize(glob) for glob in globs)
        if not patterns:
            return cls((), None)
        return cls(patterns, re.compile("|".join(map(_expression, patterns)), re.DOTALL | re.IGNORECASE))

    def __contains__(self, name: str) -> bool:
        return self._matcher is not None and self._matcher.fullmatch(name) is not None

    def __bool__(self) -> bool:
        return bool(self.patterns)


def _expression(glob: str) -> str:
    # Several stars in a row mean one, and would make the matcher slow.
    pieces = re.split(r"(\*+|\?)", glob)
    return "".join(".*?" if piece[:1] == "*" else "." if piece == "?" else re.escape(piece) for piece in pieces)


_WARNING_MODES = {"never": (), "mirror": ("mirror",), "always": ("mirror", "redirect")}


@frozen(kw_only=True)
class Policy:
    """
    :ivar upstream: the upstream's URL, with a trailing slash. Others as :class:`keygenreg.upstream_settings.Mirrored`
        has them; times in seconds, sizes in bytes.
    """

    mode: str
    upstream: str
    anonymous: bool
    entitlements: tuple[str, ...]
    warns: bool
    allow: Names
    deny: Names
    reserved: Names
    exempt: Names
    cooldown: timedelta
    fresh: int
    stale: int
    stale_error: int
    absent: int
    ranges: str
    pins: Pins
    cache_bytes: int
    free_bytes: int
    rules: AddressRules
    limits: Limits
    authorization: str | None

    def __repr__(self) -> str:
        return f"<policy: {self.mode} {self.upstream}>"

    @property
    def wants_bearers(self) -> bool:
        """Whether callers without credentials are turned away, and may come back with some."""
        return bool(self.entitlements) or (self.mode == "mirror" and not self.anonymous)

    def withheld(self) -> Policy:
        """The same for a bearer that nothing is passed through for."""
        return evolve(self, mode="deny")

    def judge(self, name: str) -> None:
        """
        Whether a name that is not claimed may be looked up at all.

        :param name: normalised.
        :raises NotFound: it is reserved here, or nothing is looked up. Denied: the operator refuses it (403).
        """
        if name in self.reserved:
            raise NotFound(f"There is no {name!r} here, and its name is reserved for this registry.")
        if self.mode == "deny":
            raise NotFound(f"There is no {name!r} here.")
        if name in self.deny:
            raise Denied(f"The operator of this registry does not pass {name!r} through.", "UPSTREAM_DENIED")
        if self.allow and name not in self.allow:
            raise Denied(f"{name!r} is not among what this registry passes through.", "UPSTREAM_DENIED")

    def admit(self, grant: Grant) -> None:
        """:raises Unauthenticated: upstream is for callers with credentials only."""
        if grant.bearer is None and self.wants_bearers:
            raise Unauthenticated(
                "What this registry passes through from others needs a license key or token.", "TOKEN_MISSING"
            )

    def shows(self, name: str, file: RemoteFile) -> bool:
        """Whether a file is old enough to be shown; one of unknown age is not, while there is a cooldown."""
        return self.old_enough(name, file.uploaded)

    def old_enough(self, name: str, uploaded: datetime | None) -> bool:
        if not self.cooldown or name in self.exempt:
            return True
        return uploaded is not None and datetime.now(UTC) - uploaded >= self.cooldown


def _given(upstream: Upstream, engine: str, account: tuple[str, ...]) -> Mirrored:
    """An engine's settings, with those of the account in place of them; of its names the last one counts most."""
    given = {"pypi": upstream.pypi, "npm": upstream.npm, "rubygems": upstream.rubygems}[engine]
    for name in account:
        given = evolve(given, **upstream.accounts.get(name, {}).get(engine, {}))
    return given


def policy_of(upstream: Upstream, adapter: Adapter, *account: str) -> Policy:
    """
    The policy of an engine for an account.

    :param account: its id and slug, as the settings of single accounts may name it.
    """
    given = _given(upstream, adapter.engine, account)
    bounds = Limits(
        connect=given.connect_seconds,
        first_byte=given.answer_seconds,
        idle=given.idle_seconds,
        documents=given.connections,
        files=given.connections,
        document_bytes=given.document_bytes,
        file_bytes=given.file_bytes,
    )

    def names(globs: tuple[str, ...]) -> Names:
        return Names.of(globs, adapter.normalize)

    return Policy(
        mode=given.mode,
        upstream=given.url,
        anonymous=given.anonymous,
        entitlements=tuple(sorted({code.lower() for code in given.entitlements})),
        warns=given.mode in _WARNING_MODES[given.warn_of_claims],
        allow=names(given.allow),
        deny=names(given.deny),
        reserved=names(given.reserved),
        exempt=names(given.cooldown_exempt),
        cooldown=timedelta(days=given.cooldown_days),
        fresh=given.fresh_seconds,
        stale=given.stale_seconds,
        stale_error=given.stale_error_seconds,
        absent=given.absent_seconds,
        ranges=given.ranges,
        pins=Pins.of(given.pinned, adapter.normalize),
        cache_bytes=given.cache_bytes,
        free_bytes=given.free_bytes,
        rules=AddressRules(given.url, given.file_hosts, given.private_addresses),
        limits=bounds,
        authorization=given.authorization,
    )
