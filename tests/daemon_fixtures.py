"""A real daemon with a real PostgreSQL for tests, and small clients of it.

``daemon`` is one multiplayer daemon for the whole session; ``account`` a fresh account in it for each test, with an
administrator's :class:`Api`. Set up what a test needs through the API, or with ``account.sql`` where that is quicker.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from keygenreg.access.account_keys import generate_account_keys
from keygenreg.access.passwords import hash_password
from keygenreg.domain.token import digest_of, kind_of, new_secret
from tests.telling_connection import telling_connection

START_SECONDS = 60

#: For every daemon of tests, unless they say otherwise. Names that tests claim are nobody else's business, and fakes
#: count what they are asked.
QUIET = {"KEYGENREG_OPERATOR_PORT": "0"} | {
    f"KEYGENREG_UPSTREAM_{engine}_WARN_OF_CLAIMS": "never" for engine in ("PYPI", "NPM", "RUBYGEMS")
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_ports_in_a_row(count: int) -> int:
    """The first of several free ports that follow each other, where no connection takes one by chance."""
    while True:
        first = random.randrange(20_000, 32_000 - count)
        with ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first


class Answer:
    """A whole answer; ``json`` parses the body, header names are looked up in any case."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def error(self) -> dict[str, Any]:
        """The first error of an error document."""
        return self.json["errors"][0]

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:600]!r}>"


