"""Pages with their types and entity tags."""

from __future__ import annotations

import pytest

from keygenreg.engines.pypi import render
from keygenreg.engines.pypi.negotiation import Representation
from keygenreg.engines.pypi.project import Project, ProjectLink
from keygenreg.formats.conditional import parse_etag

PROJECT = Project(name="acme", display_name="Acme")


@pytest.mark.parametrize("representation", Representation)
def test_page_has_the_chosen_type(representation):
    """The body is of the kind its type says."""
    page = render.project_detail(PROJECT, account="demo", representation=representation)
    assert page.content_type == representation.content_type
    assert page.body.startswith(b"{" if "json" in page.content_type else b"<!DOCTYPE html>")
    listing = render.project_list([ProjectLink("a", "b")], account="demo", representation=representation)
    assert listing.body.startswith(page.body[:1])


def test_entity_tags_are_strong_and_differ_by_representation():
    """The same bytes under two types are two representations; the same page again has the same tag."""
    pages = [render.project_detail(PROJECT, account="demo", representation=form) for form in Representation]
    assert len({page.etag for page in pages}) == 3
    assert not any(parse_etag(page.etag).weak for page in pages)
    again = render.project_detail(PROJECT, account="demo", representation=Representation.HTML)
    assert again.etag == pages[0].etag


def test_entity_tag_follows_the_body():
    assert render.page(b"one", "text/plain").etag != render.page(b"two", "text/plain").etag
