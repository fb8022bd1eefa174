"""The commands on a data directory that a real daemon serves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon_fixtures import Api, Daemon, fetch, free_port


def keygenreg(*arguments: object, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "keygenreg", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"KEYGENREG_OPERATOR_PORT": "0"} | environment,
    )


def answers(url: str, process: subprocess.Popen) -> bool:
    """Wait until a daemon answers; false when it has ended instead."""
    while process.poll() is None:
        try:
            return fetch("GET", url).status == 200
        except OSError:
            time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon in singleplayer mode on a directory that was empty before."""
    daemon = Daemon(tmp_path_factory.mktemp("serve") / "data").start()
    yield daemon
    if daemon.process.poll() is None:
        daemon.stop()


class TestServing:
    def test_first_start_makes_an_administrator(self, serving: Daemon) -> None:
        """Shown once, and kept where only the owner reads it."""
        file = serving.data_dir / "first-admin.json"
        made = json.loads(file.read_text())
        assert file.stat().st_mode & 0o777 == 0o600
        assert made["account"]["slug"] == "default"
        shown = serving.log.read_text()
        assert all(made[secret] in shown for secret in ("email", "password", "token"))
        assert Api(serving.url, "default", f"Bearer {made['token']}").get("/products").status == 200

    def test_one_daemon_for_a_directory(self, serving: Daemon) -> None:
        second = keygenreg("serve", "--data-dir", serving.data_dir, "--port", free_port())
        assert second.returncode == 3
        assert f"process {serving.process.pid}" in second.stderr
        assert fetch("GET", f"{serving.url}/v1/ping").status == 200

    def test_a_port_in_use(self, tmp_path: Path) -> None:
        """Told before anything is made."""
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            second = keygenreg("serve", "--data-dir", tmp_path / "data", "--port", port, "--host", "127.0.0.1")
        assert second.returncode == 4
        assert f"keygenreg: Cannot listen on port {port} of 127.0.0.1: address already in use.\n" in second.stderr
        assert not (tmp_path / "data" / "postgres").exists()

    def test_a_database_that_is_not_there(self, tmp_path: Path) -> None:
        url = f"postgresql://nobody:secret-word@127.0.0.1:{free_port()}/none"
        run = keygenreg("serve", "--data-dir", tmp_path / "d", "--port", 0, KEYGENREG_DATABASE_URL=url)
        assert run.returncode == 5
        assert "keygenreg: The database cannot be used:" in run.stderr
        assert "secret-word" not in run.stderr and "Traceback" not in run.stderr


class TestInit:
    def test_beside_a_daemon(self, serving: Daemon, tmp_path: Path) -> None:
        """The new administrator can sign in at once, with the password given."""
        (tmp_path / "password").write_text("correct horse\n")
        made = keygenreg(
            "init", "--data-dir", serving.data_dir, "--account", "acme", "--email", "Ada@Example.com",
            "--password-file", tmp_path / "password",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        document = json.loads(made.stdout)
        assert set(document) == {"account", "email", "password", "token"}
        assert (document["email"], document["password"]) == ("ada@example.com", "correct horse")
        assert document["account"]["slug"] == "acme"
        again = keygenreg("init", "--data-dir", serving.data_dir, "--account", "acme", "--email", "a@example.com")
        assert again.returncode == 1
        assert "'acme'" in again.stderr and again.stdout == ""

    def test_without_a_daemon(self, tmp_path: Path) -> None:
        """On a directory that does not exist yet; a daemon that comes later serves that account only."""
        data = tmp_path / "new" / "data"
        made = keygenreg(
            "init", "--data-dir", data, "--account", "acme", "--email", "ada@example.com", "--password-file", "-",
            stdin="correct horse\n",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        token = json.loads(made.stdout)["token"]
        daemon = Daemon(data).start()
        try:
            assert Api(daemon.url, "acme", f"Bearer {token}").get("/products").status == 200
            assert not (data / "first-admin.json").exists()
        finally:
            assert daemon.stop() == 0

    def test_a_short_password(self, serving: Daemon) -> None:
        run = keygenreg(
            "init", "--data-dir", serving.data_dir, "--account", "short", "--email", "a@example.com",
            "--password-file", "-", stdin="short",
        )  # fmt: skip
        assert run.returncode == 1
        assert "password" in run.stderr


class TestPublishing:
    def test_a_file_can_be_fetched_by_its_customers(self, serving: Daemon, tmp_path: Path) -> None:
        """From a file on disk to an anonymous download, with nothing made beforehand."""
        token = json.loads((serving.data_dir / "first-admin.json").read_text())["token"]
        file = tmp_path / "tool.bin"
        file.write_bytes(os.urandom(300_000))
        arguments = (
            "publish", file, "--package", "tool", "--engine", "raw", "--version", "1.0", "--tag", "latest",
            "--distribution-strategy", "OPEN",
        )  # fmt: skip
        environment = {"KEYGENREG_URL": serving.url, "KEYGENREG_TOKEN": token, "KEYGENREG_ACCOUNT": "default"}
        first = keygenreg(*arguments, **environment)
        assert first.returncode == 0, first.stderr
        found = fetch("GET", f"{serving.url}/v1/accounts/default/artifacts/tool.bin", headers={"Accept": "*/*"})
        if found.status == 303:
            found = fetch("GET", found.headers["Location"])
        assert (found.status, found.body) == (200, file.read_bytes())
        again = keygenreg(*arguments, **environment)
        assert again.returncode == 0, again.stderr
        assert "there already" in again.stderr


class TestStopping:
    """Last, as it ends the daemon of this module."""

    def test_the_log_holds_no_failures(self, serving: Daemon) -> None:
        assert "Traceback" not in serving.log.read_text()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_signals_end_it_with_status_0(self, serving: Daemon, number: signal.Signals) -> None:
        if serving.process.poll() is not None:
            serving.start()
        serving.process.send_signal(number)
        assert serving.process.wait(60) == 0
        assert "Traceback" not in serving.log.read_text()

    def test_twistd_runs_the_same_service(self, serving: Daemon) -> None:
        """On the same data, with the same account."""
        port = free_port()
        command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile="]
        environment = os.environ | {"KEYGENREG_OPERATOR_PORT": "0"}
        with serving.log.open("ab") as log:
            process = subprocess.Popen(
                [*command, "keygenreg", "--data-dir", serving.data_dir, "--port", str(port)],
                stdout=log, stderr=log, env=environment, cwd=serving.data_dir.parent,
            )  # fmt: skip
        try:
            assert answers(f"http://localhost:{port}/v1/ping", process), serving.log.read_text()[-4000:]
            token = json.loads((serving.data_dir / "first-admin.json").read_text())["token"]
            api = Api(f"http://localhost:{port}", "default", f"Bearer {token}")
            assert api.get("/products").status == 200
        finally:
            process.terminate()
            process.wait(60)
