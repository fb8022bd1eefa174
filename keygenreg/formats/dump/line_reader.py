"""Cuts a dump into lines in bounded memory: long Base64 texts are handed on in pieces instead of being kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from attrs import define, field, frozen

from keygenreg.formats.dump.fault import BrokenDump

#: Bytes asked for at a time.
CHUNK = 1024 * 1024
#: Lines up to here are taken whole, whatever is in them.
SHORT = 4 * 1024 * 1024
#: The most a line may hold beside the Base64 of its content, in bytes. The API takes manifests of 5 MiB.
LONGEST = 64 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_BASE64_MEMBER = re.compile(rb'"base64"\s*:\s*"\Z')
_QUOTE_OR_ESCAPE = re.compile(rb'["\\]')


class Sink(Protocol):
    """Takes the characters between the quotes of a Base64 text, in order, cut anywhere."""

    def write(self, data: bytes) -> None:
        """Raises ValueError for what cannot be Base64."""


@frozen
class Line:
    """
    ``text`` of a line without its end, counted from 1. Where ``content`` is set, the text of the member ``base64`` went
    there and reads ``""`` in ``text``.
    """

    number: int
    text: bytes
    content: Sink | None = None


def read_lines(read: Callable[[int], bytes], open_sink: Callable[[], Sink]) -> Iterator[Line]:
    """
    The lines that are not blank.

    :param read: gives at most as many bytes as asked for, nothing at the end.
    :param open_sink: called for each Base64 text of a line longer than ``SHORT``; whoever gets the line closes it.
    :raises BrokenDump: a line is too long, or its Base64 text is none.
    """
    number, rest, ended = 0, b"", False
    while not ended:
        chunk = read(CHUNK)
        ended = not chunk
        *lines, rest = (rest + chunk).split(b"\n")
        if ended:
            lines.append(rest)
        for text in lines:
            number += 1
            if number == 1:
                text = text.removeprefix(_BOM)
            if text.strip():
                yield Line(number, text)
        if not ended and len(rest) > SHORT:
            number += 1
            line, rest, ended = _read_long(number, rest, read, open_sink)
            yield line


def _read_long(
    number: int, begin: bytes, read: Callable[[int], bytes], open_sink: Callable[[], Sink]
) -> tuple[Line, bytes, bool]:
    """A line that goes on after ``begin``; what follows it of the last chunk; whether that was the end of all."""
    line = _LongLine(number, open_sink)
    line.feed(begin.removeprefix(_BOM) if number == 1 else begin)
    while chunk := read(CHUNK):
        text, newline, rest = chunk.partition(b"\n")
        line.feed(text)
        if newline:
            return line.end(), rest, False
    return line.end(), b"", True


@define
class _LongLine:
    """Follows the strings of a JSON text, as far as is needed to find the one that is not to be kept."""

    number: int
    _open_sink: Callable[[], Sink]
    _kept: bytearray = field(factory=bytearray, init=False)
    _in_string: bool = field(default=False, init=False)
    _escaped: bool = field(default=False, init=False)
    _diverting: bool = field(default=False, init=False)
    _sink: Sink | None = field(default=None, init=False)

    def feed(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            if self._diverting:
                position = self._divert(data, position)
            elif self._in_string:
                position = self._follow_string(data, position)
            else:
                position = self._find_string(data, position)
            if len(self._kept) > LONGEST:
                raise BrokenDump(self.number, None, f"is longer than {LONGEST} bytes")

    def end(self) -> Line:
        return Line(self.number, bytes(self._kept), self._sink)

    def _find_string(self, data: bytes, start: int) -> int:
        end = data.find(b'"', start) + 1
        self._kept += data[start : end or len(data)]
        if end == 0:
            return len(data)
        self._in_string = True
        if _BASE64_MEMBER.search(self._kept, max(0, len(self._kept) - 64)):
            if self._sink is not None:
                raise BrokenDump(self.number, None, "holds more than one Base64 text")
            self._sink = self._open_sink()
            self._diverting = True
        return end

    def _follow_string(self, data: bytes, start: int) -> int:
        if self._escaped:
            self._escaped = False
            self._kept += data[start : start + 1]
            return start + 1
        found = _QUOTE_OR_ESCAPE.search(data, start)
        end = found.end() if found else len(data)
        self._kept += data[start:end]
        if found and found[0] == b"\\":
            self._escaped = True
        elif found:
            self._in_string = False
        return end

    def _divert(self, data: bytes, start: int) -> int:
        # A quote inside would be escaped, and Base64 has no backslash but that of "\/".
        end = data.find(b'"', start)
        try:
            self._sink.write(data[start : end if end >= 0 else len(data)])
        except ValueError as error:
            raise BrokenDump(self.number, None, f"content: {error}") from error
        if end < 0:
            return len(data)
        self._kept += b'"'
        self._diverting = self._in_string = False
        return end + 1
