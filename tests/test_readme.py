"""The lines of README and docs, pasted into a shell one after the other, do what is said of them."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.running import Ran, require, run
from tests.daemon_fixtures import fetch, free_port

ROOT = Path(__file__).parent.parent
LINKED = ("README.md", "config", "keygenreg", "pyproject.toml", "scripts", "setup.py", "twisted")
DOCS = ("docs/api.md", "docs/publishing.md", "docs/operating.md")
CLONE = "git clone REPOSITORY keygenreg && cd keygenreg\n"
PATIENCE = 120

pytestmark = pytest.mark.timeout(300)


def lines_of(document: str) -> list[str]:
    """The blocks of a document that are meant to be pasted."""
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / document).read_text("utf-8"), re.M | re.S)


BLOCKS = lines_of("README.md")


def checkout(folder: Path) -> Path:
    """What ``git clone`` and a first start would leave: this checkout, and the environment that runs the tests."""
    folder.mkdir()
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    environment = folder / ".venv"
    environment.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith("installed-"):
            (environment / entry.name).symlink_to(entry)
    # The stamp by which scripts/serve knows that nothing has to be installed.
    stamp = 'echo "$(cat setup.py pyproject.toml keygenreg/__init__.py | cksum) $PWD" >.venv/installed-serve'
    subprocess.run(["bash", "-c", stamp], cwd=folder, check=True)
    return folder


class Newcomer:
    """Somebody with two shells in a fresh checkout; ``walk`` is how the second one ended, block by block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.simple = f"{self.url}/v1/engines/pypi/simple/"
        self.env = os.environ | {
            "HOME": str(folder),
            "KEYGENREG_SERVER_PORT": str(self.port),
            "KEYGENREG_OPERATOR_PORT": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
        }
        self.words: list[str] = []

    def paste(self, blocks: list[str]) -> list[str]:
        """Paste blocks into one shell; what each of them printed."""
        script = "printf '\\n%s\\n' '=== next block ==='\n".join(blocks)
        script = script.replace("localhost:8080", f"localhost:{self.port}").replace("8081", str(free_port()))
        ran = run("bash", "-euo", "pipefail", "-c", script, cwd=self.folder, env=self.env, seconds=PATIENCE * 2).ok()
        return ran.words.split("=== next block ===")

    def pip(self, *arguments: str) -> Ran:
        return run(self.folder / "demo/customer/bin/pip", *arguments, cwd=self.folder, env=self.env)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """After the last block; the registry still runs."""
    require("curl")
    someone = Newcomer(checkout(tmp_path_factory.mktemp("readme") / "keygenreg"))
    with (someone.folder / "serve.log").open("wb") as log:
        serve = BLOCKS[0].removeprefix(CLONE)
        server = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", f"exec {serve}"],
            cwd=someone.folder, env=someone.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        wait_until_ready(someone, server)
        someone.words = someone.paste(BLOCKS[1:])
        yield someone
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE) == 0


def wait_until_ready(someone: Newcomer, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if fetch("GET", f"{someone.url}/v1/ping").status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((someone.folder / "serve.log").read_text())
        time.sleep(0.05)


def test_first_block_is_clone_and_serve() -> None:
    """Two commands, of which the fixture replaces the first; should the README change, so must the test."""
    assert BLOCKS[0] == f"{CLONE}scripts/serve\n"


def test_serve_introduces_the_administrator(newcomer: Newcomer) -> None:
    """Password and token are printed, and the file with them is for its owner only."""
    said = (newcomer.folder / "serve.log").read_text()
    assert "password" in said and "admin@example.com" in said
    assert (newcomer.folder / "var/first-admin.json").stat().st_mode & 0o777 == 0o600


def test_package_is_installed_and_runs(newcomer: Newcomer) -> None:
    assert any("Successfully installed kestrel-client-1.0.0" in words for words in newcomer.words)
    assert any("Hello from a licensed package" in words for words in newcomer.words)


def test_suspended_license_is_refused_in_the_next_request(newcomer: Newcomer) -> None:
    """The block shows the refusal itself: its status and why."""
    (refused,) = [words for words in newcomer.words if "HTTP/1.1" in words]
    assert refused.strip().startswith("HTTP/1.1 403 ")
    assert "suspended" in refused.partition("\r\n\r\n")[2].lower()


def test_reinstated_license_works_again(newcomer: Newcomer) -> None:
    index = newcomer.simple.replace("://", "://license:DEMO-KEY-0001@")
    newcomer.pip("download", "--no-deps", "--no-cache-dir", "-d", "again", "--index-url", index, "kestrel-client").ok()


def test_without_a_key_pip_fails(newcomer: Newcomer) -> None:
    """The index says 401 and how to sign in; pip finds nothing to install."""
    words = newcomer.pip(
        "download", "--no-deps", "--no-cache-dir", "-d", "nothing", "--index-url", newcomer.simple, "kestrel-client"
    ).failed().words
    assert "401" in words or "No matching distribution found for kestrel-client" in words
    answer = fetch("GET", newcomer.simple + "kestrel-client/")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_name_of_nobody_here_goes_to_pypi(newcomer: Newcomer) -> None:
    answer = fetch("GET", newcomer.simple + "a-name-that-nobody-published-here/")
    assert answer.status == 307
    assert answer.headers["Location"] == "https://pypi.org/simple/a-name-that-nobody-published-here/"


@pytest.mark.parametrize("document", DOCS)
def test_documented_lines_run(newcomer: Newcomer, document: str) -> None:
    """Every ``sh`` block, in order, after the README's own introduction; the first failing command would end it."""
    blocks = lines_of(document)
    assert blocks
    newcomer.paste([BLOCKS[1], *blocks])


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "bench/README.md", *DOCS])
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []
