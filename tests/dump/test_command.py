"""``keygenreg import`` and ``keygenreg export`` as operators run them: on a data directory, with or without daemon."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.daemon_fixtures import Daemon, fetch
from tests.dump.writing import HEADER, DumpText, the_small_registry

PATIENCE = 100


def keygenreg(
    *arguments: object, input: str | None = None, cwd: Path | None = None, status: int = 0
) -> subprocess.CompletedProcess:
    """Run the command to its end, away from any terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "keygenreg", *map(str, arguments)],
        input=input, stdin=subprocess.DEVNULL if input is None else None, capture_output=True, text=True, cwd=cwd,
        timeout=PATIENCE, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory without a daemon, that nobody has made yet; tests of this module share it."""
    return tmp_path_factory.mktemp("command") / "new" / "data"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.jsonl"
    path.write_text(the_small_registry())
    return path


class TestWithoutDaemon:
    def test_there_and_back(self, data_dir: Path, small: Path, tmp_path: Path) -> None:
        """Into a directory that does not exist, out of it, and in again."""
        assert keygenreg("import", "--data-dir", data_dir, small).stderr == "Imported 13 resources.\n"
        assert keygenreg("export", "--data-dir", data_dir, tmp_path / "out.jsonl").stderr == ""
        first = (tmp_path / "out.jsonl").read_text()
        assert [json.loads(line)["type"] for line in first.splitlines()][:2] == ["dump", "accounts"]
        keygenreg("import", "--data-dir", data_dir, "--replace", "--yes", tmp_path / "out.jsonl")
        assert keygenreg("export", "--data-dir", data_dir).stdout == first
        assert keygenreg("export", "--data-dir", data_dir, "-").stdout == first

    def test_export_is_for_its_owner_alone(self, data_dir: Path, small: Path, tmp_path: Path) -> None:
        """It is as secret as the registry; an older file of that name is replaced, its readers do not matter."""
        keygenreg("import", "--data-dir", data_dir, small)
        target = tmp_path / "out.jsonl"
        target.write_text("old")
        target.chmod(0o644)
        keygenreg("export", "--data-dir", data_dir, target)
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert target.read_text().startswith(HEADER)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "small.jsonl"]

    def test_bytes_inline(self, data_dir: Path, small: Path) -> None:
        keygenreg("import", "--data-dir", data_dir, "--replace", "--yes", small)
        lines = keygenreg("export", "--data-dir", data_dir, "--content", "inline").stdout.splitlines()
        (artifact,) = [line for line in map(json.loads, lines) if line["type"] == "artifacts"]
        assert artifact["content"] == {"base64": "aGVsbG8="}

    def test_paths_start_at_the_dump_or_where_the_command_runs(self, data_dir: Path, tmp_path: Path) -> None:
        """The latter when the dump comes on standard input."""
        for place in ("beside", "here"):
            (tmp_path / place).mkdir()
            (tmp_path / place / "a.bin").write_text(f"bytes {place}")
        dump = DumpText()
        dump.account("paths")
        dump.artifact(dump.release(dump.product()), "a.bin", {"path": "a.bin"})
        (tmp_path / "beside" / "dump.jsonl").write_text(str(dump))
        options = ("import", "--data-dir", data_dir, "--replace", "--yes")
        keygenreg(*options, "../beside/dump.jsonl", cwd=tmp_path / "here")
        text = keygenreg("export", "--data-dir", data_dir, "--content", "inline").stdout
        assert '"base64":"Ynl0ZXMgYmVzaWRl"' in text
        keygenreg(*options, "-", cwd=tmp_path / "here", input=str(dump))
        text = keygenreg("export", "--data-dir", data_dir, "--content", "inline").stdout
        assert '"base64":"Ynl0ZXMgaGVyZQ=="' in text


class TestRefusing:
    def test_a_fault_is_named_by_its_line(self, data_dir: Path, small: Path) -> None:
        """On standard error, first thing; and nothing else happens."""
        keygenreg("import", "--data-dir", data_dir, small)
        before = keygenreg("export", "--data-dir", data_dir).stdout
        dump = the_small_registry().replace('"6f0f5c0e-6a8e-4c8e-9d8b-2f4d7f6b1a03"}}', f'"{uuid4()}"}}}}')
        done = keygenreg("import", "--data-dir", data_dir, "-", input=dump, status=1)
        assert done.stderr.startswith("line 7: licenses: no policy with id ")
        assert done.stdout == ""
        assert keygenreg("export", "--data-dir", data_dir).stdout == before

    def test_replacing_has_to_be_confirmed(self, data_dir: Path, small: Path) -> None:
        """Where nobody can be asked, by an option."""
        keygenreg("import", "--data-dir", data_dir, small)
        before = keygenreg("export", "--data-dir", data_dir).stdout
        done = keygenreg("import", "--data-dir", data_dir, "--replace", small, status=2)
        assert "--yes" in done.stderr
        done = keygenreg("import", "--data-dir", data_dir, "--replace", "-", input="y\n", status=2)
        assert "--yes" in done.stderr
        assert keygenreg("export", "--data-dir", data_dir).stdout == before

    @pytest.mark.parametrize("answer", ["n", "y"])
    def test_replacing_is_asked_for_at_a_terminal(self, data_dir: Path, small: Path, answer: str) -> None:
        keygenreg("import", "--data-dir", data_dir, small)
        before = keygenreg("export", "--data-dir", data_dir).stdout
        ours, theirs = os.openpty()
        os.write(ours, f"{answer}\n".encode())
        command = [sys.executable, "-m", "keygenreg", "import", "--data-dir", str(data_dir), "--replace", str(small)]
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=PATIENCE)
        os.close(ours)
        os.close(theirs)
        assert "Delete everything that is stored" in done.stderr
        assert done.returncode == (0 if answer == "y" else 1)
        assert (keygenreg("export", "--data-dir", data_dir).stdout == before) == (answer == "n")

    def test_no_such_dump(self, tmp_path: Path) -> None:
        done = keygenreg("import", "--data-dir", tmp_path / "data", tmp_path / "missing.jsonl", status=1)
        assert done.stderr == f"{tmp_path / 'missing.jsonl'}: no such file or directory.\n"
        assert not (tmp_path / "data").exists()

    def test_no_such_registry(self, tmp_path: Path) -> None:
        """An export does not make one, and leaves an older dump alone."""
        (tmp_path / "out.jsonl").write_text("old")
        done = keygenreg("export", "--data-dir", tmp_path / "data", tmp_path / "out.jsonl", status=1)
        assert "There is no registry in" in done.stderr
        assert not (tmp_path / "data").exists()
        assert (tmp_path / "out.jsonl").read_text() == "old"

    def test_nobody_reads_the_output(self, data_dir: Path, small: Path) -> None:
        keygenreg("import", "--data-dir", data_dir, small)
        command = [sys.executable, "-m", "keygenreg", "export", "--data-dir", str(data_dir)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            process.stdout.close()
            assert process.stderr.read() == "Nobody reads the output any more.\n"
            assert process.wait(PATIENCE) == 1


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for this module alone: its registry is replaced."""
    running = Daemon(tmp_path_factory.mktemp("served") / "data", "--mode", "multiplayer").start()
    yield running
    running.stop()


