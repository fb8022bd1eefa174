"""Cutting a dump into lines, and Base64 in pieces: nothing gets lost, nothing is held."""

from __future__ import annotations

import base64
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.formats.dump import line_reader
from keygenreg.formats.dump.base64_text import Decoder, encoded
from keygenreg.formats.dump.fault import BrokenDump
from keygenreg.formats.dump.line_reader import read_lines


class Collected:
    def __init__(self) -> None:
        self.data = b""
        self.decoder = Decoder(self.take)

    def take(self, data: bytes) -> None:
        self.data += data

    def write(self, data: bytes) -> None:
        self.decoder.write(data)


def lines_of(data: bytes, piece: int = 1 << 20) -> list[tuple[int, bytes, bytes | None]]:
    source = io.BytesIO(data)
    found = []
    for line in read_lines(lambda size: source.read(min(size, piece)), Collected):
        if line.content is not None:
            line.content.decoder.finish()
        found.append((line.number, line.text, line.content and line.content.data))
    return found


@pytest.fixture
def tiny_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines count as long from a few bytes on, so that a test can have one at every place."""
    monkeypatch.setattr(line_reader, "SHORT", 8)


class TestShortLines:
    def test_lines_are_numbered_as_editors_do(self) -> None:
        """Blank lines are counted and left out; carriage returns and a missing last newline do no harm."""
        found = lines_of(b'{"a":1}\r\n\n  \r\n{"b":2}\n{"c":3}')
        read = [(number, json.loads(text)) for number, text, _ in found]
        assert read == [(1, {"a": 1}), (4, {"b": 2}), (5, {"c": 3})]

    def test_byte_order_mark_is_no_part_of_the_first_line(self) -> None:
        assert lines_of(b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n") == [(1, b"{}", None), (2, b"\xef\xbb\xbf{}", None)]

    def test_nothing_has_no_lines(self) -> None:
        assert lines_of(b"") == lines_of(b"\n\n") == []

    @given(st.lists(st.binary(max_size=40).filter(lambda text: b"\n" not in text)), st.integers(1, 7))
    def test_pieces_do_not_matter(self, texts: list[bytes], piece: int) -> None:
        """However the input arrives, the lines are those of the whole."""
        expected = [(number, text, None) for number, text in enumerate(texts, 1) if text.strip()]
        if not any(text.startswith(b"\xef\xbb\xbf") for text in texts):
            assert lines_of(b"\n".join(texts), piece) == expected


@pytest.mark.usefixtures("tiny_lines")
class TestLongLines:
    @given(st.binary(max_size=60), st.text(max_size=20), st.integers(1, 9))
    def test_content_is_handed_on(self, data: bytes, name: str, piece: int) -> None:
        """The Base64 goes elsewhere, all else stays as it was, quotes and backslashes in other texts included."""
        before = {"name": name, "x": ['a"b\\', "\\\\"]}
        line = json.dumps({**before, "content": {"base64": base64.b64encode(data).decode()}, "last": name})
        ((number, text, content),) = lines_of(b"\n" + line.encode() + b"\n \n", piece)
        assert (number, content) == (2, data)
        assert json.loads(text) == {**before, "content": {"base64": ""}, "last": name}

    def test_escaped_slashes_are_slashes(self) -> None:
        """Some writers of JSON escape them, and Base64 has many."""
        data = b"\xff\xff\xff\xfb\xef\xbe" * 5
        text = base64.b64encode(data).decode().replace("/", "\\/")
        for piece in range(1, 8):
            ((_, _, content),) = lines_of(f'{{"content":{{"base64" : "{text}"}}}}'.encode(), piece)
            assert content == data

    def test_what_follows_a_long_line_is_read(self) -> None:
        data = b'{"base64":"AAAA","more":"' + b"x" * 100 + b'"}\n{"next":1}\n{"base64":"AAEC","y":"yyyyyyyyy"}'
        found = lines_of(data, 16)
        assert [(number, content) for number, _, content in found] == [(1, b"\0\0\0"), (2, None), (3, b"\0\1\2")]

    @pytest.mark.parametrize("text", ["A", "AAA", "AA=A", "AAAA=", "AA==AAAA", "A-AA", "AA AA", 'AA\\"A', "AAAA\\"])
    def test_what_is_no_base64_is_a_fault_of_its_line(self, text: str) -> None:
        with pytest.raises((BrokenDump, ValueError), match="is not Base64"):
            lines_of(b"{}\n" + f'{{"x":"xxxxxxxxxxxx","base64":"{text}"}}'.encode(), 5)

    def test_two_base64_texts_are_one_too_many(self) -> None:
        with pytest.raises(BrokenDump, match="line 1: holds more than one Base64 text"):
            lines_of(b'{"base64":"AAAA","base64":"AAAA"}', 4)

    def test_a_line_has_a_longest_length(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beside its content; that of the content is the disk's."""
        monkeypatch.setattr(line_reader, "LONGEST", 100)
        content = b'{"base64":"' + b"AAAA" * 1000 + b'"}'
        assert lines_of(content, 7) == [(1, b'{"base64":""}', b"\0" * 3000)]
        with pytest.raises(BrokenDump, match="line 2: is longer than 100 bytes"):
            lines_of(b'{}\n{"a":"' + b"x" * 101, 7)


class TestBase64:
    @given(st.lists(st.binary(max_size=10)))
    def test_encoding_in_pieces_is_that_of_the_whole(self, chunks: list[bytes]) -> None:
        assert b"".join(encoded(chunks)) == base64.b64encode(b"".join(chunks))

    @given(st.binary(max_size=40), st.lists(st.integers(0, 60), max_size=5))
    def test_decoding_in_pieces_is_that_of_the_whole(self, data: bytes, cuts: list[int]) -> None:
        text = base64.b64encode(data)
        sink = Collected()
        edges = [0, *sorted(cuts), len(text)]
        for start, end in zip(edges, edges[1:], strict=False):
            sink.write(text[start:end])
        sink.decoder.finish()
        assert sink.data == data

    @given(st.binary(max_size=12))
    def test_anything_else_is_a_value_error(self, text: bytes) -> None:
        sink = Collected()
        try:
            sink.write(text)
            sink.decoder.finish()
        except ValueError:
            return
        assert base64.b64decode(text.replace(b"\\/", b"/"), validate=True) == sink.data
