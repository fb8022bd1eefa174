"""Another version is installed while the daemon runs: no web process of it serves beside, or instead of, the others."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import keygenreg
from tests.daemon_fixtures import QUIET, fetch
from tests.resilience.conftest import PATIENCE, Registry, eventually
from tests.resilience.test_workers import web_processes

WORKERS = 2
SAID = "Another version of the program was installed"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A directory with the program, which a test may change."""
    program = Path(keygenreg.__file__).parent
    shutil.copytree(program, tmp_path / "installed/keygenreg", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "installed"


@pytest.fixture
def daemon_of_it(installed: Path, tmp_path: Path) -> Iterator[Registry]:
    daemon = Registry(tmp_path / "data")
    command = [sys.executable, "-m", "keygenreg", "serve", "--data-dir", str(daemon.data_dir)]
    command += ["--port", str(daemon.port), "--workers", str(WORKERS)]
    environment = os.environ | QUIET | {"PYTHONPATH": str(installed)}
    with daemon.log.open("ab") as log:
        daemon.process = subprocess.Popen(command, cwd=installed, stdout=log, stderr=log, env=environment)
    try:
        eventually(lambda: daemon.process.poll() is not None or answers(daemon), "it answers")
        yield daemon
    finally:
        daemon.end()


def answers(daemon: Registry) -> bool:
    try:
        return fetch("GET", f"{daemon.url}/v1/products").status == 401
    except OSError:
        return False


def test_the_program_that_runs_goes_on_until_nothing_is_left_of_it(installed: Path, daemon_of_it: Registry) -> None:
    """SIGHUP replaces nothing; when the last web process has died the daemon ends, and the new version can begin."""
    daemon = daemon_of_it
    before = set(web_processes(daemon))
    with (installed / "keygenreg/settings.py").open("a") as file:
        file.write("\nDIFFERENT = True\n")
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: daemon.log_text().count(SAID) == 1, "it says so")
    eventually(lambda: set(web_processes(daemon)) == before, "those that served go on")
    one, other = before
    one.kill()
    eventually(lambda: daemon.log_text().count(SAID) > 1, "it says so again")
    assert answers(daemon)
    other.kill()
    assert daemon.process.wait(PATIENCE) == 1
    assert f"keygenreg: {SAID}" in daemon.log_text()
