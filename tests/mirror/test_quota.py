"""What is kept stays within the quota while files come, frees its bytes soon, and leaves alone what is pinned."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.mirror.pins import Pins, as_like
from tests.daemon_fixtures import Answer, Daemon, fetch, free_ports_in_a_row
from tests.database_fixtures import on_server
from tests.mirror.conftest import mirror_settings
from tests.mirror.fake_index import FakeProject, new_name
from tests.mirror.fake_upstream import FakeUpstream, content
from tests.quickened import quickened

MIB = 1024 * 1024
QUOTA = 8 * MIB
PINNED = "keep*, special-1.*"
LINGER = 3.0
"""Seconds for which bytes stay after their file went, instead of a quarter of a minute."""
SWEEP = 10.0
"""Seconds between looks at all that is kept, instead of half a minute."""


class Limited:
    """A daemon with a small quota."""

    def __init__(self, daemon: Daemon, upstream: FakeUpstream, operator: int) -> None:
        self.daemon, self.upstream, self._operator = daemon, upstream, operator
        self._connection = daemon.connect()

    def project(self, *sizes: int, name: str | None = None) -> FakeProject:
        """A published project of files of so many bytes."""
        made = FakeProject(self.upstream, name or new_name())
        for place, size in enumerate(sizes):
            made.add(f"1.{place}", content(size, seed=hash((made.name, place)) % 10**6))
        return made.publish()

    def install(self, project: FakeProject) -> list[Answer]:
        """All files of a project, one after the other."""
        page = f"{self.daemon.url}/v1/engines/pypi/simple/{project.name}/"
        files = fetch("GET", page, headers={"Accept": "application/vnd.pypi.simple.v1+json"}).json["files"]
        return [fetch("GET", file["url"]) for file in files]

    def rows(self, statement: str) -> list[tuple]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    @property
    def kept(self) -> set[str]:
        """Names of projects of which files are kept."""
        return {name for (name,) in self.rows("SELECT name FROM mirrored_files")}

    @property
    def bytes_kept(self) -> int:
        return self.rows("SELECT coalesce(sum(size), 0)::bigint FROM mirrored_files")[0][0]

    def figure(self, line: str) -> float | None:
        """None where it was not measured yet."""
        text = fetch("GET", f"http://127.0.0.1:{self._operator}/metrics").body.decode()
        return next((float(each.split()[-1]) for each in text.splitlines() if each.startswith(line)), None)

    def close(self) -> None:
        self._connection.close()


def until(holds: Any, seconds: float = 60) -> None:
    """Wait for something that happens in the background."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream) -> Iterator[Limited]:
    port = free_ports_in_a_row(1)
    env = mirror_settings(upstream, anonymous="true", cache_bytes=str(QUOTA), pinned=PINNED)
    env |= {"KEYGENREG_OPERATOR_PORT": str(port)}
    folder = tmp_path_factory.mktemp("limited")
    quick = {"keygenreg.mirror.files.quota": {"LINGER": LINGER}, "keygenreg.mirror.service": {"SWEEP": SWEEP}}
    env |= quickened(folder / "quickened", quick)
    daemon = Daemon(folder / "data", env=env).start()
    made = Limited(daemon, upstream, port)
    yield made
    made.close()
    daemon.stop()


@pytest.fixture(autouse=True)
def _nothing_kept(limited: Limited) -> None:
    with limited._connection.cursor() as cursor:
        cursor.execute("DELETE FROM mirrored_files")


def test_it_is_kept_to_while_files_come(limited: Limited):
    """Six times the quota in one go: right for clients, never much more on the disk, and no clock is waited for."""
    most = 0
    for _ in range(24):
        project = limited.project(2 * MIB)
        (answer,) = limited.install(project)
        assert answer.body == project.upstream.answers[project.file_path(project.files[0]["filename"])].body
        until(lambda: limited.bytes_kept <= QUOTA, SWEEP / 2)
        most = max(most, limited.bytes_kept)
    assert most <= QUOTA
    assert limited.bytes_kept >= QUOTA // 2


def test_bytes_go_soon_after(limited: Limited):
    """Not with the next collection of blobs, which leaves an hour."""
    projects = [limited.project(2 * MIB) for _ in range(8)]
    for project in projects:
        limited.install(project)
    digests = {project.files[0]["hashes"]["sha256"] for project in projects}
    stored = limited.daemon.data_dir / "blobs" / "sha256"

    def settled() -> bool:
        kept = {digest for (digest,) in limited.rows("SELECT blob_sha256 FROM mirrored_files")}
        return len(kept) <= 4 and {each for each in digests if (stored / each[:2] / each).exists()} == kept

    until(settled)


