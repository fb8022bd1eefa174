"""JSON that is read member by member: a large document never stands in memory as objects all at once, and other threads
get their turn in between."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

_SPACE = re.compile(r"[ \t\n\r]*")


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


class JsonReader:
    """
    A place in a text. Every method raises ``ValueError`` for what is no JSON; also for what is nested too deeply.

    :param body: UTF-8.
    """

    def __init__(self, body: bytes) -> None:
        self._text = body.decode("utf-8")
        self._place = 0

    def at_object(self) -> bool:
        """Whether an object begins here."""
        return self._ahead() == "{"

    def at_array(self) -> bool:
        """Whether an array begins here."""
        return self._ahead() == "["

    def value(self) -> Any:
        """The value that begins here."""
        self._ahead()
        try:
            found, self._place = _DECODER.raw_decode(self._text, self._place)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return found

    def members(self) -> Iterator[str]:
        """The names in the object that begins here; whoever asks reads each one's value before the next name."""
        self._take("{")
        if self._ahead() == "}":
            self._take("}")
            return
        while True:
            name = self.value() if self._ahead() == '"' else None
            if name is None:
                raise ValueError("a member has no name")
            self._take(":")
            yield name
            if self._take(",}") == "}":
                return

    def items(self) -> Iterator[Any]:
        """The values in the array that begins here."""
        self._take("[")
        if self._ahead() == "]":
            self._take("]")
            return
        while True:
            yield self.value()
            if self._take(",]") == "]":
                return

    def end(self) -> None:
        """Nothing may follow."""
        if self._ahead():
            raise ValueError("text follows the document")

    def _ahead(self) -> str:
        """The next character that is no space; empty at the end."""
        self._place = _SPACE.match(self._text, self._place).end()
        return self._text[self._place : self._place + 1]

    def _take(self, wanted: str) -> str:
        found = self._ahead()
        if not found or found not in wanted:
            raise ValueError(f"{found!r} stands where {wanted!r} should")
        self._place += 1
        return found
