"""The older indexes made of another source's list of versions, against how a client reads that list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.engines.rubygems.gem_version import GemVersion
from keygenreg.engines.rubygems.merged_specs import KINDS, latest, marshalled, upstream_triples
from keygenreg.engines.rubygems.ruby_marshal import UserMarshal, dumps
from keygenreg.engines.rubygems.ruby_unmarshal import loads

MD5 = "0" * 32
LABELS = st.from_regex(r"[0-3]{1,2}(\.[0-3a]){0,2}(-java)?", fullmatch=True)
STEPS = st.lists(st.tuples(st.sampled_from(["lib", "other"]), st.sampled_from(["", "-"]), LABELS), max_size=30)


def pieces(steps: list[tuple[str, str, str]]) -> list[bytes]:
    return ["".join(f"{name} {sign}{label} {MD5}\n" for name, sign, label in steps).encode()]


def known(steps: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """What a client knows in the end; a version that is told of twice without a removal is there twice."""
    found: list[tuple[str, str]] = []
    for name, sign, label in steps:
        if sign:
            found = [each for each in found if each != (name, label)]
        else:
            found.append((name, label))
    return [(name, *(f"{label}-ruby".split("-")[:2])) for name, label in found]


@given(STEPS)
def test_what_is_left_after_all_lines(steps):
    found = {tuple(part.decode() for part in each) for each in upstream_triples(lambda: pieces(steps))}
    assert found == set(known(steps))


@given(STEPS)
def test_each_kind_has_its_share(steps):
    everything = set(upstream_triples(lambda: pieces(steps)))
    released, prereleased = (set(KINDS[kind](everything)) for kind in ("specs.4.8.gz", "prerelease_specs.4.8.gz"))
    assert released | prereleased == everything
    assert not released & prereleased
    assert all(GemVersion(version.decode()).prerelease for _, version, _ in prereleased)
    highest = {(name, platform): GemVersion(version.decode()) for name, version, platform in latest(everything)}
    for name, version, platform in released:
        assert GemVersion(version.decode()) <= highest.pop((name, platform), GemVersion("99"))
    assert not highest or all(any((n, p) == key for n, _, p in released) for key in highest)


@given(st.lists(st.tuples(st.text("ab", min_size=1, max_size=255), LABELS, LABELS), max_size=8))
def test_the_bytes_are_those_of_the_general_writer(triples):
    encoded = [tuple(part.encode() for part in each) for each in triples]
    written = b"".join(marshalled(lambda: iter(encoded)))
    assert written == dumps([[name, UserMarshal("Gem::Version", [version]), place] for name, version, place in triples])
    assert len(loads(written)) == len(triples)


@pytest.mark.parametrize("line", ["", "lib", "lib 1", f"lib v1 {MD5}", f"lib 1..2 {MD5}", f"lib {'1' * 999} {MD5}"])
def test_versions_that_no_client_could_load(line: str):
    """One of them would make the whole index useless."""
    triples = set(upstream_triples(lambda: [f"{line}\nother 1 {MD5}\n".encode()]))
    assert triples - {(b"lib", b"1", b"ruby")} == {(b"other", b"1", b"ruby")}


def test_as_many_as_a_public_registry_has():
    """More entries than are written at once."""
    labels = ",".join(f"1.{number}" for number in range(5000))
    written = b"".join(marshalled(lambda: upstream_triples(lambda: [f"lib {labels} {MD5}\n".encode()])))
    assert [each[1].value[0] for each in loads(written)] == labels.split(",")
