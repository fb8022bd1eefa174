"""Running client programs: isolated, with a time limit, their words kept for the failure message."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from attrs import frozen

#: What the machine may have set for its own use and a test must not inherit.
_FOREIGN = ("PIP_", "UV_", "NPM_CONFIG_", "npm_config_", "BUNDLE_", "GEM_", "POETRY_", "PDM_", "NETRC")


@frozen
class Ran:
    """How a program ended; ``words`` is all that it said."""

    status: int
    words: str

    def ok(self) -> Ran:
        """Itself, when the program succeeded."""
        if self.status:
            raise AssertionError(f"exit status {self.status}:\n{self.words}")
        return self

    def failed(self) -> Ran:
        """Itself, when the program failed."""
        if not self.status:
            raise AssertionError(f"it should have failed:\n{self.words}")
        return self


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a program with a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return kept | {"HOME": str(home), "NO_COLOR": "1", "CI": "true"} | more


def run(*command: object, cwd: Path, env: dict[str, str], seconds: float = 120) -> Ran:
    """Run a program to its end."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode("utf-8", "replace"))


def require(program: str) -> str:
    """The path of a program; the test is skipped, and says so, where the machine has none."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"NOT TESTED: {program} is not installed on this machine")
    return found
