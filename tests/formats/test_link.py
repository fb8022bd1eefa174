"""Link headers, ours and those of upstream servers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.formats.link import link_header, parse_links, target_of


def test_a_link_to_the_next_slice():
    assert link_header("/v2/x/tags/list?n=2&last=b", "next") == '</v2/x/tags/list?n=2&last=b>; rel="next"'


@pytest.mark.parametrize("target", ["a b", "a\r\nX: y", "a>b", "<", "ä"])
def test_a_target_cannot_break_the_header(target):
    with pytest.raises(ValueError):
        link_header(target, "next")


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="<>")))
def test_what_we_write_we_read(target):
    links = parse_links(link_header(target, "next"))
    assert target_of(links, "next") == target
    assert target_of(links, "prev") is None


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("</a>; rel=next", "/a"),
        ("</a>;rel=NEXT;", "/a"),
        ('</x>; rel="prev", </a>; rel="next"', "/a"),
        ('</a,b>; title="a, \\"b\\"; rel=x"; rel="first next"', "/a,b"),
        ('< /a >; rel = "next"', "/a"),
        (", ,</a>; rel=next", "/a"),
        ("</x>; rel=prev; rel=next", None),
        ("</x>; title=next", None),
        ("/a; rel=next", None),
        ("</a> rel=next", None),
        ('</a>; rel="next', None),
        ("", None),
    ],
)
def test_what_servers_send(header, target):
    assert target_of(parse_links(header), "next") == target


def test_other_parameters_are_kept():
    (link,) = parse_links('</a>; rel=next; Title="x"; crossorigin')
    assert link.parameters == (("title", "x"), ("crossorigin", ""))


@given(st.one_of(st.text(), st.text('<>/;,="\\ rel', max_size=80)))
def test_any_header_is_read_somehow(header):
    for link in parse_links(header):
        assert ">" not in link.target
