"""Reading an uploaded wheel or source distribution: its core metadata, checked against its name and package.

Blocking and CPU-bound, so run in a thread; memory stays within some tens of MiB whatever the file holds.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import BinaryIO

from keygenreg.domain.reading import IngestError, ManifestFound, Reading
from keygenreg.engines.pypi import core_metadata, names, sdist, wheel
from keygenreg.engines.pypi.core_metadata import CoreMetadata
from keygenreg.engines.pypi.names import DistributionFile, Kind

#: Path of the manifest that is served as ``<file URL>.metadata`` (PEP 658): the document byte for byte.
SIDECAR = "METADATA"
#: Path of the manifest kept instead where the document must not be served: the facts read from it, as JSON.
FACTS = "core-metadata.json"


def read(path: Path, filename: str, package_key: str, version: str) -> Reading:
    """Read one stored artifact.

    One manifest is found, at :data:`SIDECAR` or :data:`FACTS`. Its metadata are the core metadata fields under
    snake_case keys (:class:`packaging.metadata.RawMetadata`, without the description), with ``name`` normalised,
    ``version`` in canonical form, ``requires_python`` only where valid, and ``matches_release``: whether the version is
    the release's. A version that is not is no failure, because semantic versions cannot say all that PEP 440 can
    (post releases, epochs, four numbers) and installers go by the file alone.

    :param path: the stored bytes.
    :param filename: the artifact's name, which may hold slashes.
    :param package_key: the package's key in any spelling.
    :param version: the release's version.
    :return: empty for whatever is neither a wheel nor a source distribution; such files are stored and not listed.
    :raises IngestError: a wheel or source distribution that installers would refuse, or of another project.
    """
    filename = names.basename(filename)
    project = names.normalize(package_key)
    if filename.endswith(names.WHEEL_SUFFIX):
        distribution = _wheel(filename, project)
        with path.open("rb") as file:
            document = wheel.metadata(file, distribution)
    elif filename.endswith(names.SDIST_SUFFIXES):
        distribution = names.distribution(filename, project)
        with path.open("rb") as file:
            document = _pkg_info(file, filename, project, distribution)
    else:
        return Reading()
    if distribution is None or document is None:
        return Reading()
    called = "METADATA" if distribution.kind is Kind.WHEEL else "PKG-INFO"
    metadata = core_metadata.parse(document, called=called)
    _check_identity(metadata, distribution, called)
    return Reading(manifests=(_manifest(document, metadata, distribution, version),))


def _wheel(filename: str, project: str) -> DistributionFile:
    found = names.wheel(filename)
    if found is None:
        raise IngestError(
            "The file is called .whl, but its name is not that of a wheel (name-version-python-abi-platform.whl); "
            "upload it under the name that the build tool gave it."
        )
    if found.project != project:
        raise IngestError(_of_another(found.project, project))
    return found


def _pkg_info(file: BinaryIO, filename: str, project: str, distribution: DistributionFile | None) -> bytes | None:
    """The PKG-INFO of a source distribution; None for an archive that is none and does not claim to be."""
    if distribution is None:
        _refuse_foreign(file, filename, project)
        return None
    found = sdist.pkg_info(file, filename)
    stem = names.sdist_stem(filename)
    if found is None:
        raise IngestError(
            f"The file is named like a source distribution but holds no {stem}/PKG-INFO; build it with a current tool, "
            "or choose another name if it is something else."
        )
    top, document = found
    if names.matches_stem(top, project) != distribution.version:
        raise IngestError(f"The source distribution's top folder is not {stem}; do not rename it, build it again.")
    return document


def _refuse_foreign(file: BinaryIO, filename: str, project: str) -> None:
    """Refuse a source distribution of another project; any other archive may lie beside distributions."""
    try:
        found = sdist.pkg_info(file, filename)
        foreign = core_metadata.parse(found[1], called="PKG-INFO").project if found else project
    except IngestError:
        return
    if foreign != project:
        raise IngestError(_of_another(foreign, project))


def _check_identity(metadata: CoreMetadata, distribution: DistributionFile, called: str) -> None:
    if metadata.project != distribution.project or metadata.version != distribution.version:
        raise IngestError(
            f"{called} says {metadata.project} {metadata.version}, the file name {distribution.project} "
            f"{distribution.version}; do not rename distributions, build them again."
        )


def _manifest(
    document: bytes, metadata: CoreMetadata, distribution: DistributionFile, release_version: str
) -> ManifestFound:
    facts = {
        **metadata.facts,
        "name": metadata.project,
        "version": str(metadata.version),
        "matches_release": names.release_version(release_version) == metadata.version,
    }
    text = core_metadata.text_of(document)
    if text is not None and (distribution.kind is Kind.WHEEL or metadata.is_static):
        content_path, content_type, content = SIDECAR, "text/plain; charset=utf-8", text
    else:
        content_path, content_type = FACTS, "application/json"
        content = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    stored = content.encode("utf-8")
    return ManifestFound(
        content_path=content_path,
        content_type=content_type,
        content=content,
        content_digest=f"sha256:{hashlib.sha256(stored).hexdigest()}",
        content_length=len(stored),
        metadata=facts,
    )


def _of_another(found: str, project: str) -> str:
    return f"The file is a distribution of {found}, but the package is {project}; publish it as a package {found}."
