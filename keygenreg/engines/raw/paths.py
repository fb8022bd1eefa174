"""Paths of files: ``product[/@package]/release[/artifact]``, read and written."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from attrs import frozen

_LEAVING = frozenset({"", ".", ".."})


@frozen
class Target:
    """What a path names. ``package`` is None for releases without one, ``artifact`` None for the release itself."""

    product: str
    package: str | None
    release: str
    artifact: str | None

    @property
    def words(self) -> str:
        """The release, for sentences."""
        of = f"product {self.product}" if self.package is None else f"package {self.package} of product {self.product}"
        return f"release {self.release} of {of}"


def read_path(parts: Sequence[str]) -> Target | None:
    """
    :param parts: decoded segments; one may hold slashes that came as ``%2F``.
    :return: None when there are too few of them.
    """
    product, *rest = parts or ("",)
    package = None
    if rest and rest[0].startswith("@") and len(rest[0]) > 1:
        package = rest.pop(0)[1:]
    if not product or not rest or not rest[0]:
        return None
    release, *artifact = rest
    return Target(product, package, release, "/".join(artifact) if artifact else None)


def file_url(base: str, target: Target, version: str, filename: str, artifact_id: object) -> str:
    """
    The address of a file of a release.

    :param base: the engine's root as the client spelled it.
    """
    segments = [target.product, *([f"@{target.package}"] if target.package is not None else []), version]
    prefix = "/".join((base, *(quote(segment, safe="@:+,") for segment in segments)))
    # Clients take such segments out of a path before they send it.
    if _LEAVING.intersection(filename.split("/")):
        return f"{prefix}/{artifact_id}"
    return f"{prefix}/{quote(filename, safe='/@:+,')}"
