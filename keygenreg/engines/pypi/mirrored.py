"""Projects of another index as our pages show them."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from keygenreg.engines.pypi.project import Project
from keygenreg.mirror.adapter import Listing, RemoteFile
from keygenreg.mirror.policy import Policy


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
