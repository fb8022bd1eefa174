"""Wheels: finding the one METADATA that belongs to the file's name. Source: PEP 427, PEP 440."""

from __future__ import annotations

from typing import BinaryIO

from packaging.version import InvalidVersion, Version

from keygenreg.domain.reading import IngestError
from keygenreg.engines.pypi import core_metadata, zip_directory
from keygenreg.engines.pypi.names import DistributionFile, normalize
from keygenreg.formats.archives import member_names

_INFO_SUFFIX = ".dist-info"
_ARCHIVE = "The wheel"


def metadata(file: BinaryIO, distribution: DistributionFile) -> bytes:
    """The exact bytes of ``<name>-<version>.dist-info/METADATA``.

    :raises IngestError: no intact wheel, dangerous member names, not exactly one ``.dist-info`` folder, one of another
        project or version, or no METADATA in it.
    """
    folders: set[str] = set()
    found: dict[str, zip_directory.ZipEntry] = {}
    for entry in zip_directory.entries(file):
        member_names.check(entry.name, archive=_ARCHIVE)
        folder, slash, rest = entry.name.partition("/")
        if slash and folder.endswith(_INFO_SUFFIX):
            folders.add(folder)
            if len(folders) > 1:
                raise IngestError(f"The wheel holds several .dist-info folders: {_listed(folders)}; build it again.")
            if rest == "METADATA":
                found[folder] = entry
    if not folders:
        raise IngestError("The wheel holds no .dist-info folder at its top; build it with a current tool.")
    folder = folders.pop()
    _check_folder(folder, distribution)
    if folder not in found:
        raise IngestError(f"The wheel holds no {folder}/METADATA; build it with a current tool.")
    return zip_directory.content(file, found[folder], limit=core_metadata.LONGEST)


def _check_folder(folder: str, distribution: DistributionFile) -> None:
    name, _, version = folder.removesuffix(_INFO_SUFFIX).rpartition("-")
    try:
        agrees = Version(version) == distribution.version and normalize(name) == distribution.project
    except (InvalidVersion, ValueError):
        agrees = False
    if not agrees:
        raise IngestError(
            f"The wheel's folder {member_names.shown(folder)} is not that of {distribution.project} "
            f"{distribution.version}, which its file name states; do not rename wheels, build them again."
        )


def _listed(names: set[str]) -> str:
    return ", ".join(member_names.shown(name) for name in sorted(names))
