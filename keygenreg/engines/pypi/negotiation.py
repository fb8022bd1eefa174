"""Which representation of an index page a client gets. Source: PEP 691 (version and format selection)."""

from __future__ import annotations

from enum import Enum

from keygenreg.domain.failures import NotAcceptable
from keygenreg.formats.accept import best_match, parse_accept
from keygenreg.formats.media_types import HTML, HTML_UTF8

_FAMILY = "application/vnd.pypi.simple."
_COVER_HTML = frozenset({("text", "html"), ("text", "*"), ("*", "*")})


class Representation(Enum):
    """The forms of an index page; ``value`` is the media type it is answered with."""

    HTML = HTML_UTF8
    HTML_V1 = "application/vnd.pypi.simple.v1+html"
    JSON_V1 = "application/vnd.pypi.simple.v1+json"

    @property
    def content_type(self) -> str:
        return self.value

    @property
    def is_json(self) -> bool:
        return self is Representation.JSON_V1


# In the order of preference where a client has none: people and old clients see HTML. ``latest`` is never answered as
# such, a client must learn which version it got.
_OFFERED = {
    HTML: Representation.HTML,
    f"{_FAMILY}v1+json": Representation.JSON_V1,
    f"{_FAMILY}v1+html": Representation.HTML_V1,
    f"{_FAMILY}latest+json": Representation.JSON_V1,
    f"{_FAMILY}latest+html": Representation.HTML_V1,
}


def choose_representation(accept: str | None, format_parameter: str | None = None) -> Representation:
    """Choose by the ``format`` query parameter, which wins, or by the ``Accept`` header.

    A client that names only types we have never heard of gets HTML, as it does from PyPI.

    :param accept: the header's value, lines joined by commas; None or empty when there is none.
    :param format_parameter: one complete media type.
    :raises NotAcceptable: the parameter is no type of ours; or every type the client would take is refused (``q=0``)
        or an unknown member of the ``vnd.pypi.simple`` family.
    """
    if format_parameter is not None:
        # A plus sign that the client did not escape arrives as a blank.
        chosen = _OFFERED.get(format_parameter.strip().lower().replace(" ", "+"))
    else:
        matched = best_match(accept, tuple(_OFFERED))
        chosen = _OFFERED[matched] if matched is not None else _fallback(accept or "")
    if chosen is None:
        raise NotAcceptable(f"This index is served as {', '.join(_OFFERED)}.")
    return chosen


def _fallback(accept: str) -> Representation | None:
    """HTML unless the client has ruled it out, when nothing of ours is acceptable."""
    ranges = parse_accept(accept)
    if not ranges:
        return Representation.HTML
    if any((named.kind, named.subtype) in _COVER_HTML and named.quality == 0 for named in ranges):
        return None
    unknown = (named for named in ranges if not f"{named.kind}/{named.subtype}".startswith(_FAMILY))
    return Representation.HTML if any(named.quality > 0 for named in unknown) else None