def test_the_same_content_comes_back(limited: Limited):
    """What was evicted is fetched again, also while its bytes are about to go."""
    first = limited.project(3 * MIB)
    expected = [answer.body for answer in limited.install(first)]
    limited.install(limited.project(3 * MIB, 3 * MIB))
    until(lambda: first.name not in limited.kept)
    assert [answer.body for answer in limited.install(first)] == expected
    deadline = time.monotonic() + LINGER + 5
    while time.monotonic() < deadline:
        answers = limited.install(first)
        assert [answer.body for answer in answers] == expected
        time.sleep(0.5)


def test_pinned_names_and_files_stay(limited: Limited):
    """By the project's name, or by the file's."""
    pinned = limited.project(2 * MIB, name="keep-this")
    special = limited.project(2 * MIB, 1 * MIB, name="special")
    limited.install(pinned)
    limited.install(special)
    for _ in range(6):
        limited.install(limited.project(2 * MIB))
    until(lambda: limited.bytes_kept <= QUOTA)
    assert {"keep-this", "special"} <= limited.kept
    assert limited.rows("SELECT count(*) FROM mirrored_files WHERE name = 'special'") == [(2,)]


def test_pins_alone_beyond_the_quota(limited: Limited):
    """They stay, nothing else does; the log and the figures say why. Clients notice nothing."""
    pinned = [limited.project(3 * MIB, name=f"keep{place}") for place in range(4)]
    for project in pinned:
        limited.install(project)
    other = limited.project(1 * MIB)
    assert [answer.status for answer in limited.install(other)] == [200]
    until(lambda: limited.kept == {project.name for project in pinned})
    assert limited.bytes_kept == 12 * MIB
    until(lambda: "more than its quota" in limited.daemon.log.read_text())
    line = 'keygenreg_mirror_pinned_beyond_quota_bytes{engine="pypi"}'
    until(lambda: limited.figure(line) == 4 * MIB, 90)


def test_a_file_larger_than_the_quota_leaves_the_others(limited: Limited):
    """It goes to its client, and is not kept: everything else would have to go for it."""
    small = limited.project(1 * MIB)
    limited.install(small)
    large = limited.project(9 * MIB)
    (answer,) = limited.install(large)
    assert answer.body == content(9 * MIB, seed=hash((large.name, 0)) % 10**6)
    assert limited.kept == {small.name}


class TestGlobs:
    """As PostgreSQL compares them."""

    @pytest.fixture(scope="class")
    def matches(self, database_settings):
        def compare(text: str, glob: str) -> bool:
            return on_server(database_settings, "SELECT %s ILIKE ANY (%s)", text, [as_like(glob)])[0][0]

        return compare

    @pytest.mark.parametrize(
        ("glob", "text", "fits"),
        [
            ("numpy", "numpy", True),
            ("numpy", "numpy-financial", False),
            ("torch-2.*", "torch-2.1.0-cp311-cp311-manylinux1_x86_64.whl", True),
            ("torch-2.*", "Torch-2.1.0.tar.gz", True),
            ("torch-2.*", "torch-20.whl", False),
            ("a_b", "a_b", True),
            ("a_b", "axb", False),
            ("a?b", "axb", True),
            ("**", "", True),
            ("@acme/*", "@acme/tool", True),
            ("a%b", "axxb", False),
            ("a\\b", "a\\b", True),
        ],
    )
    def test_what_fits(self, matches, glob: str, text: str, fits: bool):
        assert matches(text, glob) is fits

    @given(st.text("aB%_\\*?.-", max_size=8), st.text("aB%_\\.-", max_size=8))
    def test_patterns_mean_what_globs_mean(self, glob: str, text: str):
        """A plain reading of LIKE's own rules agrees with the glob's."""
        assert _like(as_like(glob).lower(), text.lower()) is fnmatchcase(text.lower(), glob.lower())

    def test_names_are_compared_in_their_normal_form(self):
        pins = Pins.of(("Acme_*",), lambda name: name.lower().replace("_", "-"))
        assert pins.names == ("acme-%",) and pins.files == ("Acme\\_%",)


def _like(pattern: str, text: str) -> bool:
    """LIKE with the backslash as its escape, the slow way."""
    if not pattern:
        return not text
    first, rest = pattern[0], pattern[1:]
    if first == "%":
        return any(_like(rest, text[start:]) for start in range(len(text) + 1))
    if first == "\\":
        first, rest = rest[0], rest[1:]
        return text[:1] == first and _like(rest, text[1:])
    return bool(text) and first in ("_", text[0]) and _like(rest, text[1:])
