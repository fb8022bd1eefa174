"""Which of a release's files an updater installs: the choice among bundles of one platform (engines.md 5, step 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from attrs import frozen

from keygenreg.engines.tauri.targets import platform_names

T = TypeVar("T")

# Beside bundles lie these, for people and other programs. No updater of Tauri opens a disk image or package of macOS.
_SIGNATURES = frozenset({"sig", "asc", "minisig", "pem", "sha256", "sha512", "sha1", "md5"})
_TEXTS = frozenset({"txt", "md", "json", "yml", "yaml", "xml", "html"})
_NO_BUNDLES = _SIGNATURES | _TEXTS | {"blockmap", "zsync", "dmg", "pkg"}
_ENDINGS = {
    "appimage": (".appimage.tar.gz", ".appimage"),
    "app": (".app.tar.gz",),
    "nsis": (".nsis.zip", "-setup.exe.zip", ".exe.zip", ".exe"),
    "msi": (".msi.zip", ".msi"),
    "deb": (".deb",),
    "rpm": (".rpm",),
}
#: The words that ``{{bundle_type}}`` becomes.
KINDS = tuple(_ENDINGS)
_BY_ENDING = sorted(((e, kind) for kind, endings in _ENDINGS.items() for e in endings), key=lambda pair: -len(pair[0]))
_ARCHIVES = (".zip", ".gz")
# Who runs one of these can install the other too; everywhere else another kind would break the installation.
_INSTALLERS = frozenset({"nsis", "msi"})
# Installed by the system's own package manager: never what most users have, so the last that is offered unasked.
_SYSTEM_PACKAGES = frozenset({"deb", "rpm"})


@frozen
class Updater:
    """
    What is known of the program that asks.

    :ivar bundle: how it was installed, one of :data:`KINDS`.
    :ivar first_generation: it is the updater of Tauri 1, which installs archives only.
    """

    bundle: str | None = None
    first_generation: bool = False

    @classmethod
    def of(cls, user_agent: str | None, bundle: str | None) -> Updater:
        """:param bundle: as sent; ``unknown`` and what else is no kind say nothing."""
        bundle = (bundle or "").strip().lower()
        return cls(bundle if bundle in KINDS else None, (user_agent or "").strip().lower().startswith("tauri/updater"))


def kind_of(filename: str, filetype: str | None) -> str | None:
    """
    The kind of bundle a file is, ``other`` for files of platforms or formats that are not known here; None for what no
    updater installs.
    """
    name = _name(filename, filetype)
    for ending, kind in _BY_ENDING:
        if name.endswith(ending):
            return kind
    ending = name.rpartition("/")[2].rpartition(".")[2] if "." in name else None
    return "other" if ending and ending not in _NO_BUNDLES else None


def _name(filename: str, filetype: str | None) -> str:
    basename = filename.rpartition("/")[2].lower()
    return basename if "." in basename or not filetype else f"{basename}.{filetype.lower()}"


def is_archive(filename: str, filetype: str | None) -> bool:
    return _name(filename, filetype).endswith(_ARCHIVES)


def _fits(kind: str, archive: bool, platform: str, updater: Updater) -> bool:
    if updater.first_generation and not archive and platform_names(platform)[0] in ("linux", "darwin", "windows"):
        return False
    if updater.bundle is None or kind in (updater.bundle, "other"):
        return True
    return kind in _INSTALLERS and updater.bundle in _INSTALLERS


def choose(
    bundles: Iterable[T],
    updater: Updater,
    *,
    platform: str,
    described: Callable[[T], tuple[str, str | None, bool]],
) -> T | None:
    """
    The best bundle of one release for an updater.

    First the kind that is installed, then what is signed, since nothing else will be installed; then archives, which
    every generation reads; NSIS before MSI; system packages last; of equals the first.

    :param bundles: newest first.
    :param described: file name, file type, and whether there is a signature.
    :return: None when none can be installed.
    """
    best, best_rank = None, None
    for bundle in bundles:
        filename, filetype, signed = described(bundle)
        kind, archive = kind_of(filename, filetype), is_archive(filename, filetype)
        if kind is None or not _fits(kind, archive, platform, updater):
            continue
        rank = (
            updater.bundle is not None and kind != updater.bundle,
            not signed,
            kind in _SYSTEM_PACKAGES,
            not archive,
            kind == "msi",
            kind == "other",
        )
        if best_rank is None or rank < best_rank:
            best, best_rank = bundle, rank
    return best
