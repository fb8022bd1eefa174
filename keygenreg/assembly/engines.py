"""Finds the release engines: every package of :mod:`keygenreg.engines` that has an ``ENGINE``."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from keygenreg import engines as package
from keygenreg.web.engine import Engine


def find_engines() -> dict[str, Engine]:
    """The engines by key, in alphabetical order."""
    found = {}
    for module in iter_modules(package.__path__):
        engine = getattr(import_module(f"{package.__name__}.{module.name}"), "ENGINE", None)
        if engine is not None:
            found[engine.key] = engine
    return dict(sorted(found.items()))
