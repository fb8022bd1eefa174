"""Index pages in the representation a client asked for, as bytes with their entity tag."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from keygenreg.engines.pypi import simple_html, simple_json
from keygenreg.engines.pypi.entries import Entry, spelled_versions
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


def project_page(
    project: Project, entries: Sequence[Entry], *, account: str, representation: Representation
) -> Page:
    """
    The same of a project whose files are entries.

    The tag is made of the digests of the entries and of what the page is without them: reading through all of a long
    page would take as long as making it.
    """
    if project.is_quarantined:
        entries = ()
    texts = [entry.text for entry in entries]
    if representation.is_json:
        versions = spelled_versions(entries)
        body = simple_json.with_entries(project, versions, texts)
        bare = simple_json.with_entries(project, versions, ())
    else:
        body = simple_html.with_entries(project, texts, account=account)
        bare = simple_html.with_entries(project, (), account=account)
    digest = _digest(representation.content_type, bare)
    digest.update(b"".join([entry.digest for entry in entries]))
    return Page(body, representation.content_type, f'"{digest.hexdigest()}"')


def page(body: bytes, content_type: str) -> Page:
    """Any body with the entity tag of exactly these bytes as this type."""
    return Page(body, content_type, f'"{_digest(content_type, body).hexdigest()}"')


def _digest(content_type: str, body: bytes) -> Any:
    """
    Of a type and a body, for more to come; of a known length, so that what comes cannot be taken for a part of them.

    Two types of the same bytes are different representations (RFC 9110, section 8.8.1), and so have different tags.
    """
    return hashlib.blake2b(f"{content_type} {len(body)} ".encode("ascii") + body, digest_size=16)
