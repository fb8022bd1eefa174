"""Operators hear of names that are claimed here and exist upstream as well."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from tests import daemon_fixtures
from tests.daemon_fixtures import Account, Daemon, fetch, free_port
from tests.mirror.conftest import mirror_settings
from tests.mirror.fake_index import FakeProject, new_name
from tests.mirror.fake_upstream import Answer, FakeUpstream, content
from tests.mirror.mirroring import mirror_settings as settings_of
from tests.quickened import quickened
from tests.web.serving import eventually

OPERATOR = free_port()

# A second account.
bystander = daemon_fixtures.account


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream) -> Iterator[Daemon]:
    """Two web processes, which must not ask twice."""
    on = {"warn_of_claims": "always"}
    env = mirror_settings(upstream, reserved="ours-*", deny="denied-*", **on)
    env |= settings_of("npm", f"{upstream.url}npm/", **on)
    env |= settings_of("rubygems", f"{upstream.url}source/", **on)
    accounts = {
        "redirecting": {"pypi": {"mode": "redirect"}},
        "denying": {"pypi": {"mode": "deny"}},
        "trusting": {"pypi": {"warn_of_claims": "never"}},
        "failing": {"pypi": {}},
    }
    env |= {"KEYGENREG_UPSTREAM_ACCOUNTS": json.dumps(accounts), "KEYGENREG_OPERATOR_PORT": str(OPERATOR)}
    folder = tmp_path_factory.mktemp("claims")
    env |= quickened(folder / "quickened", {"keygenreg.mirror.claims.watch": {"LOOK": 0.3}})
    running = Daemon(folder / "data", "--mode", "multiplayer", "--workers", "2", env=env)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def daemon_connection(daemon: Daemon):
    connection = daemon.connect()
    yield connection
    connection.close()


@pytest.fixture
def claim(account: Account) -> Callable[..., None]:
    product = account.admin.make_product()

    def make(name: str, engine: str = "pypi") -> None:
        account.admin.make_package(product, name, engine)

    return make


@pytest.fixture
def become(account: Account) -> Callable[[str], None]:
    def rename(slug: str) -> None:
        account.sql("UPDATE accounts SET slug = id::text WHERE slug = %s", slug)
        account.sql("UPDATE accounts SET slug = %s WHERE id = %s", slug, account.id)

    return rename


def known(account: Account, name: str) -> tuple:
    """Whether the name was asked for, and whether it collides."""
    ((asked, collides),) = account.sql(
        "SELECT asked IS NOT NULL, since IS NOT NULL FROM claims_upstream WHERE account_id = %s AND name = %s",
        account.id, name,
    )  # fmt: skip
    return asked, collides


def ask_again(account: Account, name: str) -> None:
    account.sql(
        "UPDATE claims_upstream SET asked = NULL, due = now() WHERE account_id = %s AND name = %s", account.id, name
    )


def told(daemon: Daemon, name: str) -> list[str]:
    """Lines of the log about a name."""
    return [line for line in daemon.log.read_text().splitlines() if f"'{name}'" in line and "exist" in line]


def collisions(daemon: Daemon, *options: str) -> str:
    command = [sys.executable, "-m", "keygenreg", "mirror", "collisions", "--data-dir", str(daemon.data_dir), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_a_collision_is_told_once_listed_counted_and_forgotten(
    daemon: Daemon, account: Account, claim, project: FakeProject
):
    """From the claim until the name is gone upstream."""
    project.add("1.0", content(100))
    project.publish()
    claim(project.name)
    eventually(lambda: known(account, project.name) == (True, True))
    eventually(lambda: len(told(daemon, project.name)) == 1)
    asked = project.upstream.requests(project.page_path)
    assert [seen.method for seen in asked] == ["HEAD"]
    assert "authorization" not in asked[0].headers

    (line,) = [line for line in collisions(daemon).splitlines() if project.name in line]
    assert line.split("\t")[:4] == ["pypi", account.slug, project.name, f"{project.upstream.url}simple/"]
    listed = [json.loads(line) for line in collisions(daemon, "--json").splitlines()]
    assert project.name in [each["name"] for each in listed]
    eventually(lambda: 'keygenreg_mirror_colliding_names{engine="pypi"' in metrics())

    ask_again(account, project.name)
    eventually(lambda: known(account, project.name) == (True, True))
    assert len(told(daemon, project.name)) == 1, "told once"

    project.upstream.put(project.page_path, Answer(b"", 404))
    ask_again(account, project.name)
    eventually(lambda: known(account, project.name) == (True, False))
    eventually(lambda: "any more" in told(daemon, project.name)[-1])
    assert project.name not in collisions(daemon)


def test_a_name_that_is_new_everywhere(daemon: Daemon, account: Account, claim, project: FakeProject):
    claim(project.name)
    eventually(lambda: known(account, project.name) == (True, False))
    assert not told(daemon, project.name)


def test_a_name_that_somebody_registers_later(daemon: Daemon, account: Account, claim, project: FakeProject):
    claim(project.name)
    eventually(lambda: known(account, project.name) == (True, False))
    project.publish()
    ask_again(account, project.name)
    eventually(lambda: known(account, project.name) == (True, True))
    eventually(lambda: len(told(daemon, project.name)) == 1)


def test_the_next_look_is_a_day_later(account: Account, claim, project: FakeProject):
    claim(project.name)
    eventually(lambda: known(account, project.name) == (True, False))
    ((hours,),) = account.sql(
        "SELECT extract(epoch FROM due - now())::float8 / 3600 FROM claims_upstream WHERE account_id = %s", account.id
    )
    assert 20 < hours < 28


@pytest.mark.parametrize(
    ("engine", "name", "path"),
    [
        ("npm", "@scope/{}", "/npm/@scope%2f{}"),
        ("rubygems", "Big{}", "/source/info/Big{}"),
    ],
)
def test_other_protocols(account: Account, claim, upstream: FakeUpstream, engine: str, name: str, path: str):
    """Asked for as the protocol spells names, capitals included where they count."""
    stem = uuid4().hex[:10]
    upstream.put(path.format(stem), Answer(b"here"))
    claim(name.format(stem), engine)
    eventually(lambda: known(account, name.format(stem).lower()) == (True, True))
    assert [seen.method for seen in upstream.requests(path.format(stem))] == ["HEAD"]


def test_where_names_are_sent_on(account: Account, claim, become, project: FakeProject):
    become("redirecting")
    project.publish()
    claim(project.name)
    eventually(lambda: known(account, project.name) == (True, True))


@pytest.mark.parametrize(
    ("slug", "name"),
    [("denying", "{}"), ("trusting", "{}"), (None, "ours-{}"), (None, "denied-{}")],
)
def test_names_that_upstream_is_never_told(
    account: Account, bystander: Account, claim, become, upstream: FakeUpstream, slug: str | None, name: str
):
    """While names of others are asked for that were claimed later."""
    if slug is not None:
        become(slug)
    secret = FakeProject(upstream, name.format(new_name())).publish()
    claim(secret.name)
    for _ in range(2):
        later = FakeProject(upstream)
        bystander.sql("INSERT INTO claimed_names VALUES (%s, 'pypi', %s)", bystander.id, later.name)
        eventually(lambda later=later: known(bystander, later.name) == (True, False))
    assert not upstream.requests(secret.page_path)
    assert known(account, secret.name) == (False, False)


@pytest.mark.parametrize("status", [403, 500])
def test_an_upstream_that_does_not_tell(
    daemon: Daemon, account: Account, claim, become, project: FakeProject, status: int
):
    """A package is made all the same, and what was known of it stays. Other accounts' upstreams are still asked."""
    if status == 500:
        become("failing")
    project.publish()
    claim(project.name)
    eventually(lambda: known(account, project.name) == (True, True))
    project.upstream.put(project.page_path, Answer(b"", status))
    ask_again(account, project.name)
    eventually(lambda: any("is asked later" in line for line in told(daemon, project.name)[-1:]))
    assert known(account, project.name) == (False, True)
    # What is told is noted a moment later; meanwhile it is due when the asking should be over.
    least = 5 if status == 500 else 60
    later = "SELECT due > now() + make_interval(mins => %s) FROM claims_upstream WHERE account_id = %s"
    eventually(lambda: account.sql(later, least, account.id) == [(True,)])


def metrics() -> str:
    return fetch("GET", f"http://127.0.0.1:{OPERATOR}/metrics").body.decode()
