"""Index pages in the representation a client asked for, as bytes with their entity tag."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from attrs import frozen

from keygenreg.engines.pypi import simple_html, simple_json
from keygenreg.engines.pypi.negotiation import Representation
from keygenreg.engines.pypi.project import Project, ProjectLink


@frozen
class Page:
    """A rendered page: ``etag`` is strong, with its quotes."""

    body: bytes
    content_type: str
    etag: str


def project_list(projects: Sequence[ProjectLink], *, account: str, representation: Representation) -> Page:
    """The root of the index: every project in the order given. ``account`` names the account in titles."""
    if representation.is_json:
        return page(simple_json.project_list(projects), representation.content_type)
    return page(simple_html.project_list(projects, account=account), representation.content_type)


def project_detail(project: Project, *, account: str, representation: Representation) -> Page:
    """One project's files in the order given."""
    if representation.is_json:
        return page(simple_json.project_detail(project), representation.content_type)
    return page(simple_html.project_detail(project, account=account), representation.content_type)


def page(body: bytes, content_type: str) -> Page:
    """Any body with the entity tag of exactly these bytes as this type.

    Two types of the same bytes are different representations (RFC 9110, section 8.8.1), and so have different tags.
    """
    digest = hashlib.sha256(content_type.encode("ascii") + b"\x00" + body).hexdigest()
    return Page(body=body, content_type=content_type, etag=f'"{digest[:32]}"')
