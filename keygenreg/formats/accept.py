"""Content negotiation: the Accept header against what can be offered (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from keygenreg.domain.failures import BadRequest
from keygenreg.formats.media_types import JSON, JSON_API, JSON_API_ALIAS, OCTET_STREAM, MediaType, parse_media_type

_MAX_RANGES = 100
# Commas and semicolons within quotes do not separate; an unclosed quote reaches to the end.
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|\\?$))+', re.DOTALL)
_PART = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*(?:"|\\?$))+', re.DOTALL)
_QUALITY = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}", re.ASCII)

#: What the management API and JSON engines take in Accept (api.md 2.2, engines.md 1.8).
API_OFFER = (JSON_API, JSON, JSON_API_ALIAS, OCTET_STREAM)


@frozen
class MediaRange:
    """One element of an Accept header. ``quality`` is 0 (excluded) to 1, ``position`` counts from 0."""

    kind: str
    subtype: str
    parameters: frozenset[tuple[str, str]]
    quality: float
    position: int

    @property
    def specificity(self) -> tuple[bool, bool, int]:
        return self.kind != "*", self.subtype != "*", len(self.parameters)

    def covers(self, offered: MediaType) -> bool:
        kind, _, subtype = offered.essence.partition("/")
        return (
            self.kind in ("*", kind)
            and self.subtype in ("*", subtype)
            and self.parameters <= {(name, value.lower()) for name, value in offered.parameters}
        )


def joined(values: Iterable[str]) -> str | None:
    """Several Accept lines as one, None without any."""
    return ", ".join(values) or None


def parse_accept(header: str | None) -> tuple[MediaRange, ...]:
    """
    The ranges of an Accept header, in their order. Never raises: elements that make no sense are left out, a quality
    that is no number counts as 1, one above 1 as 1. A bare ``*`` is ``*/*``; an absent or blank header accepts all.
    """
    if header is None or not header.strip():
        return (_ANYTHING,)
    return tuple(_ranges(header))


def _ranges(header: str) -> Iterator[MediaRange]:
    for position, element in enumerate(_ELEMENT.findall(header)[:_MAX_RANGES]):
        essence, *rest = _PART.findall(element) or [""]
        essence = essence.strip().lower()
        kind, _, subtype = ("*/*" if essence == "*" else essence).partition("/")
        if not kind or not subtype or (kind == "*" and subtype != "*"):
            continue
        parameters, quality = set(), 1.0
        for part in rest:
            name, _, value = part.strip().partition("=")
            name, value = name.strip().lower(), value.strip().strip('"').lower()
            if name == "q":
                quality = _quality(value)
                break  # what follows q extends Accept, it does not narrow the range
            if name:
                parameters.add((name, value))
        yield MediaRange(kind, subtype, frozenset(parameters - _IGNORED), quality, position)


def _quality(value: str) -> float:
    return min(float(value), 1.0) if _QUALITY.fullmatch(value) else 1.0


# A charset that a client asks for is the only one we have.
_IGNORED = frozenset({("charset", "utf-8"), ("charset", "utf8")})
_ANYTHING = MediaRange("*", "*", frozenset(), 1.0, 0)


def _best_range(ranges: Sequence[MediaRange], offered: str) -> MediaRange | None:
    """The range that decides about an offer: the most specific one that covers it."""
    media_type = parse_media_type(offered)
    covering = [candidate for candidate in ranges if candidate.covers(media_type)]
    return max(covering, key=lambda candidate: candidate.specificity, default=None)


def best_match(header: str | None, offered: Sequence[str]) -> str | None:
    """
    The offer a client likes best.

    :param header: the Accept header, several lines joined by commas; None without one.
    :param offered: media types in the server's order of preference.
    :return: highest quality first, then what was named more exactly, then the server's order; None when nothing is
        acceptable. The exact range decides about an offer, so ``text/html;q=0, */*`` excludes HTML.
    """
    ranges = parse_accept(header)
    best, best_rank = None, None
    for offer in offered:
        decides = _best_range(ranges, offer)
        if decides is None or decides.quality == 0:
            continue
        rank = (decides.quality, decides.specificity)
        if best_rank is None or rank > best_rank:
            best, best_rank = offer, rank
    return best


def accepts(header: str | None, media_type: str) -> bool:
    """Whether a client takes this media type at all."""
    decides = _best_range(parse_accept(header), media_type)
    return decides is not None and decides.quality > 0


def names(header: str | None, media_type: str) -> bool:
    """Whether a client asks for this media type, in lower case, by its own name; wildcards do not name."""
    kind, _, subtype = media_type.partition("/")
    return any(
        (candidate.kind, candidate.subtype) == (kind, subtype) and candidate.quality > 0
        for candidate in parse_accept(header)
    )


def json_answer(header: str | None, *, default: str = JSON_API) -> str:
    """
    The type of a JSON answer, errors included: JSON:API or JSON, whichever is liked better by name, of equals the one
    named first; ``default`` when neither is named (wildcards do not name). Without charset. Never raises.

    Source: api.md 2.2, engines.md 1.8.
    """
    named = []
    for media_range in parse_accept(header):
        essence = f"{media_range.kind}/{media_range.subtype}"
        essence = JSON_API if essence == JSON_API_ALIAS else essence
        if essence in (JSON_API, JSON) and media_range.quality > 0:
            named.append((-media_range.quality, media_range.position, essence))
    return min(named)[2] if named else default


def require_api_accept(header: str | None, offered: Sequence[str] = API_OFFER) -> None:
    """
    The check before anything else of a request to the API.

    :raises BadRequest: ``MIME_TYPE_INVALID``, nothing of ``offered`` is acceptable.

    Source: api.md 2.2 (GEN-07, GEN-08).
    """
    if best_match(header, offered) is None:
        raise BadRequest(
            f"This address answers {', '.join(offered)}; the Accept header wants none of these.",
            "MIME_TYPE_INVALID",
        )
