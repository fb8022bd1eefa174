"""Base64 in pieces: decoding text that is cut anywhere, encoding bytes without holding all of them."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Iterator

from attrs import define, field

_BLOCK = 3 * 256 * 1024


@define
class Decoder:
    """Decodes what stands between the quotes of a JSON string; ``take`` gets the bytes, in order."""

    take: Callable[[bytes], object]
    _carry: bytes = field(default=b"", init=False)
    _padded: bool = field(default=False, init=False)

    def write(self, text: bytes) -> None:
        """:raises ValueError: not Base64 (RFC 4648, section 4: with padding, nothing else in between)."""
        text = self._carry + text
        if b"\\" in text:
            text = text.replace(b"\\/", b"/")  # some writers of JSON escape slashes
        whole = len(text) // 4 * 4
        if text.endswith(b"\\", 0, whole):
            whole -= 4  # what is escaped comes with the next piece
        text, self._carry = text[:whole], text[whole:]
        if text:
            self._decode(text)

    def finish(self) -> None:
        """:raises ValueError: the text ended too early."""
        if self._carry:
            raise ValueError("is not Base64: it ends in the middle of a group of four")

    def _decode(self, text: bytes) -> None:
        if self._padded:
            raise ValueError("is not Base64: there is more after the padding")
        try:
            data = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error as error:
            raise ValueError(f"is not Base64: {error}") from error
        self._padded = text.endswith(b"=")
        self.take(data)


def encoded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The Base64 of the bytes of all chunks together, in pieces."""
    carry = b""
    for chunk in chunks:
        data = carry + chunk
        whole = len(data) // 3 * 3
        carry = data[whole:]
        for start in range(0, whole, _BLOCK):
            yield binascii.b2a_base64(data[start : min(start + _BLOCK, whole)], newline=False)
    if carry:
        yield binascii.b2a_base64(carry, newline=False)
