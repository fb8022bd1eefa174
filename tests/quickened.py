"""Daemons that wait for less: seconds that modules of theirs have as constants, so that no test waits for them."""

from __future__ import annotations

import os
from pathlib import Path

_PROGRAM = '''
"""Python runs this when it starts: changes constants of modules as soon as these are loaded."""

import importlib.abc
import importlib.machinery
import sys

CONSTANTS = {constants!r}


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        wanted = CONSTANTS.get(name)
        if wanted is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            for constant, value in wanted.items():
                getattr(module, constant)  # raises where there is none any more
                setattr(module, constant, value)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
'''


def quickened(folder: Path, constants: dict[str, dict[str, float]]) -> dict[str, str]:
    """
    Variables for a daemon in whose processes some constants have other values.

    :param folder: a new one, for what makes it so.
    :param constants: by module and name.
    """
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_PROGRAM.format(constants=constants))
    paths = (str(folder), os.environ.get("PYTHONPATH"))
    return {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
