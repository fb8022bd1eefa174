"""What an updater asks for: package, target, version, channel and constraint, from path and query."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from keygenreg.domain.failures import BadRequest, Source
from keygenreg.domain.upgrade import Constraint, parse_range
from keygenreg.domain.version import Version, parse_version
from keygenreg.engines.tauri.targets import Target, read_target
from keygenreg.formats.jsonapi_query import QueryParameters

#: Last segment of the static document's path.
STATIC = "latest.json"


@frozen
class Place:
    """
    What a path names. ``target`` and ``version`` are those of ``<package>/{{target}}/{{arch}}/{{current_version}}``;
    without them they are in the query, or it is the static document.
    """

    package: str
    target: Target | None = None
    version: str | None = None
    static: bool = False


def read_path(parts: Sequence[str], query: QueryParameters) -> Place | None:
    """
    :param parts: decoded segments below the engine's root; one may hold slashes that came as ``%2F``.
    :return: None for a path that is nothing.
    """
    if not parts:
        return None
    if len(parts) > 1 and parts[-1] == STATIC:
        return Place("/".join(parts[:-1]), static=True)
    if len(parts) >= 4 and not any(name in query for name in ("platform", "arch", "version")):
        *package, target, arch, version = parts
        return Place("/".join(package), read_target(target, arch), version)
    return Place("/".join(parts))


@frozen
class Wanted:
    """An update as asked for. ``version`` is None when what the app states is no version at all."""

    target: Target
    version: Version | None
    channel: str | None
    constraint: Constraint | None


def read_wanted(place: Place, query: QueryParameters) -> Wanted:
    """:raises BadRequest: a parameter is missing, blank, of another shape, or a malformed constraint."""
    if place.target is None:
        target = Target(_required(query, "platform"), _required(query, "arch"))
        version = _required(query, "version")
    else:
        target, version = place.target, place.version or ""
    channel, constraint = read_choice(query)
    return Wanted(target, current_version(version), channel, constraint)


def read_choice(query: QueryParameters) -> tuple[str | None, Constraint | None]:
    """Channel and constraint. :raises BadRequest: as :func:`read_wanted`."""
    channel, constraint = _optional(query, "channel"), _optional(query, "constraint")
    return channel, None if constraint is None else parse_range(constraint)


def _required(query: QueryParameters, name: str) -> str:
    value = _optional(query, name)
    if value is None:
        raise BadRequest("is missing", source=Source(parameter=name))
    return value


def _optional(query: QueryParameters, name: str) -> str | None:
    value = query.strict_text(name)
    if value is not None and not value.strip():
        raise BadRequest("cannot be blank", source=Source(parameter=name))
    return value


def current_version(text: str) -> Version | None:
    """The version that an app states; a leading ``v`` is no part of it, and a space was a plus sign in a query."""
    text = text.strip().replace(" ", "+")
    try:
        return parse_version(text[1:] if text[:1] in ("v", "V") else text)
    except ValueError:
        return None
