"""Ids, aliases and other names: which are well formed, and their normal form."""

from __future__ import annotations

import re
from urllib.parse import urlsplit
from uuid import UUID

#: Words that path segments of actions use; no alias may be one of them (api.md 1.1, reserved aliases).
RESERVED = frozenset({"action", "actions"})

_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.I)
_SLUG = re.compile(r"[a-z0-9][-a-z0-9]+", re.ASCII)
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
    re.ASCII,
)
_PYPI_SEPARATORS = re.compile(r"[-_.]+")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")


def parse_uuid(text: str | None) -> UUID | None:
    """The UUID that a text spells, with dashes or without, in any case; None for every other text."""
    if text is None or _UUID.fullmatch(text) is None:
        return None
    return UUID(text)


def looks_like_uuid(text: str) -> bool:
    """Whether a text could be taken for an id, so that it must not be an alias."""
    return _UUID.fullmatch(text) is not None


def is_reserved(alias: str) -> bool:
    """Whether an alias would hide an action's path."""
    return alias in RESERVED


def is_slug(text: str) -> bool:
    """Whether a text may name an account: ``[a-z0-9][-a-z0-9]+``, at most 255, not like an id (api.md 1.2)."""
    return len(text) <= 255 and _SLUG.fullmatch(text) is not None and not looks_like_uuid(text)


def is_email(text: str) -> bool:
    """Whether a text is an e-mail address as browsers' forms take them, at most 255 characters (HTML, 4.10.5.1.5)."""
    return len(text) <= 255 and _EMAIL.fullmatch(text) is not None


def normal_email(text: str) -> str:
    """An address as stored and looked up: trimmed, lower case (api.md 1.12)."""
    return text.strip().lower()


def is_web_url(text: str) -> bool:
    """Whether a text is an http or https URL with a host, at most 255 characters (api.md 1.3)."""
    if len(text) > 255 or _UNPRINTABLE.search(text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _blank_to_none(text: str | None) -> str | None:
    return (text.strip() or None) if text is not None else None


def normal_filetype(text: str | None) -> str | None:
    """A file type as stored: trimmed, lower case, without leading dot; blank is None (api.md 1.6)."""
    text = _blank_to_none(text)
    return _blank_to_none(text.lower().removeprefix(".")) if text else None


def normal_target(text: str | None) -> str | None:
    """A platform or architecture as stored: trimmed, lower case; blank is None (api.md 1.6)."""
    text = _blank_to_none(text)
    return text.lower() if text else None


def filetype_fits(filename: str, filetype: str) -> bool:
    """Whether a filename may carry a (normal) file type: a name with a dot must end with it (api.md 1.6)."""
    return "." not in filename or filename.lower().endswith("." + filetype)


def pypi_key(key: str) -> str:
    """A PyPI package's key as stored: runs of separators become one dash, letters keep their case (api.md 1.4)."""
    return _PYPI_SEPARATORS.sub("-", key)
