"""Marshal 4.8, written and read; a real Ruby is asked in tests/clients/test_rubygems_formats.py."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.engines.rubygems.ruby_marshal import MarshalError, RubyObject, Symbol, UserDump, UserMarshal, dumps
from keygenreg.engines.rubygems.ruby_unmarshal import loads
from tests.engines.rubygems.strategies import marshalable


class TestRoundTrip:
    @given(marshalable)
    def test_what_is_written_is_read(self, value: Any):
        assert loads(dumps(value)) == value

    @given(st.integers())
    def test_numbers_of_any_size(self, number: int):
        assert loads(dumps(number)) == number

    @pytest.mark.parametrize("number", [0, 1, -1, 122, 123, -123, -124, 255, 256, -256, -257, 2**16, 2**24, 2**30 - 1,
                                        -(2**30), 2**30, 2**64])  # fmt: skip
    def test_numbers_at_the_edges(self, number: int):
        assert loads(dumps(number)) == number

    def test_what_occurs_twice_is_one(self):
        version = UserMarshal("Gem::Version", ["1"])
        data = dumps([version, version])
        assert data.count(b"Gem::Version") == 1
        first, second = loads(data)
        assert first is second

    def test_symbols_are_written_once(self):
        assert dumps([Symbol("runtime")] * 3).count(b"runtime") == 1


class TestKnownBytes:
    """As Ruby 3.1 wrote them."""

    def test_a_triple(self):
        data = b'\x04\b[\x06[\bI"\x06a\x06:\x06ETU:\x11Gem::Version[\x06I"\x061\x06;\x00TI"\truby\x06;\x00T'
        value = [["a", UserMarshal("Gem::Version", ["1"]), "ruby"]]
        assert loads(data) == value
        assert dumps(value) == data

    def test_a_time(self):
        data = b'\x04\bIu:\tTime\r@\x00\x1f\xc0\x00\x00\x00\x00\x06:\tzoneI"\bUTC\x06:\x06EF'
        assert loads(data) == UserDump("Time", b"@\x00\x1f\xc0\0\0\0\0", {"zone": "UTC"})

    def test_other_encodings_stay_bytes(self):
        assert loads(b'\x04\bI"\x06\xe4\x06:\rencoding"\x0fISO-8859-1') == b"\xe4"


class TestRefusals:
    @pytest.mark.parametrize(
        "data",
        [b"", b"\x04\x07i\0", b"\x04\b", b"\x04\bi", b"\x04\b[", b"\x04\b[\x02\xff\xff0", b'\x04\b"\x02\xff\xff',
         b"\x04\b@\x00", b"\x04\b;\x00", b"\x04\b[\x06@\x00", b"\x04\bo:\x06A\x06:\x06a@\x00", b"\x04\b0 ",
         b"\x04\bc\x06A", b"\x04\bS:\x06A\0", b"\x04\bl*\x06\0\0", b"\x04\bf\x06x", b"\x04\bI0", b"\x04\bU0",
         b"\x04\b{\x06[\x000", b"\x04\b[\xfa", b"\x04\b" + b"[\x06" * 5000 + b"0"],
    )  # fmt: skip
    def test_damaged_or_foreign(self, data: bytes):
        with pytest.raises(MarshalError):
            loads(data)

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes):
        with contextlib.suppress(MarshalError):
            loads(b"\x04\b" + data)

    @given(marshalable, st.data())
    def test_bytes_with_a_flaw(self, value: Any, data: st.DataObject):
        """One byte changed: read as something, or refused."""
        written = bytearray(dumps(value))
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(MarshalError):
            loads(bytes(written))

    @pytest.mark.parametrize("value", [{1, 2}, object(), Symbol("ü"), RubyObject("A", {"@a": object()})])
    def test_what_ruby_has_no_word_for(self, value: object):
        with pytest.raises(MarshalError):
            dumps([value])

    def test_too_deep_to_be_written(self):
        value: list = []
        for _ in range(200):
            value = [value]
        with pytest.raises(MarshalError, match="deep"):
            dumps(value)
