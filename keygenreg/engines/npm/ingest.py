"""Reading an uploaded tarball: its package.json, checked against package and release.

Blocking and CPU-bound, so run in a thread; memory stays within a few MiB whatever the file holds.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson

from keygenreg.domain.reading import ManifestFound, Reading
from keygenreg.engines.npm import package_json, tarball

#: The manifest of a tarball (engines.md 2.3).
CONTENT_PATH = "package.json"
CONTENT_TYPE = "application/vnd.npm.install-v1+json"

_ENDINGS = (".tgz", ".tar.gz", ".tar")


def read(path: Path, filename: str, package_key: str, version: str) -> Reading:
    """
    Read one stored artifact.

    One manifest is found: package.json in compact form. Its metadata are ``has_install_script``, ``has_shrinkwrap``,
    ``file_count`` and ``unpacked_size`` (in bytes).

    :param path: the stored bytes.
    :param filename: the artifact's name; the same is read from ``.tgz``, ``.tar.gz`` and ``.tar``.
    :param package_key: the name that package.json must state.
    :param version: the release's version, which it must state too.
    :return: empty for whatever is not called like a tarball; such files are stored and not listed.
    :raises IngestError: installers would refuse the tarball, or it is of another package or version.
    """
    if not filename.lower().endswith(_ENDINGS):
        return Reading()
    with path.open("rb") as file:
        found = tarball.contents(file)
    package = package_json.parse(found.document)
    package_json.check_identity(package, key=package_key, version=version)
    content = orjson.dumps(package)
    has_binding_gyp = "binding.gyp" in found.top_files
    manifest = ManifestFound(
        content_path=CONTENT_PATH,
        content_type=CONTENT_TYPE,
        content=content.decode("utf-8"),
        content_digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        content_length=len(content),
        metadata={
            "has_install_script": package_json.runs_scripts(package, has_binding_gyp=has_binding_gyp),
            "has_shrinkwrap": "npm-shrinkwrap.json" in found.top_files,
            "file_count": found.files,
            "unpacked_size": found.unpacked,
        },
    )
    return Reading(manifests=(manifest,))
