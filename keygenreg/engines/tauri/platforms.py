"""The keys of the static document: which bundle is whose (packages.md 4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keygenreg.engines.tauri.bundles import KINDS, Updater, choose, kind_of
from keygenreg.engines.tauri.offers import Row, described
from keygenreg.engines.tauri.targets import is_universal

_OF_UNIVERSAL = ("x86_64", "aarch64")


def chosen(files: Mapping[tuple[str, str], Iterable[Row]], updater: Updater) -> dict[str, Row]:
    """
    The bundle of every key, ``linux-x86_64`` and ``linux-x86_64-deb``.

    :param files: by platform and architecture.
    :param updater: who asks; its own kind of bundle does not matter.
    """
    found: dict[str, Row] = {}
    # Universal builds come last: they fill what the architectures' own leave open.
    for (platform, arch), rows in sorted(files.items(), key=lambda item: is_universal(item[0][1])):
        rows = [row for row in rows if described(row)[2]]
        arches = (arch, *_OF_UNIVERSAL) if is_universal(arch) else (arch,)
        for kind in (None, *KINDS):
            same = rows if kind is None else [row for row in rows if _is_of(row, kind)]
            best = choose(same, Updater(None, updater.first_generation), platform=platform, described=described)
            if best is not None:
                for each in arches:
                    found.setdefault("-".join(filter(None, (platform, each, kind))), best)
    return found


def _is_of(row: dict[str, Any], kind: str) -> bool:
    return kind_of(row["filename"], row["filetype"]) == kind
