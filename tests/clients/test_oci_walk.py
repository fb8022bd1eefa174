"""The walk of docs/engines/oci.md, pasted into a shell: from an image to a licensed ``docker pull``."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.clients.oci_clients import Docker, start_dockerd
from tests.clients.running import require
from tests.test_readme import BLOCKS, CLONE, PATIENCE, Newcomer, checkout, lines_of, wait_until_ready

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for dockerd, whose sockets' paths the kernel wants short."""
    with TemporaryDirectory(prefix="oci", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def newcomer(tmp_path: Path, short_path: Path):
    """Somebody whose registry runs, and who has a dockerd of their own and skopeo."""
    require("curl")
    require("skopeo")
    dockerd = start_dockerd(short_path)
    someone = Newcomer(checkout(tmp_path / "keygenreg"))
    someone.env |= {"DOCKER_HOST": f"unix://{Docker.socket}", "DOCKER_CONFIG": str(tmp_path)}
    with (someone.folder / "serve.log").open("wb") as log:
        serve = BLOCKS[0].removeprefix(CLONE)
        server = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", f"exec {serve}"],
            cwd=someone.folder, env=someone.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        wait_until_ready(someone, server)
        yield someone
    finally:
        dockerd.stop()
        server.send_signal(signal.SIGINT)
        server.wait(PATIENCE)


def test_image_is_published_pulled_and_refused(newcomer: Newcomer):
    words = newcomer.paste([BLOCKS[1], *lines_of("docs/engines/oci.md")])
    assert "Login Succeeded" in words[-2]
    assert "Hello from a licensed image" in words[-2]
    assert "suspended" in words[-1]
    assert "That was refused." in words[-1]
