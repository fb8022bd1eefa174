"""Documents of other sources, read and put together again, without any network."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keygenreg.engines.rubygems.gemspec_yaml import read_gemspec
from keygenreg.engines.rubygems.merged_lists import merged_names, written
from keygenreg.engines.rubygems.nameless_file import LONGEST_LINE, PIECE, NamelessFile
from keygenreg.engines.rubygems.passed_on import readings
from keygenreg.engines.rubygems.ruby_marshal import RubyObject, UserDump, UserMarshal, dumps
from keygenreg.engines.rubygems.ruby_unmarshal import loads
from keygenreg.engines.rubygems.spec_index import quick
from keygenreg.engines.rubygems.upstream import SPECIFICATION, VERSIONS, RubyGemsUpstream
from keygenreg.engines.rubygems.upstream_versions import Excluded, names_of, passed_on, read_versions
from keygenreg.mirror.adapter import Listing, Unusable
from tests.engines.rubygems.gems import dependency, specification

FOLDER = Path("/tmp")
ADAPTER = RubyGemsUpstream(FOLDER)
BASE = "https://gems.example/mine/"
SHA256 = hashlib.sha256(b"a gem").hexdigest()
MD5 = "0123456789abcdef" * 2

NAMES = st.from_regex(r"[A-Za-z0-9._-]{0,6}[A-Za-z][A-Za-z0-9._-]{0,6}", fullmatch=True)
LABELS = st.from_regex(r"[0-9]{1,2}(\.[0-9a-z]{1,3}){0,3}(-[a-z0-9_-]{1,12})?", fullmatch=True)


def read(body: bytes, name: str = "lib", variant: str = "") -> Listing:
    return ADAPTER.read(body, headers={}, url=ADAPTER.url(BASE, name, variant), name=name, variant=variant)


def info(*lines: str) -> bytes:
    return ("---\n" + "".join(f"{line}\n" for line in lines)).encode()


class TestAddresses:
    def test_documents_and_files(self):
        assert ADAPTER.url(BASE, "", VERSIONS) == f"{BASE}versions"
        assert ADAPTER.url(BASE, "lib", "") == f"{BASE}info/lib"
        assert ADAPTER.url(BASE, "lib", f"{SPECIFICATION}1-java") == f"{BASE}quick/Marshal.4.8/lib-1-java.gemspec.rz"
        assert read(info("1-java |checksum:")).files["lib-1-java.gem"].url == f"{BASE}gems/lib-1-java.gem"


class TestInfo:
    def test_what_a_line_says(self):
        line = f"1.2.0-x86_64-linux a:>= 1&< 3,b:= 2|checksum:{SHA256},ruby:>= 2.7,created_at:2026-01-02T03:04:05Z"
        file = read(info(line)).files["lib-1.2.0-x86_64-linux.gem"]
        assert file.hashes == {"sha256": SHA256}
        assert file.uploaded == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    @pytest.mark.parametrize(
        "line",
        [
            "1.0.0",
            "1.0.0 a:>= 1",
            f"-1.0.0 |checksum:{SHA256}",
            f"v1 |checksum:{SHA256}",
            f"1/../2 |checksum:{SHA256}",
            f"1.0.0- |checksum:{SHA256}",
            f"1.0.0-a/b |checksum:{SHA256}",
            f"1.0.0\x00 |checksum:{SHA256}",
            f"1.0.0 |checksum:{SHA256}\r",
            f"1.0.0 |checksum:{SHA256[:-1]}",
            f"1.0.0 |checksum:{SHA256.upper()}",
            f"1.0.0 |checksum:{SHA256},checksum:{'0' * 64}",
            f"{'1' * 400} |checksum:{SHA256}",
        ],
    )
    def test_lines_that_are_left_out(self, line: str):
        """Above all those with a checksum that nobody can check."""
        found = read(info(line, f"2.0.0 |checksum:{SHA256}"))
        assert list(found.files) == ["lib-2.0.0.gem"]
        with pytest.raises(Unusable):
            read(info(line))

    def test_the_first_of_two_lines_counts(self):
        """Nobody can be given another file by a line that was added."""
        first, second = f"1.0.0 |checksum:{SHA256}", f"1.0.0 |checksum:{'0' * 64}"
        found = read(info(first, second, "2.0.0 |"))
        assert found.files["lib-1.0.0.gem"].hashes == {"sha256": SHA256}
        assert found.document.body(lambda _: True) == info(first, "2.0.0 |")

    @pytest.mark.parametrize("body", [b"", b"\n", b"<html></html>", b"1.0.0 |checksum:\n", b"\xff---\n", b"--- \n",
                                      b"x\n" * 30 + b"---\n", b"\x1b\n---\n"])  # fmt: skip
    def test_what_is_no_document(self, body: bytes):
        with pytest.raises(Unusable):
            read(body)

    def test_a_gem_without_versions(self):
        assert read(b"---\n").files == {}
        assert read(b"---").document.body(lambda _: True) == b"---\n"

    @given(st.dictionaries(LABELS, st.booleans()), st.sampled_from(["", "created_at: 2026-01-02T03:04:05Z\n"]))
    def test_it_is_written_as_it_came(self, shown: dict[str, bool], head: str):
        """To the byte; or without the lines that are hidden."""
        lines = {label: f"{label} a:>= 0|checksum:{SHA256},ruby:>= 2\n" for label in shown}
        body = f"{head}---\n{''.join(lines.values())}".encode()
        found = read(body).document
        assert found.body(lambda _: True) == body
        visible = "".join(line for label, line in lines.items() if shown[label])
        assert found.body(lambda line: shown[line.label]) == f"{head}---\n{visible}".encode()

    @given(st.binary(max_size=300), st.sampled_from([b"", b"---\n", b"---\n1.0.0 |checksum:"]))
    def test_anything_at_all(self, body: bytes, start: bytes):
        try:
            found = read(start + body)
        except Unusable:
            return
        for key, file in found.files.items():
            assert re.fullmatch(r"lib-[0-9A-Za-z._-]+\.gem", key)
            assert file.url == f"{BASE}gems/{key}"
        assert read(found.document.body(lambda _: True)).files == found.files


def steps(*, odd: bool = False) -> st.SearchStrategy[str]:
    """Lines of a list of versions, some of them of no sense."""
    version = st.tuples(st.sampled_from(["", "", "-"]), LABELS).map("".join)
    line = st.builds(
        lambda name, versions: f"{name} {','.join(versions)} {MD5}",
        st.sampled_from(["lib", "Lib", "other", "lib-core"]),
        st.lists(version, min_size=1, max_size=3),
    )
    return line | st.sampled_from(["", "lib", "lib 1", f"lib 1 {MD5}x", f"l b 1 {MD5}", "lib 1 \x00"]) if odd else line


class TestVersions:
    @given(st.lists(steps(odd=True), max_size=30), st.sets(st.sampled_from([b"lib", b"other", b"absent"])))
    def test_lines_are_passed_on_by_a_simple_rule(self, lines: list[str], claimed: set[bytes]):
        """As they are and in their order, unless they make no sense or are of a claimed name."""
        body = ("---\n" + "".join(f"{line}\n" for line in lines)).encode()
        well_formed = re.compile(rf"\S+ \S+ {MD5}", re.ASCII)
        expected = [
            line
            for line in lines
            if well_formed.fullmatch(line) and line.split(" ")[0].lower().encode() not in claimed
        ]
        try:
            found = read(body, "", VERSIONS).document
        except Unusable:
            assert not any(map(well_formed.fullmatch, lines[:20]))
            return
        passed = b"".join(passed_on(found.lines.lines(), Excluded(claimed)))
        assert passed.decode().splitlines() == expected

    @given(st.lists(steps(), max_size=30))
    def test_names_are_those_with_a_version_left(self, lines: list[str]):
        """As a client counts that takes each version away where the line says so."""
        kept: dict[str, int] = {}
        for line in lines:
            name, versions, _ = line.split(" ")
            for version in versions.split(","):
                kept[name] = kept.get(name, 0) + (-1 if version.startswith("-") else 1)
        assert names_of([f"{line}\n".encode() for line in lines]) == {name for name, count in kept.items() if count > 0}
        assert merged_names(b"", []) == [b"---\n", b"", b"\n"]
        assert b"".join(merged_names(b"zebra\nant", [f"bee 1 {MD5}\n".encode()])) == b"---\nant\nbee\nzebra\n"

    def test_what_the_operator_does_not_let_through(self):
        lines = [f"{name} 1 {MD5}\n".encode() for name in ("yes", "no")]
        assert list(passed_on([b"".join(lines)], Excluded((), lambda name: name == "yes"))) == [lines[0]]

    @given(st.binary(max_size=300), st.sampled_from([b"", b"---\n", b"created_at: now\n---\n"]))
    @example(b"x" * 30_000, b"")
    @example(b"x" * (LONGEST_LINE + PIECE), b"---\n" + f"lib 1 {MD5}\n".encode())
    def test_anything_at_all(self, body: bytes, start: bytes):
        try:
            found = read_versions(start + body, FOLDER)
        except Unusable:
            return
        for piece in passed_on(found.lines.lines(), Excluded(())):
            for line in piece.splitlines():
                assert len(line.split(b" ")) == 3

    @pytest.mark.parametrize("body", [b"", b"<html>", b"a: 1\n", b"a: \xff\n---\n", b"---\nno\nlist\n", b"x---\n",
                                      b"a\n" * 2000 + b"---\n"])  # fmt: skip
    def test_what_is_no_list(self, body: bytes):
        with pytest.raises(Unusable):
            read_versions(body, FOLDER)

    @given(st.lists(st.integers(1, 2 * PIECE), max_size=8))
    def test_lines_stay_whole(self, lengths: list[int]):
        """However they lie across the pieces that are read."""
        lines = [bytes([97 + place % 26]) * length + b"\n" for place, length in enumerate(lengths)]
        file = NamelessFile.written(FOLDER, lines)
        pieces = list(file.lines())
        assert b"".join(pieces) == b"".join(file.pieces()) == b"".join(lines)
        assert all(piece.endswith(b"\n") for piece in pieces)

    def test_a_line_beyond_all_bounds_is_not_read(self):
        """And nothing of it is taken for another one."""
        good = f"lib 1 {MD5}\n".encode()
        file = NamelessFile.written(FOLDER, [b"x" * (2 * LONGEST_LINE), good, good])
        assert list(passed_on(file.lines(), Excluded(()))) == [good]

    @given(st.lists(st.binary(max_size=100)))
    def test_a_merged_list_in_both_forms(self, pieces: list[bytes]):
        made = written(FOLDER, pieces)
        plain, packed = (b"".join(file.pieces()) for file in (made.plain, made.packed))
        assert plain == gzip.decompress(packed) == b"".join(pieces)
        assert made.validators.etag == f'"{hashlib.md5(plain, usedforsecurity=False).hexdigest()}"'


class TestSpecification:
    GOOD = quick(read_gemspec(specification("lib", "1.0.0", dependencies=[dependency("other")])))

    def packed(self, members: object, class_name: str = "Gem::Specification") -> bytes:
        return zlib.compress(dumps(UserDump(class_name, dumps(members))))

    def changed(self, place: int, value: object) -> bytes:
        members = loads(loads(zlib.decompress(self.GOOD)).data)
        members[place] = value
        return self.packed(members)

    def test_a_good_one(self):
        assert read(self.GOOD, variant=f"{SPECIFICATION}1.0.0").document == self.GOOD
        assert read(self.GOOD, variant=f"{SPECIFICATION}1.0.0-java").document == self.GOOD

    @pytest.mark.parametrize("name, label", [("other", "1.0.0"), ("lib", "1.0.1"), ("lib", "1.0"), ("lib", "1-0.0")])
    def test_one_of_another_gem(self, name: str, label: str):
        with pytest.raises(Unusable):
            read(self.GOOD, name, SPECIFICATION + label)

    def test_objects_that_nobody_should_make(self):
        """Wherever they are: loading such a thing may run what its author wants."""
        hidden = {"a": UserMarshal("Gem::Version", [RubyObject("Net::BufferedIO")])}
        evil = RubyObject("Gem::Requirement", {"@x": [hidden]})
        for place in range(19):
            with pytest.raises(Unusable):
                read(self.changed(place, evil), variant=f"{SPECIFICATION}1.0.0")
        in_dump = zlib.compress(
            dumps(UserDump("Gem::Specification", loads(zlib.decompress(self.GOOD)).data, {"@x": RubyObject("Kernel")}))
        )
        for body in (in_dump, self.packed([], "Gem::Evil"), self.packed([]), self.packed({})):
            with pytest.raises(Unusable):
                read(body, variant=f"{SPECIFICATION}1.0.0")

    def test_what_is_too_large_or_cut(self):
        for body in (zlib.compress(b"\x04\x08" * 2**20), self.GOOD[:-1], self.GOOD + b"x", b""):
            with pytest.raises(Unusable):
                read(body, variant=f"{SPECIFICATION}1.0.0")

    @given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
    def test_anything_at_all(self, noise: bytes, place: int, packed: bool):
        raw = zlib.decompress(self.GOOD)
        body = raw[:place] + noise + raw[place + len(noise) :]
        with suppress(Unusable):
            read(zlib.compress(body) if packed else noise, variant=f"{SPECIFICATION}1.0.0")


class TestFileNames:
    @given(NAMES, LABELS)
    def test_the_right_reading_is_among_them(self, name: str, label: str):
        found = readings(f"{name}-{label}")
        assert (name, label) in found or len(found) == 4
        assert all(f"{a}-{b}" == f"{name}-{label}" for a, b in found)

    @given(st.text(max_size=60))
    def test_anything_at_all(self, stem: str):
        for name, label in readings(stem):
            assert re.fullmatch(r"[0-9A-Za-z._-]+", name + label, re.ASCII)

    def test_not_without_end(self):
        assert len(readings("a" + "-1" * 100_000)) == 0
        assert len(readings("a" + "-1" * 40)) == 4
