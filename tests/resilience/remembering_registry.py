"""
A registry that remembers answers beside one that remembers none, on one database: whatever is asked, both say the same.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg2
from attrs import define, field, frozen
from psycopg2.extensions import connection as Connection

from keygenreg.assembly.bootstrap import create_account
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.running import running_database
from tests.daemon_fixtures import Account, Api, Daemon, basic, fetch
from tests.engines.npm import tarballs
from tests.engines.oci.layouts import digest_of, simple
from tests.engines.oci.store import EVERY_TYPE
from tests.engines.pypi import archives
from tests.engines.rubygems.gems import gem
from tests.management.customers import KEYS
from tests.resilience.conftest import PATIENCE, eventually

WORKERS = 2
SOON = 15.0
"""Seconds that a notification may take, on a machine that is busy with other tests."""
_UNTOLD = frozenset({b"date", b"x-request-id"})
#: And of documents of the API, which tell the request's id, what is made from them; bytes of files are not signed.
_SIGNED = frozenset({b"digest", b"keygen-date", b"keygen-digest", b"keygen-signature"})
_JSON = "application/vnd.pypi.simple.v1+json"
#: How many connections hear notifications: they say nothing but this.
_LISTENING = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND (query LIKE '%keygenreg-' || 'echo-%' OR query LIKE 'LISTEN%')"""
_OFF = {f"KEYGENREG_CACHE_{name}_BYTES": "0" for name in ("ANSWERS", "REPLIES", "BEARERS")}


