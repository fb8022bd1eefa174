"""Reading an uploaded gem: its specification, checked against package and release.

Blocking and CPU-bound, so run in a thread; memory stays within some tens of MiB whatever the file holds.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from keygenreg.domain.reading import IngestError, ManifestFound, Reading
from keygenreg.engines.rubygems.gem_file import read_metadata
from keygenreg.engines.rubygems.gem_version import is_of_release
from keygenreg.engines.rubygems.gemspec import Gemspec, facts_of
from keygenreg.engines.rubygems.gemspec_yaml import read_gemspec

#: The manifest of a gem (engines.md 2.3).
CONTENT_TYPE = "application/x-yaml"

_SUFFIX = ".gem"
_SHORTEST = 5


def read(path: Path, filename: str, package_key: str, version: str) -> Reading:
    """
    Read one stored artifact.

    One manifest is found: the specification in YAML, byte for byte where it is UTF-8, under the name that installers
    give the gem's file. Its metadata are all that is served of it
    (:func:`~keygenreg.engines.rubygems.gemspec.facts_of`).

    :param path: the stored bytes.
    :param filename: the artifact's name.
    :param package_key: the name that the specification must state.
    :param version: the release's version, which it must state too
        (:func:`~keygenreg.engines.rubygems.gem_version.is_of_release`).
    :return: empty for whatever is not called a gem; such files are stored and not listed.
    :raises IngestError: gem would refuse the file, or it is of another package or version.
    """
    if not filename.lower().endswith(_SUFFIX):
        return Reading()
    if path.stat().st_size < _SHORTEST:
        raise IngestError("The file is no gem: it is empty, or nearly; upload it again.")
    with path.open("rb") as file:
        document = read_metadata(file)
    gemspec = read_gemspec(document)
    _check_identity(gemspec, package_key, version)
    content = document.encode("utf-8")
    manifest = ManifestFound(
        content_path=gemspec.file_name,
        content_type=CONTENT_TYPE,
        content=document,
        content_digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        content_length=len(content),
        metadata=facts_of(gemspec),
    )
    return Reading(manifests=(manifest,))


def _check_identity(gemspec: Gemspec, package_key: str, version: str) -> None:
    if gemspec.name != package_key:
        raise IngestError(
            f"The gem is called {gemspec.name}, but the package {ascii(package_key)}; "
            f"publish it as a package {gemspec.name}."
        )
    if not is_of_release(gemspec.version, version):
        raise IngestError(
            f"The gem is of version {gemspec.version}, but the release of {version}; they must be the same "
            "(1.0.0-beta.1 is 1.0.0.beta.1 or 1.0.0.pre.beta.1 for gems)."
        )