def fetch(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own; redirects are not followed, certificates are not checked."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        target = url[len(f"{parts.scheme}://{parts.netloc}") :] or "/"
        connection.putrequest(method, target, skip_host="Host" in (headers or {}), skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None and "Content-Length" not in (headers or {}):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Api:
    """A client of the JSON:API of one account; ``authorization`` is the header's value, ``None`` for anonymous."""

    def __init__(self, root: str, account: str, authorization: str | None = None) -> None:
        self.root = root
        self.base = f"{root}/v1/accounts/{account}"
        self.account = account
        self.authorization = authorization

    def as_(self, token: str | None = None, *, key: str | None = None) -> Api:
        """The same account as another bearer: of a token, of a license key, or anonymous."""
        value = f"Bearer {token}" if token else f"License {key}" if key else None
        return Api(self.root, self.account, value)

    def request(self, method: str, path: str, document: Any = None, **headers: str) -> Answer:
        """``path`` below the account (or a whole URL); header names with underscores for dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.authorization is not None:
            sent.setdefault("Authorization", self.authorization)
        body = document if document is None or isinstance(document, bytes) else json.dumps(document).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/vnd.api+json")
        sent.setdefault("Accept", "application/vnd.api+json")
        return fetch(method, path if "://" in path else self.base + path, body, sent)

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, **headers)

    def post(self, path: str, document: Any = None, **headers: str) -> Answer:
        return self.request("POST", path, document, **headers)

    def patch(self, path: str, document: Any, **headers: str) -> Answer:
        return self.request("PATCH", path, document, **headers)

    def put(self, path: str, document: Any = None, **headers: str) -> Answer:
        return self.request("PUT", path, document, **headers)

    def delete(self, path: str, document: Any = None, **headers: str) -> Answer:
        return self.request("DELETE", path, document, **headers)

    # Short ways to make things; each fails loudly.

    def make(self, path: str, type: str, attributes: dict | None = None, **relationships: Any) -> dict:
        """
        Create a resource; relationships are ``name=("type", id)``. Gives the ``data`` of the answer.
        """
        linked = {
            name: {"data": {"type": kind, "id": identifier}} for name, (kind, identifier) in relationships.items()
        }
        document = {"data": {"type": type, "attributes": attributes or {}, "relationships": linked}}
        answer = self.post(path, document)
        if answer.status not in (200, 201):
            raise AssertionError(f"POST {path}: {answer}")
        return answer.data

    def make_product(self, strategy: str = "LICENSED", **attributes: Any) -> dict:
        return self.make("/products", "products", {"name": "Product", "distributionStrategy": strategy, **attributes})

    def make_package(self, product: dict, key: str, engine: str | None = None, **attributes: Any) -> dict:
        given = {"name": key, "key": key, "engine": engine, **attributes}
        return self.make("/packages", "packages", given, product=("products", product["id"]))

    def make_release(
        self,
        product: dict,
        version: str = "1.0.0",
        *,
        package: dict | None = None,
        status: str = "PUBLISHED",
        channel: str = "stable",
        **attributes: Any,
    ) -> dict:
        given = {"version": version, "channel": channel, "status": status, **attributes}
        related = {"product": ("products", product["id"])}
        if package:
            related["package"] = ("packages", package["id"])
        return self.make("/releases", "releases", given, **related)

    def make_artifact(self, release: dict, filename: str, content: bytes | None = None, **attributes: Any) -> dict:
        """Create an artifact and, with ``content``, upload it; the artifact as it stands afterwards."""
        document = {
            "data": {
                "type": "artifacts",
                "attributes": {"filename": filename, **attributes},
                "relationships": {"release": {"data": {"type": "releases", "id": release["id"]}}},
            }
        }
        answer = self.post("/artifacts", document, Prefer="no-redirect")
        if answer.status != 200:
            raise AssertionError(f"POST /artifacts: {answer}")
        if content is None:
            return answer.data
        stored = fetch("PUT", answer.headers["Location"], content)
        if stored.status != 200:
            raise AssertionError(f"PUT upload: {stored}")
        return self.get(f"/artifacts/{answer.data['id']}", Prefer="no-download").data

    def make_policy(self, product: dict, **attributes: Any) -> dict:
        given = {"name": "Policy", "authenticationStrategy": "MIXED", **attributes}
        return self.make("/policies", "policies", given, product=("products", product["id"]))

    def make_license(self, policy: dict, **attributes: Any) -> dict:
        return self.make("/licenses", "licenses", attributes, policy=("policies", policy["id"]))


def basic(user: str, password: str) -> str:
    """An Authorization header's value."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


class Daemon:
    """A ``keygenreg serve`` child process on a data directory."""

    def __init__(
        self, data_dir: Path, *options: str, port: int | None = None, env: dict[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.url = f"http://localhost:{self.port}"
        self.options = options
        self.env = env or {}
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self.process: subprocess.Popen | None = None

    def start(self) -> Daemon:
        command = [
            sys.executable,
            "-m",
            "keygenreg",
            "serve",
            "--data-dir",
            str(self.data_dir),
            "--port",
            str(self.port),
        ]
        environment = os.environ | QUIET | self.env
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, *self.options], stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")
            try:
                if fetch("GET", f"{self.url}/v1/ping").status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"the daemon did not start:\n{self.log.read_text()[-4000:]}")

    def stop(self) -> int:
        """SIGTERM and wait; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL and wait."""
        self.process.kill()
        self.process.wait(60)

    def connect(self) -> Any:
        """
        A psycopg2 connection to the daemon's database, in autocommit mode. What it changes counts in the daemon's next
        answer, as if one of its own processes had changed it, and not when the notification arrives.
        """
        from keygenreg.database.running import running_database  # only the daemon's tests need a server

        settings = running_database(self.data_dir)
        if settings is None:
            raise RuntimeError("no database is running")
        return telling_connection(settings, self.process.pid)


class Account:
    """A fresh account of a daemon: ``admin`` is its administrator's API, ``sql`` runs a statement."""

    def __init__(self, daemon: Daemon, connection: Any, made: dict[str, Any]) -> None:
        self.daemon = daemon
        self.id = made["account"]["id"]
        self.slug = made["account"]["slug"]
        self.email = made["email"]
        self.password = made["password"]
        self.token = made["token"]
        self.admin = Api(daemon.url, self.id, f"Bearer {self.token}")
        self._connection = connection

    def sql(self, statement: str, *values: Any) -> list[tuple]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def staff(self, role: str) -> Api:
        """The API as a new user with a role."""
        return self.admin.as_(_new_user(self.sql, self.id, f"{role}-{uuid4()}@example.com", role))


_KEYS = generate_account_keys()
_PASSWORD = "admin password"
# Hashing is slow on purpose, and there is an account for each test.
_PASSWORD_HASH = hash_password(_PASSWORD)


def _new_user(sql: Callable[..., Any], account: str, email: str, role: str) -> str:
    """A user with a password; gives a token of it."""
    user, token = str(uuid4()), new_secret(kind_of("users", role), secrets.token_hex)
    sql(
        "INSERT INTO users (id, account_id, email, role, password_hash) VALUES (%s, %s, %s, %s, %s)",
        user, account, email, role, _PASSWORD_HASH,
    )  # fmt: skip
    sql(
        "INSERT INTO tokens (id, account_id, bearer_user_id, digest) VALUES (%s, %s, %s, %s)",
        str(uuid4()), account, user, digest_of(_KEYS.secret_key, token),
    )  # fmt: skip
    return token


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One multiplayer daemon for all tests of this process."""
    running = Daemon(
        tmp_path_factory.mktemp("daemon") / "data", "--mode", "multiplayer", "--domain", "registry.test"
    ).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def daemon_connection(daemon: Daemon) -> Iterator[Any]:
    connection = daemon.connect()
    yield connection
    connection.close()


@pytest.fixture
def account(daemon: Daemon, daemon_connection: Any) -> Account:
    """A fresh account with an administrator, as :func:`keygenreg.assembly.bootstrap.create_account` makes it."""
    identifier, slug = str(uuid4()), f"t-{uuid4().hex}"
    email = f"{slug[:20]}@example.com"

    def sql(statement: str, *values: Any) -> None:
        with daemon_connection.cursor() as cursor:
            cursor.execute(statement, values)

    sql(
        """INSERT INTO accounts (id, slug, name, protected, secret_key, ed25519_private_key, rsa_private_key,
            ecdsa_private_key) VALUES (%s, %s, %s, true, %s, %s, %s, %s)""",
        identifier, slug, slug, _KEYS.secret_key, _KEYS.ed25519_private_key, _KEYS.rsa_private_key,
        _KEYS.ecdsa_private_key,
    )  # fmt: skip
    token = _new_user(sql, identifier, email, "admin")
    made = {"account": {"id": identifier, "slug": slug}, "email": email, "password": _PASSWORD, "token": token}
    return Account(daemon, daemon_connection, made)