def open_vendor(slug: str, version: str) -> tuple[DumpText, str, str]:
    """A product that everybody may read; the dump, a token of the product, and the artifact's id."""
    dump = DumpText()
    dump.account(slug)
    product = dump.product(distributionStrategy="OPEN")
    token = f"prod-{uuid4().hex}v3"
    dump.add("tokens", private={"token": token}, bearer=product)
    package = dump.add("packages", {"key": "kettle", "name": "Kettle", "engine": "raw"}, product=product)
    release = dump.release(product, version, package=package, status="PUBLISHED")
    artifact = dump.artifact(release, "kettle.bin", {"base64": "aGVsbG8="}, status="UPLOADED")
    return dump, token, artifact


def versions(daemon: Daemon, slug: str, token: str) -> list[str] | int:
    """What the API lists, or the status it refuses with."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    answer = fetch("GET", f"{daemon.url}/v1/accounts/{slug}/releases", headers=headers)
    return [each["attributes"]["version"] for each in answer.data] if answer.status == 200 else answer.status


def load(daemon: Daemon, dump: DumpText, *options: str, status: int = 0) -> subprocess.CompletedProcess:
    return keygenreg("import", "--data-dir", daemon.data_dir, *options, "-", input=str(dump), status=status)


class TestBesideDaemon:
    def test_answers_come_from_the_new_data_at_once(self, served: Daemon) -> None:
        """Nothing of before is left in any cache, bytes included."""
        slug = f"v-{uuid4().hex}"
        dump, token, artifact = open_vendor(slug, "1.0.0")
        load(served, dump)
        assert versions(served, slug, token) == ["1.0.0"]
        url = f"{served.url}/v1/accounts/{slug}/artifacts/{artifact}"
        assert fetch("GET", url, headers={"Authorization": f"Bearer {token}"}).body == b"hello"
        dump.lines[:] = [line.replace('"1.0.0"', '"2.0.0"') for line in dump.lines]
        load(served, dump)
        assert versions(served, slug, token) == ["2.0.0"]
        other, other_token, _ = open_vendor(f"{slug}-other", "3.0.0")
        load(served, other, "--replace", "--yes")
        assert versions(served, slug, token) == 404
        assert versions(served, f"{slug}-other", other_token) == ["3.0.0"]

    def test_export_of_a_running_registry(self, served: Daemon) -> None:
        dump, _, artifact = open_vendor(f"v-{uuid4().hex}", "1.0.0")
        load(served, dump)
        text = keygenreg("export", "--data-dir", served.data_dir).stdout
        assert artifact in text
        load_again = keygenreg("import", "--data-dir", served.data_dir, "--replace", "--yes", "-", input=text)
        assert "Imported" in load_again.stderr
        assert keygenreg("export", "--data-dir", served.data_dir).stdout == text

    def test_refused_import_is_not_seen(self, served: Daemon) -> None:
        slug = f"v-{uuid4().hex}"
        dump, token, _ = open_vendor(slug, "1.0.0")
        dump.lines.append("nonsense")
        assert load(served, dump, "--replace", "--yes", status=1).stderr.startswith(f"line {dump.last}: is not JSON")
        assert versions(served, slug, token) == 404


class Feeding:
    """An import that reads from us."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        command = [sys.executable, "-m", "keygenreg", "import", "--data-dir", str(data_dir), *options, "-"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)

    def feed(self, text: str) -> None:
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Exit status and words, after the process has come to its end."""
        words = self.process.stderr.read().decode()
        status = self.process.wait(PATIENCE)
        self.process.stdin.close()
        self.process.stderr.close()
        return status, words


def blobs(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM blobs WHERE reference_count = 0")
        return cursor.fetchone()[0]


def until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestEndingEarly:
    def started(self, served: Daemon, connection: Any, *options: str) -> Feeding:
        """An import that has read an artifact with bytes, and waits for more."""
        before = blobs(connection)
        feeding = Feeding(served.data_dir, *options)
        dump = DumpText()
        dump.account(f"v-{uuid4().hex}")
        dump.artifact(dump.release(dump.product()), "a", {"base64": "A" * 4096})
        feeding.feed(str(dump))
        until(lambda: blobs(connection) > before)
        return feeding

    def test_killed(self, served: Daemon) -> None:
        """Nothing of it shows; bytes that were stored already are on record for the collector."""
        connection = served.connect()
        before = keygenreg("export", "--data-dir", served.data_dir).stdout
        feeding = self.started(served, connection, "--replace", "--yes")
        feeding.process.send_signal(signal.SIGKILL)
        assert feeding.end()[0] == -signal.SIGKILL
        assert keygenreg("export", "--data-dir", served.data_dir).stdout == before
        dump, token, _ = open_vendor(slug := f"v-{uuid4().hex}", "1.0.0")
        load(served, dump)
        assert versions(served, slug, token) == ["1.0.0"]
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM blobs WHERE reference_count = 0")
        connection.close()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted_while_it_waits_for_input(self, served: Daemon, number: signal.Signals) -> None:
        """It says so, and takes its bytes back."""
        connection = served.connect()
        before = keygenreg("export", "--data-dir", served.data_dir).stdout
        feeding = self.started(served, connection)
        feeding.process.send_signal(number)
        assert feeding.end() == (1, "Interrupted; nothing was changed.\n")
        assert blobs(connection) == 0
        assert keygenreg("export", "--data-dir", served.data_dir).stdout == before
        connection.close()


class TestSize:
    def peak(self, data_dir: Path, dump: Path) -> int:
        """The most memory that the command's process had, in KiB."""
        command = [sys.executable, "-m", "keygenreg", "import", "--data-dir", str(data_dir), str(dump)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_maxrss

    @pytest.mark.timeout(600)
    def test_memory_does_not_grow_with_the_dump(self, served: Daemon, small: Path, tmp_path: Path) -> None:
        """50,000 lines, and a content of 60 MB in one of them, take little more than a dozen lines."""
        least = self.peak(served.data_dir, small)
        large = tmp_path / "large.jsonl"
        with large.open("w") as file:
            write_large(file, 50_000)
        assert self.peak(served.data_dir, large) - least < 40 * 1024


def write_large(file: Any, count: int) -> None:
    head = DumpText()
    account = head.account(f"v-{uuid4().hex}")
    product = head.product()
    policy = head.policy(product)
    release = head.release(product)
    file.write(str(head))
    owner = {"account": {"data": {"type": "accounts", "id": account}}}
    of_policy = owner | {"policy": {"data": {"type": "policies", "id": policy}}}
    of_release = owner | {"release": {"data": {"type": "releases", "id": release}}}
    for number in range(count):
        attributes = {"key": f"{number:08}" * 8, "name": "x" * 200, "metadata": {"note": "y" * 200}}
        line = {"type": "licenses", "id": str(uuid4()), "attributes": attributes, "relationships": of_policy}
        file.write(json.dumps(line) + "\n")
    attributes = {"filename": "large.bin"}
    line = {"type": "artifacts", "id": str(uuid4()), "attributes": attributes, "relationships": of_release}
    file.write(json.dumps(line)[:-1] + ', "content": {"base64": "')
    for _ in range(80):
        file.write("QUJD" * 256 * 1024)
    file.write('"}}\n')
