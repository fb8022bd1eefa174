"""Our list of versions and another source's as one: the same bytes however they came about."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed

from keygenreg.engines.rubygems.merged_lists import ListKey, MergedLists
from keygenreg.engines.rubygems.nameless_file import PIECE, NamelessFile
from keygenreg.engines.rubygems.upstream_versions import read_versions
from keygenreg.mirror.single_flight import Background

ACCOUNT = UUID(int=1)
LOCAL = b"kestrel 1.0.0 " + b"1" * 32 + b"\n"
_lines = st.lists(
    st.builds(
        lambda name, version: f"{name} {version} {'0' * 32}",
        st.sampled_from(["merlin", "kestrel", "hobby", "claimed", "Denied-x", "no line"]),
        st.sampled_from(["1.0.0", "1.0.0,2.0.0", "-1.0.0", ""]),
    ),
    max_size=6,
)


def listed(lines: list[str], head: str = "created_at: 2026\n", end: str = "\n") -> bytes:
    return (head + "---\n" + "\n".join(lines) + (end if lines else "")).encode()


class Reader:
    """One process that merges lists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lists = MergedLists(folder, lambda work, *given: succeed(work(*given)), Background())

    def read(self, body: bytes, kind: str = "versions") -> bytes:
        upstream = read_versions(body, self.folder)
        key = ListKey(ACCOUNT, kind, "claimed\nkestrel", "digest")
        found: list[bytes] = []

        def allowed(name: str) -> bool:
            return not name.startswith("Denied")

        getting = self.lists.get(key, LOCAL, upstream, uuid4(), allowed)
        Deferred.fromCoroutine(getting).addCallback(lambda made: found.append(b"".join(made.plain.pieces())))
        return found[0]


@given(st.lists(_lines, min_size=1, max_size=4), st.booleans(), st.sampled_from(["versions", "names"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_continued_or_made_anew_it_is_the_same(tmp_path: Path, steps: list[list[str]], folds: bool, kind: str):
    """Whether a process saw the earlier lists or not, as clients may ask any of them."""
    seeing = Reader(tmp_path)
    lines = [f"merlin 0.1.0 {'0' * 32}"]
    for step in steps:
        lines = [*lines, *step]
        body = listed(sorted(lines)) if folds else listed(lines)
        assert seeing.read(body, kind) == Reader(tmp_path).read(body, kind)


@pytest.mark.parametrize("end", ["", "\n"])
def test_it_is_continued_byte_by_byte(tmp_path: Path, end: str):
    reader = Reader(tmp_path)
    lines = [f"hobby-{number} 1.0.0 {'0' * 32}" for number in range(5000)]
    before = reader.read(listed(lines, end=end))
    after = reader.read(listed([*lines, f"merlin 1.0.0 {'0' * 32}", f"claimed 1.0.0 {'0' * 32}"]))
    assert after == before + f"merlin 1.0.0 {'0' * 32}\n".encode()


def test_another_head_is_another_list(tmp_path: Path):
    reader = Reader(tmp_path)
    line = f"merlin 1.0.0 {'0' * 32}"
    reader.read(listed([line]))
    assert reader.read(listed([line], head="created_at: 2027\n")).startswith(b"created_at: 2027\n")


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1])
def test_what_a_file_begins_with(tmp_path: Path, size: int):
    whole = bytes(range(256)) * (PIECE // 128)
    file = NamelessFile.written(tmp_path, [whole])
    assert NamelessFile.written(tmp_path, [whole[:size]]).begins(file)
    assert file.begins(file)
    assert not file.begins(NamelessFile.written(tmp_path, [whole[:-1]]))
    if size:
        other = whole[: size - 1] + bytes([whole[size - 1] ^ 1])
        assert not NamelessFile.written(tmp_path, [other]).begins(file)
