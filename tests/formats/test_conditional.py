"""Entity tags, HTTP dates and the order of preconditions (RFC 9110, section 13)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.formats.conditional import (
    EntityTag,
    Outcome,
    any_match,
    evaluate,
    format_http_date,
    named_form,
    none_match,
    parse_etag,
    parse_etags,
    parse_http_date,
    range_applies,
    with_coding,
)

OPAQUE = st.text(st.characters(codec="latin-1", min_codepoint=0x21, exclude_characters='"\x7f'), max_size=12).filter(
    lambda text: not any("\x80" <= c <= "\x9f" for c in text)
)
TAGS = st.builds(EntityTag, OPAQUE, st.booleans())
SECONDS = st.integers(0, 4_000_000_000)


class TestEntityTags:
    @given(TAGS)
    def test_a_tag_survives_being_written_and_read(self, tag):
        assert parse_etag(str(tag)) == tag

    @given(st.lists(TAGS, min_size=1), st.sampled_from([",", ", ", " ,\t", ",,", " , , "]))
    def test_a_list_survives_whatever_stands_between(self, tags, separator):
        """Commas inside a tag do not split it."""
        assert parse_etags(separator.join(map(str, tags))) == tags

    @given(st.text())
    def test_any_text_is_read(self, text):
        """Nonsense names no tag; nothing is raised."""
        parse_etag(text)
        parse_etags(text)
        assert none_match(text, '"never in there"') in (True, False)
        assert any_match(text, "not a tag") in (True, False)

    @pytest.mark.parametrize("text", ["", "abc", '"', 'w/"a"', '"a"b', '"a b"', "'a'"])
    def test_what_is_no_tag_is_none(self, text):
        assert parse_etag(text) is None

    @given(TAGS, TAGS)
    def test_comparison_follows_the_table_of_the_specification(self, one, other):
        """RFC 9110, section 8.8.3.2."""
        same = one.opaque == other.opaque
        assert one.weakly_equals(other) is same
        assert one.strongly_equals(other) is (same and not one.weak and not other.weak)

    def test_if_none_match_compares_weakly_and_if_match_strongly(self):
        assert not none_match('W/"a"', '"a"')
        assert not any_match('W/"a"', '"a"')
        assert any_match('"b", "a"', '"a"')
        assert not none_match("*", '"a"')
        assert any_match("*", '"a"')

    @given(OPAQUE)
    def test_the_tag_of_the_compressed_form_counts_as_what_it_was_made_from(self, opaque):
        """A client that holds the compressed body need not fetch it again."""
        etag = str(EntityTag(opaque))
        assert not none_match(with_coding(etag), etag)
        assert named_form(with_coding(etag), etag) == with_coding(etag)
        assert named_form(etag, etag) == etag
        assert named_form(None, etag) == etag


class TestDates:
    @given(SECONDS)
    def test_a_date_survives_being_written_and_read(self, seconds):
        assert parse_http_date(format_http_date(seconds)) == seconds
        assert format_http_date(seconds) == format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)

    @pytest.mark.parametrize(
        "text", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
    )
    def test_all_three_forms_of_the_specification_are_read(self, text):
        assert parse_http_date(text) == 784111777

    @given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ \S*"))
    def test_any_text_is_a_date_or_none(self, text):
        assert isinstance(parse_http_date(text), int | None)


def outcome(method="GET", etag='"a"', modified=1000, **fields) -> Outcome:
    headers = {name.replace("_", "-").lower(): value for name, value in fields.items()}
    return evaluate(lambda name: headers.get(name.lower()), method=method, etag=etag, last_modified=modified)


class TestPrecedence:
    BEFORE, AT, AFTER = map(format_http_date, (999, 1000, 1001))

    def test_no_precondition_proceeds(self):
        assert outcome() is Outcome.PROCEED

    def test_if_match_comes_first_and_silences_if_unmodified_since(self):
        assert outcome(If_Match='"b"', If_None_Match='"a"') is Outcome.PRECONDITION_FAILED
        assert outcome(If_Match='"a"', If_Unmodified_Since=self.BEFORE) is Outcome.PROCEED

    def test_if_unmodified_since_alone_decides(self):
        assert outcome(If_Unmodified_Since=self.BEFORE) is Outcome.PRECONDITION_FAILED
        assert outcome(If_Unmodified_Since=self.AT) is Outcome.PROCEED

    def test_if_none_match_silences_if_modified_since(self):
        assert outcome(If_None_Match='"b"', If_Modified_Since=self.AFTER) is Outcome.PROCEED
        assert outcome(If_None_Match='"a"', If_Modified_Since=self.BEFORE) is Outcome.NOT_MODIFIED

    def test_a_changing_method_meets_412_instead_of_304(self):
        assert outcome("PUT", If_None_Match="*") is Outcome.PRECONDITION_FAILED
        assert outcome("PUT", If_Modified_Since=self.AFTER) is Outcome.PROCEED

    def test_what_cannot_be_compared_proceeds(self):
        assert outcome(modified=None, If_Modified_Since=self.AFTER) is Outcome.PROCEED
        assert outcome(If_Modified_Since="yesterday") is Outcome.PROCEED
        assert outcome(etag=None, If_None_Match='"a"') is Outcome.PROCEED

    def test_fractions_of_a_second_do_not_count(self):
        """An HTTP date has whole seconds; a file's time has more."""
        assert outcome(modified=1000.9, If_Modified_Since=self.AT) is Outcome.NOT_MODIFIED


class TestIfRange:
    @pytest.mark.parametrize(
        ("header", "applies"),
        [
            (None, True),
            ('"a"', True),
            ('W/"a"', False),
            ('"b"', False),
            (format_http_date(1000), True),
            (format_http_date(1001), False),
            ("nonsense", False),
        ],
    )
    def test_a_range_counts_only_for_exactly_this_representation(self, header, applies):
        assert range_applies(header, etag='"a"', last_modified=1000.5) is applies

    def test_a_weak_tag_of_ours_never_matches(self):
        assert not range_applies('W/"a"', etag='W/"a"', last_modified=None)
