"""Projects of another index as our pages show them."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from attrs import evolve

from keygenreg.engines.pypi import render
from keygenreg.engines.pypi.negotiation import Representation
from keygenreg.engines.pypi.project import Project
from keygenreg.mirror.adapter import Listing, RemoteFile
from keygenreg.mirror.documents.freshness import ripe_at
from keygenreg.mirror.documents.renderings import Rendering, packed
from keygenreg.mirror.policy import Policy


def page_rendering(
    listing: Listing,
    policy: Policy,
    url_of: Callable[[RemoteFile], str],
    *,
    account: str,
    representation: Representation,
) -> Rendering:
    """The page of a project as :func:`shown`. Parameters as for :func:`render.project_detail`."""
    project = shown(listing, policy, url_of)
    page = render.project_detail(project, account=account, representation=representation)
    everything: Project = listing.document
    until = inf
    if len(project.files) != len(everything.files):
        names = {file.filename for file in project.files}
        until = ripe_at((file.upload_time for file in everything.files if file.filename not in names), policy)
    return packed(page, page.body, until)


def shown(listing: Listing, policy: Policy, url_of: Callable[[RemoteFile], str]) -> Project:
    """
    The project of a listing, without files that are too young, under URLs of ours.

    :param listing: as :class:`keygenreg.engines.pypi.upstream.PypiUpstream` reads it.
    """
    project: Project = listing.document
    files = tuple(
        evolve(file, url=url_of(remote))
        for file in project.files
        if policy.shows(project.name, remote := listing.files[file.filename])
    )
    return evolve(project, files=files)
