"""The console command and the twistd plugin, without a daemon behind them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from click.testing import CliRunner
from twisted.application.service import IService
from twisted.python.usage import UsageError
from zope.interface.verify import verifyObject

from keygenreg import __version__
from keygenreg.command.group import COMMANDS, group
from keygenreg.configuration import OPTIONS
from keygenreg.running import Daemon
from keygenreg.tap import Options, makeService

ROOT = Path(__file__).parent.parent.parent


def twistd(arguments: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=directory)


class TestConsole:
    def test_version(self) -> None:
        assert CliRunner().invoke(group, ["--version"]).output == f"keygenreg, version {__version__}\n"

    def test_help_lists_every_command(self) -> None:
        result = CliRunner().invoke(group, ["--help"])
        assert result.exit_code == 0
        assert [name for name in COMMANDS if f"\n  {name} " not in result.output] == []

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_explains_itself(self, command: str) -> None:
        result = CliRunner().invoke(group, [command, "--help"])
        assert result.exit_code == 0
        assert f"Usage: group {command} " in result.output

    def test_serve_has_exactly_its_options(self) -> None:
        """Scripts outside the project rely on them (ARCHITECTURE.md, 6)."""
        command = group.get_command(None, "serve")
        names = {name for parameter in command.params for name in parameter.opts}
        assert names == {f"--{option}" for option in OPTIONS} | {"--config"}

    def test_an_unknown_command(self) -> None:
        assert CliRunner().invoke(group, ["sirve"]).exit_code == 2

    def test_runs_as_a_module_too(self) -> None:
        output = subprocess.check_output([sys.executable, "-m", "keygenreg", "--version"], text=True, timeout=60)
        assert output == f"keygenreg, version {__version__}\n"

    def test_publishing_needs_no_reactor(self) -> None:
        """A build machine starts it in a moment."""
        script = (
            "import sys, keygenreg.command.group as g\n"
            "g.group.get_command(None, 'publish')\n"
            "print(sorted({'klein', 'twisted', 'psycopg2'} & set(sys.modules)))"
        )
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert run.stdout == "[]\n"

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["serve", "--port", "70000"], "--port: expected a whole number from 0 to 65535; got '70000'"),
            (["serve", "--mode", "many"], "--mode: expected one of singleplayer, multiplayer"),
            (["serve", "--config", "/nonexistent.toml"], "/nonexistent.toml: cannot be read"),
            (["init", "--account", "acme", "--email", "a@example.com", "--data-dir", ""], "--data-dir: expected"),
        ],
    )
    def test_wrong_settings_are_status_2(self, arguments: list[str], sentence: str) -> None:
        result = CliRunner().invoke(group, arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("keygenreg: ") and sentence in result.stderr
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize(
        ("account", "email"), [("A", "a@example.com"), ("-a", "a@example.com"), ("acme", "nobody"), ("acme", "")]
    )
    def test_init_refuses_malformed_names(self, account: str, email: str) -> None:
        """Before it touches anything."""
        result = CliRunner().invoke(group, ["init", "--account", account, "--email", email])
        assert result.exit_code == 2


class TestTwistd:
    def test_options_become_settings(self, tmp_path: Path) -> None:
        file = tmp_path / "k.toml"
        file.write_text("[server]\nport = 1\nworkers = 2\n")
        options = Options()
        options.parseOptions(
            ["--config", str(file), "--port", "0", "--data-dir", str(tmp_path), "--delivery", "redirect"]
        )
        settings = options.settings
        assert (settings.server.port, settings.server.workers) == (0, 2)
        assert (settings.storage.data_dir, settings.delivery.mode) == (tmp_path, "redirect")

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--port", "x"], "--port: expected a whole number"),
            (["--mode", "x"], "--mode: expected one of"),
            (["--config", "/nonexistent.toml"], "/nonexistent.toml: cannot be read"),
        ],
    )
    def test_wrong_options_are_usage_errors(self, arguments: list[str], sentence: str) -> None:
        with pytest.raises(UsageError, match=sentence):
            Options().parseOptions(arguments)

    def test_makes_the_same_service(self, tmp_path: Path) -> None:
        options = Options()
        options.parseOptions(["--data-dir", str(tmp_path / "data")])
        service = makeService(options)
        assert isinstance(service, Daemon)
        assert verifyObject(IService, service)
        assert not (tmp_path / "data").exists()

    def test_a_failed_start_has_its_status(self, tmp_path: Path) -> None:
        """Supervisors see it, although twistd itself would exit with 0."""
        (tmp_path / "file").touch()
        run = twistd(["keygenreg", "--port", "0", "--data-dir", str(tmp_path / "file" / "data")], tmp_path)
        assert run.returncode == 5, run.stdout + run.stderr
        assert "not a directory" in run.stdout + run.stderr

    def test_wrong_settings_are_told_without_a_traceback(self, tmp_path: Path) -> None:
        run = twistd(["keygenreg", "--port", "x"], tmp_path)
        assert run.returncode == 1
        assert "--port: expected a whole number" in run.stdout + run.stderr
        assert "Traceback" not in run.stdout + run.stderr


class TestPackaging:
    def test_what_is_imported_is_installed_with_us(self) -> None:
        """Nothing works only because somebody else's package happens to bring it."""
        setup = ast.parse((ROOT / "setup.py").read_text("utf-8"))
        declared = {
            text.value.partition(">=")[0].partition("[")[0].lower().replace("_", "-")
            for keyword in ast.walk(setup)
            if isinstance(keyword, ast.keyword) and keyword.arg == "install_requires"
            for text in ast.walk(keyword)
            if isinstance(text, ast.Constant)
        }
        imported = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
            for path in (ROOT / "keygenreg").rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
        }
        installed = packages_distributions()
        needed = {
            name: {each.lower().replace("_", "-") for each in installed[name]}
            for name in imported - set(sys.stdlib_module_names) - {"keygenreg"}
        }
        assert {name for name, by in needed.items() if not by & declared} == set()

    def test_every_folder_of_modules_is_a_package(self) -> None:
        """Else it would be left out of what is installed."""
        folders = {path.parent for path in (ROOT / "keygenreg").rglob("*.py")}
        assert {folder for folder in folders if not (folder / "__init__.py").exists()} == set()
