"""pypiserver beside us: the same files, the same machine, the same minute."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from bench.filled_registry import Project, pin
from tests.daemon_fixtures import fetch, free_port

START_SECONDS = 60


@frozen
class Peer:
    """A running pypiserver. ``version`` is for the report."""

    url: str
    pid: int
    version: str

    def page(self, project: str) -> str:
        return f"{self.url}/simple/{project}/"

    def file(self, filename: str) -> str:
        return f"{self.url}/packages/{filename}"


@contextmanager
def pypiserver(projects: list[Project], cores: set[int] | None) -> Iterator[Peer | None]:
    """
    Install and run pypiserver, in an environment of its own, on the files of some projects, for everybody to read.

    :return: ``None`` where it cannot be installed.
    """
    with tempfile.TemporaryDirectory(prefix="keygenreg-bench-peer-") as folder:
        root = Path(folder)
        programs = _install(root / "venv")
        if programs is None:
            yield None
            return
        packages = root / "packages"
        packages.mkdir()
        for project in projects:
            for filename, content in project.files.items():
                (packages / filename).write_bytes(content)
        port = free_port()
        command = [programs / "pypi-server", "run", "-p", str(port), "-i", "127.0.0.1", "-a", ".", "-P", "."]
        with (root / "log").open("wb") as log:
            server = subprocess.Popen([*command, packages], stdout=log, stderr=log)
        try:
            peer = Peer(f"http://127.0.0.1:{port}", server.pid, _version(programs))
            _wait(peer, server)
            if cores:
                pin(server.pid, cores)
            yield peer
        finally:
            server.terminate()
            server.wait(30)


def _install(place: Path) -> Path | None:
    programs = place / "bin"
    try:
        subprocess.run([sys.executable, "-m", "venv", place], check=True, capture_output=True)
        subprocess.run([programs / "pip", "install", "-q", "pypiserver"], check=True, capture_output=True, timeout=300)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"pypiserver is left out, as it cannot be installed: {error}", file=sys.stderr)
        return None
    return programs


def _version(programs: Path) -> str:
    said = subprocess.run([programs / "pypi-server", "--version"], capture_output=True, text=True, check=False)
    return f"pypiserver {said.stdout.strip()}"


def _wait(peer: Peer, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            fetch("GET", f"{peer.url}/simple/")
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("pypiserver did not start")
