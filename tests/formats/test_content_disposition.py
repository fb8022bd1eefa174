"""Content-Disposition of stored files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import text
from werkzeug.http import parse_options_header

from keygenreg.formats.content_disposition import attachment


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("tool.zip", 'attachment; filename="tool.zip"'),
        ("dir/deep/tool-1.0.tar.gz", 'attachment; filename="tool-1.0.tar.gz"'),
        ("with space.txt", 'attachment; filename="with space.txt"'),
        ('a"b.txt', "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
        ("ü.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"),
        ("dir/", 'attachment; filename="file"'),
    ],
)
def test_examples(filename, header):
    assert attachment(filename) == header


@given(text(max_size=600))
def test_any_name(filename):
    """Whatever the name: one line of ASCII, whose last parameter is the last part of the name, as another reads it."""
    header = attachment(filename)
    assert header.isascii() and header.isprintable()
    kind, parameters = parse_options_header(header)
    name = filename.rpartition("/")[2][-255:] or "file"
    assert (kind, parameters["filename"]) == ("attachment", name.encode("utf-8", "replace").decode())
    assert "/" not in header and "\\" not in header