@frozen
class Answer:
    """What two registries must agree on: all but dates and ids of requests."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Line:
    """A connection that stays open and asks with the same bytes each time."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.port = self.sock.getsockname()[1]
        self._buffer = b""

    def ask(self, request: bytes) -> Answer:
        self.sock.sendall(request)
        head = self._until(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        fields = [tuple(line.split(b": ", 1)) for line in lines]
        named = {name.lower(): value for name, value in fields}
        status = int(first.split(b" ")[1])
        bodiless = request.startswith(b"HEAD") or status in (204, 304)
        body = self._take(0 if bodiless else int(named[b"content-length"]))
        untold = _UNTOLD | _SIGNED if b"keygen-digest" in named else _UNTOLD
        told = tuple(sorted((name.lower(), value) for name, value in fields if name.lower() not in untold))
        return Answer(status, told, body.replace(named[b"x-request-id"], b"ID"))

    def close(self) -> None:
        self.sock.close()

    def _more(self) -> None:
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionResetError("the connection was closed")
        self._buffer += data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        data, _, self._buffer = self._buffer.partition(mark)
        return data

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


@define(eq=False)
class Vendor:
    """An account with one product, and packages of the same names as every other vendor's."""

    account: Account
    strategy: str
    versions: tuple[str, ...]
    product: dict = field(init=False)
    raw: dict = field(init=False)
    packages: dict[str, dict] = field(factory=dict, init=False)
    releases: dict[str, dict] = field(factory=dict, init=False)
    artifacts: dict[str, dict] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.product = self.admin.make_product(self.strategy, code="app")
        for engine, key in (("npm", "lib"), ("oci", "app"), ("rubygems", "kestrel"), ("pypi", "acme")):
            self.packages[engine] = self.admin.make_package(self.product, key, engine)
        for version in self.versions:
            for engine in self.packages:
                self.publish(engine, version)
        self.raw = self.admin.make_release(self.product, "1.0.0")
        self.admin.make_artifact(self.raw, "tool.txt", b"raw")
        self.releases["raw 1.0.0"] = self.raw

    @property
    def admin(self) -> Api:
        return self.account.admin

    def publish(self, engine: str, version: str) -> dict:
        release = self.admin.make_release(self.product, version, package=self.packages[engine])
        self.releases[f"{engine} {version}"] = release
        mark = self.account.slug
        name, content = {
            "npm": lambda: (f"lib-{version}.tgz", tarballs.package("lib", version, description=mark)),
            "oci": lambda: ("image.tar", simple(self._layer(version)).tar()),
            "rubygems": lambda: (f"kestrel-{version}.gem", gem("kestrel", version)),
            "pypi": lambda: (
                f"acme-{version}-py3-none-any.whl",
                archives.wheel(archives.metadata(Version=version, Summary=mark), folder=f"acme-{version}.dist-info"),
            ),
        }[engine]()
        artifact = self.artifacts[f"{engine} {version}"] = self.admin.make_artifact(release, name, content)
        return artifact

    def _layer(self, version: str) -> bytes:
        return f"{self.account.slug} {version}".encode()

    def paths(self) -> list[tuple[str, str | None]]:
        """What package managers ask for, with the Accept that they send."""
        engines, slug = f"/v1/accounts/{self.account.id}/engines", self.account.slug
        version = self.versions[0]
        return [
            *self._files(engines, slug, version),
            ("/v2/", None),
            (f"/v2/{slug}/app/manifests/{version}", EVERY_TYPE),
            (f"/v2/{slug}/app/manifests/latest", EVERY_TYPE),
            (f"/v2/{slug}/app/tags/list", None),
            (f"{engines}/npm/lib", "application/vnd.npm.install-v1+json"),
            (f"{engines}/npm/lib/latest", None),
            (f"{engines}/npm/-/package/lib/dist-tags", None),
            (f"{engines}/pypi/simple/acme/", _JSON),
            (f"{engines}/pypi/simple/acme/", "text/html"),
            (f"{engines}/rubygems/info/kestrel", None),
            (f"{engines}/rubygems/versions", None),
            (f"{engines}/raw/app/1.0.0", None),
            (f"{engines}/raw/app/latest", None),
        ]

    def _files(self, engines: str, slug: str, version: str) -> list[tuple[str, str | None]]:
        """Those that are the bytes of files."""
        account, wheel = f"/v1/accounts/{self.account.id}", self.artifacts[f"pypi {version}"]
        return [
            (f"/v2/{slug}/app/blobs/{digest_of(self._layer(version))}", None),
            (f"{engines}/npm/lib/-/lib-{version}.tgz", None),
            (f"{engines}/rubygems/gems/kestrel-{version}.gem", None),
            (f"{account}/artifacts/{wheel['id']}/{wheel['attributes']['filename']}", None),
            (f"{account}/artifacts/tool.txt", None),
            (f"{account}/releases/{self.raw['id']}/artifacts/tool.txt", "*/*"),
        ]


@define(eq=False)
class Twins:
    """``main`` remembers, in two web processes; ``oracle`` does not, and is asked what is right."""

    main: Daemon
    oracle: Daemon
    settings: ConnectionSettings
    connection: Connection = field(init=False)
    lines: list[Line] = field(factory=list, init=False)
    oracles: Line | None = field(default=None, init=False)

    @classmethod
    def start(cls, directory: Path) -> Twins:
        shape = ("--mode", "multiplayer", "--domain", "registry.test")
        main = Daemon(directory / "main", *shape, "--workers", str(WORKERS)).start()
        found = running_database(main.data_dir)
        login = f"{found.user}:{found.password}@/{found.dbname}?host={found.host}&port={found.port}"
        (directory / "oracle").mkdir()
        os.symlink(main.data_dir / "blobs", directory / "oracle/blobs")
        environment = _OFF | {"KEYGENREG_DATABASE_URL": f"postgresql://{login}"}
        oracle = Daemon(directory / "oracle", *shape, env=environment).start()
        return cls(main, oracle, found)

    def __attrs_post_init__(self) -> None:
        self.connection = self._connect()

    def stop(self) -> None:
        self.hang_up()
        self.connection.close()
        self.oracle.stop()
        self.main.stop()

    def new_account(self) -> Account:
        slug = f"v-{uuid4().hex}"
        self.connection.autocommit = False
        made = create_account(self.connection, slug, f"{slug[:20]}@example.com", "admin password", keys=KEYS)
        self.connection.commit()
        self.connection.autocommit = True
        return Account(self.main, self.connection, made)

    def through_the_oracle(self, api: Api) -> Api:
        """The same API of another daemon: what that one writes, ``main`` hears of by notification alone."""
        return Api(self.oracle.url, api.account, api.authorization)

    # Connections

    def processes(self) -> list[psutil.Process]:
        found = []
        for child in psutil.Process(self.main.process.pid).children():
            try:
                if "keygenreg.assembly.worker" in child.cmdline():
                    found.append(child)
            except psutil.NoSuchProcess:
                continue
        return found

    def call(self) -> None:
        """A connection to each web process, and one to the oracle."""
        self.hang_up()
        self.oracles = Line(self.oracle.port)
        for process in eventually(lambda: (p := self.processes()) and len(p) == WORKERS and p, "all processes run"):
            self.lines.append(eventually(lambda found=process: self._line_to(found), "a connection to each"))

    def _line_to(self, process: psutil.Process) -> Line | None:
        line = Line(self.main.port)
        line.ask(request_of("/v1/ping"))
        ports = {one.raddr.port for one in process.net_connections(kind="tcp") if one.raddr}
        if line.port in ports:
            return line
        line.close()
        return None

    def hang_up(self) -> None:
        for line in (*self.lines, *([self.oracles] if self.oracles else [])):
            line.close()
        self.lines.clear()
        self.oracles = None

    # Judging

    def disagreement(self, request: bytes) -> str | None:
        """In which way a web process answers wrongly. An answer is right if it was so at some moment meanwhile."""
        before = self.oracles.ask(request)
        found = [line.ask(request) for line in self.lines]
        if all(one == before for one in found):
            return None
        after = self.oracles.ask(request)
        for number, one in enumerate(found):
            if one not in (before, after):
                return f"{request.decode()}web process {number}:\n{one}\nthe oracle:\n{after}"
        return None

    def check(self, requests: list[bytes]) -> None:
        for request in requests:
            wrong = self.disagreement(request)
            if wrong is not None:
                raise AssertionError(wrong)

    def warm(self, requests: list[bytes]) -> None:
        """Ask so often that whatever may be remembered is."""
        self.ask(requests)
        self.check(requests)

    def ask(self, requests: list[bytes]) -> None:
        """Of each web process, whatever the answers: kept at the second time, of files that are open at the third."""
        for request in requests:
            for _ in range(3):
                for line in self.lines:
                    line.ask(request)

    def check_soon(self, requests: list[bytes]) -> None:
        """Right once the notifications have arrived."""
        end = time.monotonic() + SOON
        for request in requests:
            while (wrong := self.disagreement(request)) is not None:
                if time.monotonic() > end:
                    raise AssertionError(wrong)
                time.sleep(0.01)

    @contextmanager
    def storm(self, requests: list[bytes], wanted: bool) -> Iterator[None]:
        """Others ask for the same all the time, so that changes come while answers are made."""
        ending = threading.Event()

        def ask(seed: int) -> None:
            chosen = random.Random(seed)
            with closing(Line(self.main.port)) as line:
                while not ending.is_set():
                    line.ask(chosen.choice(requests))

        threads = [threading.Thread(target=ask, args=(seed,), daemon=True) for seed in range(3 if wanted else 0)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ending.set()
            for thread in threads:
                thread.join(PATIENCE)

    # Faults

    def deafen(self) -> int:
        """Break every connection over which notifications are heard; how many there were."""
        with self.connection.cursor() as cursor:
            cursor.execute(_LISTENING.replace("count(*)", "count(pg_terminate_backend(pid))"))
            return cursor.fetchone()[0]

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """No web process hears notifications, for as long as this lasts: the server takes no further connection."""
        with ExitStack() as held, closing(self._connect()) as keeper:
            keeper.autocommit = True

            def occupied() -> bool:
                try:
                    held.enter_context(closing(self._connect()))
                except psycopg2.OperationalError:
                    return True
                return False

            def listening() -> int:
                with keeper.cursor() as cursor:
                    cursor.execute(_LISTENING)
                    return cursor.fetchone()[0]

            def cut_off() -> bool:
                if listening():
                    self.deafen()
                if not occupied():
                    return False
                time.sleep(0.3)  # whoever got in before would say so by now
                return not listening()

            eventually(occupied, "the server is full")
            eventually(cut_off, "nobody hears anything")
            yield

    def _connect(self) -> Connection:
        return psycopg2.connect(**self.settings.keywords(statement_timeout=30))

    @contextmanager
    def without_notifications(self) -> Iterator[None]:
        """Changes are told to those who make them, as ever, and to nobody else."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_functiondef('tell_change'::regproc)")
            (whole,) = cursor.fetchone()
            quiet = whole.replace("PERFORM pg_notify(", "PERFORM concat(")
            if quiet == whole:
                raise AssertionError("nothing to silence")
            cursor.execute(quiet)
            try:
                yield
            finally:
                cursor.execute(whole)

    def kill_one(self) -> None:
        """A web process dies; another takes its place."""
        killed = self.processes()[0]
        killed.kill()
        psutil.wait_procs([killed], PATIENCE)
        self.call()


    def replace_all(self) -> None:
        """All web processes give way to others, as after a change of settings."""
        self.hang_up()
        before = set(self.processes())
        self.main.process.send_signal(signal.SIGHUP)
        eventually(lambda: (now := self.processes()) and before.isdisjoint(now), "all are replaced")
        self.call()


def request_of(
    path: str, accept: str | None = None, authorization: str | None = None, method: str = "GET", **more: str
) -> bytes:
    """The bytes of a request, with a Host that is the same for every daemon; of names in ``more``, ``_`` is a dash."""
    fields = {"Host": "here.example:8000", "Accept": accept, "Authorization": authorization}
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def registry_token(daemon: Daemon, authorization: str, repository: str) -> str:
    """What docker gets for its credentials, good at the Host of :func:`request_of`."""
    url = f"{daemon.url}/v2/token?service=here.example:8000&scope=repository:{repository}:pull"
    headers = {"Authorization": authorization, "Host": "here.example:8000"}
    return "Bearer " + fetch("GET", url, headers=headers).json["token"]


def by_key(key: str) -> str:
    return basic("license", key)


def by_token(token: str) -> str:
    return basic("token", token)



