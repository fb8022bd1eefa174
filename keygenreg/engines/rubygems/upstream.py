"""The RubyGems engine's upstream: the compact index of another source, its specifications and gems."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from keygenreg.engines.rubygems.upstream_info import Info, read_info
from keygenreg.engines.rubygems.upstream_specification import check_specification
from keygenreg.engines.rubygems.upstream_versions import read_versions
from keygenreg.mirror.adapter import Listing, RemoteFile, Unusable
from keygenreg.upstream.addresses import join
from keygenreg.upstream.failures import Refused

#: The variant of the document of no name: the list of all versions.
VERSIONS = "versions"
#: The variant of a gem's document that is one specification begins so; its label follows.
SPECIFICATION = "specification/"
_QUICK = "quick/Marshal.4.8/"
_LIGHT = 64 * 1024


@frozen
class RubyGemsUpstream:
    """
    A :class:`keygenreg.mirror.adapter.Adapter`. A listing's document is an :class:`Info`, of the whole source
    :class:`~keygenreg.engines.rubygems.upstream_versions.UpstreamVersions`, of a specification its bytes.

    :param folder: for files without a name.
    """

    folder: Path
    engine = "rubygems"

    def normalize(self, name: str) -> str:
        """Gems whose names differ in case are different ones; claims do not tell them apart."""
        return name

    def url(self, upstream: str, name: str, variant: str) -> str:
        if variant == VERSIONS:
            return f"{upstream}versions"
        if variant.startswith(SPECIFICATION):
            return f"{upstream}{_QUICK}{quote(name, safe='')}-{variant.removeprefix(SPECIFICATION)}.gemspec.rz"
        return f"{upstream}info/{quote(name, safe='')}"

    def accept(self, variant: str) -> str:
        return "*/*"

    def lists_files(self, variant: str) -> bool:
        return not variant

    def grows(self, variant: str) -> bool:
        return variant == VERSIONS

    def read(self, body: bytes, *, headers: Mapping[str, str], url: str, name: str, variant: str) -> Listing:
        if variant == VERSIONS:
            return Listing(document=read_versions(body, self.folder), complete=False, weight=_LIGHT)
        if variant.startswith(SPECIFICATION):
            check_specification(body, name, variant.removeprefix(SPECIFICATION))
            return Listing(document=body, complete=False)
        info = read_info(body)
        return Listing(document=info, files=_files(info, url, name))


def gem_file(name: str, label: str) -> str:
    """What the file of a gem's version is called."""
    return f"{name}-{label}.gem"


def _files(info: Info, url: str, name: str) -> dict[str, RemoteFile]:
    files = {}
    for line in info.lines:
        key = gem_file(name, line.label)
        try:
            place = join(url, f"../gems/{key}")
        except Refused:
            raise Unusable("its address cannot be read") from None
        hashes = {} if line.sha256 is None else {"sha256": line.sha256}
        files[key] = RemoteFile(key=key, url=place, hashes=hashes, uploaded=line.uploaded)
    return files
