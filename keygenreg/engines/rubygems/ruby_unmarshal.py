"""Ruby's Marshal format 4.8, read: bytes of strangers become inert values, whatever classes they name.

Nothing is executed and no class is looked up. Source: as of :mod:`~keygenreg.engines.rubygems.ruby_marshal`.
"""

from __future__ import annotations

from typing import Any

from keygenreg.engines.rubygems.ruby_marshal import (
    DEEPEST,
    VERSION,
    MarshalError,
    RubyObject,
    Symbol,
    UserDump,
    UserMarshal,
)

_UNFINISHED = object()
_LONGEST_FLOAT = 100


def loads(data: bytes) -> Any:
    """
    Read one value; the reverse of :func:`~keygenreg.engines.rubygems.ruby_marshal.dumps`.

    Strings of UTF-8 and US-ASCII become ``str`` (bytes that are neither as surrogate escapes), others ``bytes``. Memory
    is within a constant factor of ``data``.

    :raises MarshalError: the bytes are damaged or go on after the value; or a kind of value that specifications of gems
        do not need: classes, modules, structs, regular expressions, subclasses of strings and lists, cycles.
    """
    reader = _Reader(data)
    if reader.take(2) != VERSION:
        raise MarshalError("not of version 4.8")
    value = reader.value(DEEPEST)
    if reader.position != len(data):
        raise MarshalError("bytes after the value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.position = 0
        self._data = data
        self._symbols: list[str] = []
        self._objects: list[Any] = []

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self.position:
            raise MarshalError("cut short")
        self.position += count
        return self._data[self.position - count : self.position]

    def value(self, depth: int) -> Any:
        if depth <= 0:
            raise MarshalError("nested too deep")
        kind = self.take(1)
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        read = _KINDS.get(kind)
        if read is None:
            raise MarshalError(f"a value of kind {kind!r}")
        return read(self, depth)

    def integer(self, _depth: int = 0) -> int:
        first = self.take(1)[0]
        signed = first - 256 if first > 127 else first
        if signed == 0:
            return 0
        if -4 <= signed <= 4:
            size = abs(signed)
            number = int.from_bytes(self.take(size), "little")
            return number if signed > 0 else number - (1 << 8 * size)
        return signed - 5 if signed > 0 else signed + 5

    def counted(self) -> bytes:
        return self.take(self.integer())

    def bignum(self, _depth: int) -> int:
        sign = self.take(1)
        number = int.from_bytes(self.take(self.integer() * 2), "little")
        if sign not in (b"+", b"-"):
            raise MarshalError("a number without sign")
        return self.remember(-number if sign == b"-" else number)

    def float(self, _depth: int) -> float:
        text = self.counted()
        try:
            return self.remember(float(text[:_LONGEST_FLOAT].split(b"\x00")[0]))
        except ValueError:
            raise MarshalError("not a number") from None

    def symbol(self, _depth: int = 0) -> Symbol:
        return Symbol(self._new_symbol())

    def symbol_link(self, _depth: int) -> Symbol:
        return Symbol(self._known_symbol())

    def string(self, _depth: int) -> bytes:
        return self.remember(self.counted())

    def list(self, depth: int) -> list[Any]:
        place = self.reserve()
        found = [self.value(depth - 1) for _ in range(self.count())]
        return self.fill(place, found)

    def hash(self, depth: int) -> dict[Any, Any]:
        place = self.reserve()
        found = {}
        for _ in range(self.count()):
            key = self.value(depth - 1)
            try:
                found[key] = self.value(depth - 1)
            except TypeError:
                raise MarshalError("a key that is no simple value") from None
        return self.fill(place, found)

    def object(self, depth: int) -> RubyObject:
        place = self.reserve()
        name = self.name()
        return self.fill(place, RubyObject(name, self.variables(depth)))

    def user_marshal(self, depth: int) -> UserMarshal:
        place = self.reserve()
        name = self.name()
        return self.fill(place, UserMarshal(name, self.value(depth - 1)))

    def user_dump(self, _depth: int) -> UserDump:
        return self.remember(UserDump(self.name(), self.counted()))

    def with_variables(self, depth: int) -> Any:
        kind = self.take(1)
        if kind == b'"':
            place = self.reserve()
            data = self.counted()
            return self.fill(place, _text(data, self.variables(depth)))
        if kind == b"u":
            name, data = self.name(), self.counted()
            return self.remember(UserDump(name, data, self.variables(depth)))
        if kind == b":":
            name = self._new_symbol()
            self.variables(depth)
            return Symbol(name)
        raise MarshalError(f"variables of a value of kind {kind!r}")

    def link(self, _depth: int) -> Any:
        index = self.integer()
        if not 0 <= index < len(self._objects) or self._objects[index] is _UNFINISHED:
            raise MarshalError("a link to nothing")
        return self._objects[index]

    def variables(self, depth: int) -> dict[str, Any]:
        return {self.name(): self.value(depth - 1) for _ in range(self.count())}

    def name(self) -> str:
        kind = self.take(1)
        if kind == b":":
            return self._new_symbol()
        if kind == b";":
            return self._known_symbol()
        raise MarshalError("no name where one must be")

    def count(self) -> int:
        """How many values follow; each has a byte at least."""
        number = self.integer()
        if not 0 <= number <= len(self._data) - self.position:
            raise MarshalError("cut short")
        return number

    def remember(self, value: Any) -> Any:
        self._objects.append(value)
        return value

    def reserve(self) -> int:
        self._objects.append(_UNFINISHED)
        return len(self._objects) - 1

    def fill(self, place: int, value: Any) -> Any:
        self._objects[place] = value
        return value

    def _new_symbol(self) -> str:
        self._symbols.append(self.counted().decode("utf-8", "surrogateescape"))
        return self._symbols[-1]

    def _known_symbol(self) -> str:
        index = self.integer()
        if not 0 <= index < len(self._symbols):
            raise MarshalError("a link to no symbol")
        return self._symbols[index]


def _text(data: bytes, variables: dict[str, Any]) -> str | bytes:
    if isinstance(variables.get("E"), bool):
        return data.decode("utf-8", "surrogateescape")
    return data


_CONSTANTS = {b"0": None, b"T": True, b"F": False}
_KINDS = {
    b"i": _Reader.integer,
    b"l": _Reader.bignum,
    b"f": _Reader.float,
    b":": _Reader.symbol,
    b";": _Reader.symbol_link,
    b'"': _Reader.string,
    b"[": _Reader.list,
    b"{": _Reader.hash,
    b"o": _Reader.object,
    b"U": _Reader.user_marshal,
    b"u": _Reader.user_dump,
    b"I": _Reader.with_variables,
    b"@": _Reader.link,
}
