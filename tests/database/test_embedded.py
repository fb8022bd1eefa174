"""The embedded server: started, killed, moved, shared, by whatever user runs the tests.

Each daemon here is a real process (``tests.database_server``), so that it can be killed.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from keygenreg.database import launcher
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.identity import Identity, can_enter
from keygenreg.database.running import StillStarting, running_database
from tests.database_fixtures import on_server

_ROOT = Path(__file__).parents[2]
_PATIENCE = 40.0
_IS_ROOT = os.geteuid() == 0


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition that other processes bring about."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen")
        time.sleep(0.02)


class Daemon:
    """A process that runs an embedded server on a directory; its interpreter may be started through other words."""

    def __init__(self, directory: Path, interpreter: list[str], **user: object) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [*interpreter, "-m", "tests.database_server", str(directory), "fsync=off"],
            cwd=_ROOT,
            env={
                "PATH": os.defpath,
                "HOME": str(directory.parent),
                "PYTHONPATH": os.pathsep.join([str(_ROOT), *sys.path]),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **user,
        )
        self.settings: ConnectionSettings | None = None

    def ready(self) -> Daemon:
        """Wait until it serves."""
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the daemon did not start:\n{self.process.communicate()[1]}")
        self.settings = ConnectionSettings(**json.loads(line) | {"extra": ()})
        return self

    def sql(self, text: str) -> list[tuple]:
        return on_server(self.settings, text)

    @property
    def postmaster(self) -> psutil.Process:
        return psutil.Process(int((self.directory / "postgres/postmaster.pid").read_text().split()[0]))

    def stop(self) -> None:
        """End it in an orderly way."""
        self.process.communicate(timeout=_PATIENCE)
        assert self.process.returncode == 0

    def leave(self) -> None:
        """End it as well as it goes, whatever state it is in."""
        try:
            self.process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that every user may pass through."""
    path = Path(tempfile.mkdtemp(prefix="kg-test-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def daemon(place: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts daemons, on one directory for all tests unless told otherwise; they do not outlive their test."""
    started: list[Daemon] = []

    def start(directory: Path = place / "data", interpreter: tuple[str, ...] = (sys.executable,), **user) -> Daemon:
        started.append(Daemon(directory, list(interpreter), **user))
        return started[-1]

    yield start
    for one in started:
        one.leave()
    until(lambda: not servers_below(place))


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended, be it reaped or not."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def servers_below(place: Path) -> list[psutil.Process]:
    """Living PostgreSQL processes of a test, by what their command line or their directory says."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if str(place) in words and "postgres" in words or process.cwd().startswith(str(place)):
                found.append(process)
        except psutil.Error:
            continue
    return found


def keep(one: Daemon) -> None:
    """Commit a row that :func:`kept` must find again."""
    one.sql("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 42 AS answer")


def kept(one: Daemon) -> bool:
    return one.sql("SELECT answer FROM kept") == [(42,)]


def test_data_survives_an_orderly_restart(daemon):
    """A first start makes the server, a second one finds it with all rows; nothing is left in between."""
    first = daemon().ready()
    keep(first)
    sockets, postmaster = Path(first.settings.host), first.postmaster
    assert running_database(first.directory) == first.settings
    first.stop()
    assert is_gone(postmaster)
    assert not sockets.exists()
    assert running_database(first.directory) is None
    second = daemon().ready()
    assert kept(second)


def test_nobody_else_can_use_the_server(daemon):
    """Files and sockets are private, there is no TCP port, and the password is needed even at the socket."""
    one = daemon().ready()
    for name in ("postgres", "database-password", "database.json", "daemon.lock", "postgres.log"):
        assert (one.directory / name).stat().st_mode & 0o077 == 0, name
    assert Path(one.settings.host).stat().st_mode & 0o077 == 0
    assert one.sql("SHOW listen_addresses") == [("",)]
    locales = one.sql("SELECT datlocprovider, datlocale FROM pg_database WHERE datname = current_database()")
    assert locales == [("b", "C.UTF-8")]
    assert one.settings.password not in (one.directory / "database.json").read_text()
    assert one.settings.password not in repr(one.settings)
    for password in ("", "wrong"):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(host=one.settings.host, user="keygenreg", dbname="postgres", password=password)
    assert one.postmaster.uids().effective != 0


def test_secrets_do_not_reach_the_log(daemon):
    """A failing statement leaves neither itself nor the row it was about in the server's log."""
    one = daemon().ready()
    one.sql("CREATE TABLE secrets (word text PRIMARY KEY)")
    for _ in range(2):
        try:
            one.sql("INSERT INTO secrets VALUES ('s3cret')")
        except psycopg2.errors.UniqueViolation:
            break
    with pytest.raises(psycopg2.errors.SyntaxError):
        one.sql("SELECT 's3cret' FRM secrets")
    log = (one.directory / "postgres.log").read_text()
    assert "duplicate key" in log
    assert "s3cret" not in log


def test_killed_server_is_started_again(daemon):
    """The daemon lives on; its server comes back at the same place with every committed row."""
    one = daemon().ready()
    keep(one)
    killed = one.postmaster.pid
    os.kill(killed, signal.SIGKILL)

    def serves() -> bool:
        try:
            return kept(one)
        except psycopg2.OperationalError:
            return False

    until(lambda: not psutil.pid_exists(killed) and serves())
    assert one.process.poll() is None
    assert running_database(one.directory) == one.settings


def test_killed_daemon_takes_its_server_along(daemon):
    """No server is left behind by kill -9 of the daemon, and the next start works at once."""
    first = daemon().ready()
    keep(first)
    sockets, postmaster = Path(first.settings.host), first.postmaster
    first.kill()
    second = daemon().ready()
    assert kept(second)
    assert is_gone(postmaster)
    assert not sockets.exists()


def test_daemon_and_server_killed_together(daemon):
    """Crash recovery brings back what was committed, also when the dead are not all gone yet."""
    first = daemon().ready()
    keep(first)
    os.kill(first.postmaster.pid, signal.SIGKILL)
    first.process.kill()
    second = daemon().ready()
    assert kept(second)


def test_second_daemon_is_refused(daemon):
    """It says who is there, and the first one is not disturbed."""
    first = daemon().ready()
    second = daemon()
    assert second.process.stdout.readline() == ""
    errors = second.process.communicate()[1]
    assert "DirectoryInUse" in errors
    assert f"(process {first.process.pid})" in errors
    assert first.sql("SELECT 1") == [(1,)]


def test_daemon_that_is_still_starting(daemon):
    """Who asks for the running database meanwhile is told to ask again; asking does not hinder the start."""
    one = daemon()
    answers = set()
    while one.process.poll() is None and "ready" not in answers:
        try:
            answers.add("ready" if running_database(one.directory) else "nobody")
        except StillStarting:
            answers.add("starting")
        except FileNotFoundError:
            continue
    assert answers >= {"starting", "ready"}
    assert one.ready().sql("SELECT 1") == [(1,)]


def test_first_start_that_was_interrupted(daemon, place):
    """A daemon killed while it makes the data directory leaves nothing that the next one takes for a server."""
    first = daemon(place / "interrupted")
    until((first.directory / "postgres.new/PG_VERSION").exists)
    first.kill()
    assert not (first.directory / "postgres").exists()
    second = daemon(first.directory).ready()
    assert second.sql("SELECT 1") == [(1,)]
    assert not list(second.directory.glob("postgres.new*"))


@pytest.mark.parametrize("content", ["the number of an unrelated process", "garbage", "nothing"])
def test_stale_pid_file(daemon, content):
    """A number left by a crash that now is somebody else's neither stops the start nor kills that process."""
    first = daemon().ready()
    first.stop()
    with subprocess.Popen(["sleep", "600"], **_as_owner(first.directory / "postgres")) as unrelated:
        text = {"garbage": "rubbish", "nothing": ""}.get(content)
        if text is None:
            text = f"{unrelated.pid}\n{first.directory}/postgres\n1700000000\n5432\n\n\n\n"
        path = first.directory / "postgres/postmaster.pid"
        path.write_text(text)
        shutil.chown(path, (path.parent).stat().st_uid, (path.parent).stat().st_gid)
        second = daemon().ready()
        assert second.sql("SELECT 1") == [(1,)]
        second.stop()
        assert unrelated.poll() is None
        unrelated.kill()


def _as_owner(path: Path) -> dict[str, int]:
    """Run as the server's user, whose signals its postmaster would check."""
    owner = path.stat()
    return {"user": owner.st_uid, "group": owner.st_gid} if _IS_ROOT else {}


def test_lost_password_is_named(daemon):
    """Without its password file, or with another password, an existing server is refused with its name."""
    first = daemon().ready()
    first.stop()
    file = first.directory / "database-password"
    right = file.read_text()
    for wrong in ("not the password\n", None):
        file.unlink() if wrong is None else file.write_text(wrong)
        again = daemon()
        errors = again.process.communicate()[1]
        assert again.process.returncode != 0
        assert "ClusterUnusable" in errors
        assert str(file) in errors
    file.write_text(right)


def test_other_version_is_refused(daemon):
    """A data directory of another PostgreSQL is left alone and the way out is told."""
    first = daemon().ready()
    first.stop()
    file = first.directory / "postgres/PG_VERSION"
    file.write_text("17\n")
    errors = daemon().process.communicate()[1]
    file.write_text("18\n")
    assert "written by PostgreSQL 17" in errors


def test_data_directory_that_is_moved(daemon, place):
    """It may go below a directory that only we may enter, with a path longer than any socket's, and back.

    The server runs as whichever user that allows, its files follow, and no mode of a parent is changed.
    """
    first = daemon().ready()
    keep(first)
    first.stop()
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    deep = closed / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    first.directory.rename(deep / "data")
    hidden = daemon(deep / "data").ready()
    assert kept(hidden)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert hidden.postmaster.uids().effective == os.geteuid()
    hidden.stop()
    hidden.directory.rename(first.directory)
    back = daemon().ready()
    assert kept(back)
    assert (back.directory / "postgres").stat().st_uid == back.postmaster.uids().effective


def test_normal_user(daemon, place):
    """A daemon started by a normal user in a home of its own works the same way, and all is that user's."""
    home = place / "home"
    home.mkdir(mode=0o700)
    interpreter, user = _as_normal_user()
    owner = user.get("user", os.geteuid())
    os.chown(home, owner, user.get("group", os.getegid()))
    one = daemon(home / "data", interpreter, **user).ready()
    assert one.sql("SELECT 1") == [(1,)]
    assert {path.stat().st_uid for path in one.directory.rglob("*")} == {owner}
    assert one.postmaster.uids().effective == owner
    one.kill()
    again = daemon(home / "data", interpreter, **user).ready()
    assert again.sql("SELECT 1") == [(1,)]
    again.stop()


def _as_normal_user() -> tuple[tuple[str, ...], dict[str, object]]:
    """How to start Python as a normal user: nobody, if there is a Python that nobody can start, else by a namespace."""
    if not _IS_ROOT:
        return (sys.executable,), {}
    nobody = pwd.getpwnam("nobody")
    identity = Identity(f"{nobody.pw_uid}:{nobody.pw_gid}", nobody.pw_uid, nobody.pw_gid)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (Path(sys.executable).resolve(), Path("/usr/bin", version), Path("/usr/local/bin", version)):
        if path.exists() and can_enter(identity, path.resolve().parent):
            return (str(path),), {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    words = (str(os.getpid()), "namespace:65534:65534", str(int(signal.SIGKILL)), sys.executable)
    return (sys.executable, "-I", "-S", launcher.__file__, *words), {}
