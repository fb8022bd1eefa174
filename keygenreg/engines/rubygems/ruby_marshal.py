"""Ruby's Marshal format 4.8, written: the values that indexes and specifications of gems are made of.

Objects of Ruby are the inert values below; :mod:`~keygenreg.engines.rubygems.ruby_unmarshal` reads the format.
Source: doc/marshal.rdoc and marshal.c of Ruby; both directions are checked against a real one in the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

VERSION = b"\x04\x08"
#: What is read or written may be nested this deep.
DEEPEST = 100


class MarshalError(ValueError):
    """Damaged, of another version, nested too deep, or of a kind that specifications of gems do not need."""


@frozen
class Symbol:
    """A symbol: ``:runtime`` is ``Symbol("runtime")``."""

    name: str


@frozen
class RubyObject:
    """An object with instance variables, whose names begin with ``@``."""

    class_name: str
    variables: Mapping[str, Any] = field(factory=dict)


@frozen
class UserMarshal:
    """An object that has put itself into one value (``marshal_dump``)."""

    class_name: str
    value: Any


@frozen
class UserDump:
    """An object that has put itself into bytes (``_dump``), with variables of those bytes."""

    class_name: str
    data: bytes
    variables: Mapping[str, Any] = field(factory=dict)


def dumps(value: Any) -> bytes:
    """
    Write a value.

    None, booleans, integers, floats, lists and dictionaries are Ruby's own; ``str`` is a string of UTF-8, ``bytes`` one
    of binary data. An object that occurs twice (the same one, of the four classes above) is written once and linked.

    :raises MarshalError: something else is in it, or it is nested too deep.
    """
    writer = _Writer()
    writer.write(value, DEEPEST)
    return VERSION + b"".join(writer.pieces)


class _Writer:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._symbols: dict[str, int] = {}
        self._objects: dict[int, int] = {}
        self._count = 0

    def write(self, value: Any, depth: int) -> None:
        if depth <= 0:
            raise MarshalError("nested too deep")
        if value is None or isinstance(value, bool):
            self.pieces.append({None: b"0", True: b"T", False: b"F"}[value])
        elif isinstance(value, int):
            self._integer(value)
        elif isinstance(value, Symbol):
            self._symbol(value.name)
        elif isinstance(value, (RubyObject, UserMarshal, UserDump)):
            self._object(value, depth)
        else:
            self._count += 1
            self._plain(value, depth)

    def _integer(self, value: int) -> None:
        if -(2**30) <= value < 2**30:
            self.pieces.append(b"i" + packed(value))
            return
        self._count += 1
        magnitude = abs(value)
        shorts = (magnitude.bit_length() + 15) // 16
        sign = b"-" if value < 0 else b"+"
        self.pieces.append(b"l" + sign + packed(shorts) + magnitude.to_bytes(shorts * 2, "little"))

    def _plain(self, value: Any, depth: int) -> None:
        if isinstance(value, str):
            self.pieces.append(b'I"' + counted(value.encode("utf-8", "surrogateescape")) + packed(1))
            self._symbol("E")
            self.pieces.append(b"T")
        elif isinstance(value, bytes):
            self.pieces.append(b'"' + counted(value))
        elif isinstance(value, float):
            self.pieces.append(b"f" + counted(_float_text(value)))
        elif isinstance(value, (list, tuple)):
            self.pieces.append(b"[" + packed(len(value)))
            for each in value:
                self.write(each, depth - 1)
        elif isinstance(value, dict):
            self.pieces.append(b"{" + packed(len(value)))
            for pair in value.items():
                self.write(pair[0], depth - 1)
                self.write(pair[1], depth - 1)
        else:
            raise MarshalError(f"a {type(value).__name__} is nothing that Ruby could load")

    def _object(self, value: RubyObject | UserMarshal | UserDump, depth: int) -> None:
        known = self._objects.get(id(value))
        if known is not None:
            self.pieces.append(b"@" + packed(known))
        elif isinstance(value, UserDump):
            self.pieces.append(b"Iu" if value.variables else b"u")
            self._symbol(value.class_name)
            self.pieces.append(counted(value.data))
            if value.variables:
                self._variables(value.variables, depth)
            # Ruby counts such an object after the variables of its bytes.
            self._remember(value)
        else:
            self._remember(value)
            self.pieces.append(b"o" if isinstance(value, RubyObject) else b"U")
            self._symbol(value.class_name)
            if isinstance(value, RubyObject):
                self._variables(value.variables, depth)
            else:
                self.write(value.value, depth - 1)

    def _remember(self, value: Any) -> None:
        self._objects[id(value)] = self._count
        self._count += 1

    def _variables(self, variables: Mapping[str, Any], depth: int) -> None:
        self.pieces.append(packed(len(variables)))
        for name, each in variables.items():
            self._symbol(name)
            self.write(each, depth - 1)

    def _symbol(self, name: str) -> None:
        known = self._symbols.get(name)
        if known is not None:
            self.pieces.append(b";" + packed(known))
            return
        if not name.isascii():
            raise MarshalError("a symbol has ASCII characters only")
        self._symbols[name] = len(self._symbols)
        self.pieces.append(b":" + counted(name.encode("ascii")))


def packed(number: int) -> bytes:
    """An integer as Ruby counts with: one byte for small ones, else how many bytes, and those."""
    if number == 0:
        return b"\x00"
    if 0 < number < 123:
        return bytes([number + 5])
    if -124 < number < 0:
        return bytes([(number - 5) & 0xFF])
    length = next(size for size in range(1, 5) if -(1 << 8 * size) <= number < 1 << 8 * size)
    return bytes([length if number > 0 else 256 - length]) + (number % (1 << 8 * length)).to_bytes(length, "little")


def counted(data: bytes) -> bytes:
    return packed(len(data)) + data


def _float_text(value: float) -> bytes:
    if value != value:
        return b"nan"
    if value in (float("inf"), float("-inf")):
        return b"inf" if value > 0 else b"-inf"
    return repr(value).encode("ascii")
