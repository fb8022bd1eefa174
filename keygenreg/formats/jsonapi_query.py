"""The query string of a request, decoded once into an immutable value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from attrs import field, frozen

from keygenreg.domain.failures import BadRequest, Source

MAX_BYTES = 64 * 1024
MAX_PARAMETERS = 512

Kind = Literal["text", "array", "object"]

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# One pair of brackets is all that any parameter of ours has; a deeper name is an object's member that nobody asks for.
_BRACKETED = re.compile(r"([^\[\]]+)\[([^\[\]]*)\](.*)", re.DOTALL)
#: Members that would repeat credentials in links.
SECRET = frozenset({"token", "auth"})


@frozen
class QueryParameters:
    """
    The parameters of one request, in their order, decoded. Hashable and shareable.

    ``a=1`` is text, ``a[]=1`` an array, ``a[k]=1`` an object; of equal names the last counts, a name without ``=`` is
    empty text. ``repr`` shows no values: they may be credentials.
    """

    pairs: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> QueryParameters:
        """
        :param raw: what follows the ``?``, as received; ``+`` means a space, percent escapes are decoded once.
        :raises BadRequest: ``ENCODING_INVALID`` (not UTF-8, NUL) or ``PARAMETERS_INVALID`` (bad escapes, a name used
            as text and as array, more than ``MAX_PARAMETERS`` or ``MAX_BYTES``).

        Source: api.md 2.2.
        """
        if not raw:
            return EMPTY
        if len(raw) > MAX_BYTES or raw.count(b"&") >= MAX_PARAMETERS:
            raise BadRequest("The query is too long.", "PARAMETERS_INVALID")
        if _BAD_ESCAPE.search(raw):
            raise BadRequest("The query holds a percent sign that no two hex digits follow.", "PARAMETERS_INVALID")
        pairs = []
        for part in raw.split(b"&"):
            if part:
                name, _, value = part.partition(b"=")
                pairs.append((_decoded(name), _decoded(value)))
        query = cls(tuple(pairs))
        query._refuse_mixtures()
        return query

    def _refuse_mixtures(self) -> None:
        kinds: dict[str, Kind] = {}
        for name, _ in self.pairs:
            top, kind, _ = _split(name)
            if kinds.setdefault(top, kind) != kind:
                raise BadRequest(f"The parameter {_named(top)} is used in two different shapes.", "PARAMETERS_INVALID")

    def __contains__(self, name: str) -> bool:
        return self.kind(name) is not None

    def kind(self, name: str) -> Kind | None:
        """In which shape a parameter was sent, None when it was not."""
        return next((kind for top, kind, _, _ in self._entries() if top == name), None)

    def text(self, name: str) -> str | None:
        """The last value of ``name=...``; None when absent, or sent as array or object (those are ignored)."""
        found = None
        for known, value in self.pairs:
            if known == name:
                found = value
        return found

    def strict_text(self, name: str) -> str | None:
        """As :meth:`text`, but an array or object is refused. ``BadRequest`` names the parameter."""
        kind = self.kind(name)
        if kind not in (None, "text"):
            raise BadRequest(f"type mismatch (received {kind} expected string)", source=Source(parameter=name))
        return self.text(name)

    def many(self, name: str) -> tuple[str, ...]:
        """The values of ``name[]=...`` in order; a plain ``name=...`` counts as an array of one."""
        values = tuple(value for top, kind, _, value in self._entries() if top == name and kind == "array")
        single = self.text(name)
        return values if single is None else (single,)

    def members(self, name: str) -> Mapping[str, str]:
        """The members of ``name[key]=...``; deeper nesting is left out. Empty when absent."""
        return {key: value for top, kind, key, value in self._entries() if top == name and kind == "object" and key}

    def _entries(self) -> Iterator[tuple[str, Kind, str | None, str]]:
        for name, value in self.pairs:
            yield *_split(name), value

    def without(self, *names: str) -> QueryParameters:
        """All but the parameters of these names, in whatever shape they were sent."""
        return QueryParameters(tuple(pair for pair in self.pairs if _split(pair[0])[0] not in names))

    def public(self) -> QueryParameters:
        """All but credentials: what may be repeated in a link."""
        return self.without(*SECRET)

    def plus(self, *pairs: tuple[str, str]) -> QueryParameters:
        """These parameters, then more."""
        return QueryParameters(self.pairs + pairs)

    def encode(self) -> str:
        """As a query string; all but unreserved characters are percent-encoded, brackets too, spaces as ``%20``."""
        return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in self.pairs)


EMPTY = QueryParameters()


def _split(name: str) -> tuple[str, Kind, str | None]:
    """Top-level name, shape, and key of the member: None where there is none or where it is nested deeper."""
    match = _BRACKETED.fullmatch(name)
    if match is None:
        return name, "text", None
    top, key, rest = match.groups()
    if not key:
        return top, "array", None
    return top, "object", None if rest else key


def _decoded(part: bytes) -> str:
    try:
        text = unquote_to_bytes(part.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest("The query is not valid UTF-8.", "ENCODING_INVALID") from error
    if "\0" in text:
        raise BadRequest("The query holds a NUL character.", "ENCODING_INVALID")
    return text


def _named(name: str) -> str:
    return repr(name if len(name) <= 64 else name[:64] + "...")
