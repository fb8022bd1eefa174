"""What updaters ask for, pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.failures import BadRequest, Failure
from keygenreg.domain.version import Version
from keygenreg.engines.tauri.requests import Place, Wanted, current_version, read_path, read_wanted
from keygenreg.engines.tauri.targets import Target, arch_names, platform_names, read_target
from keygenreg.formats.jsonapi_query import EMPTY, QueryParameters


def query(text: str) -> QueryParameters:
    return QueryParameters.parse(text.encode())


@pytest.mark.parametrize(
    ("parts", "text", "place"),
    [
        (("app",), "", Place("app")),
        (("acme", "app"), "", Place("acme/app")),
        (("app", "latest.json"), "", Place("app", static=True)),
        (("latest.json",), "", Place("latest.json")),
        (("app", "linux", "x86_64", "1.0.0"), "", Place("app", Target("linux", "x86_64"), "1.0.0")),
        (("a", "b", "linux", "x86_64", "1.0.0"), "", Place("a/b", Target("linux", "x86_64"), "1.0.0")),
        (("a", "b", "c", "d"), "platform=linux", Place("a/b/c/d")),
        ((), "", None),
    ],
)
def test_paths(parts: tuple[str, ...], text: str, place: Place | None):
    assert read_path(parts, query(text)) == place


@pytest.mark.parametrize(
    ("text", "parameter", "detail"),
    [
        ("", "platform", "is missing"),
        ("platform=linux", "arch", "is missing"),
        ("platform=linux&arch=x86_64", "version", "is missing"),
        ("platform=&arch=x86_64&version=1.0.0", "platform", "cannot be blank"),
        ("platform=linux&arch=+&version=1.0.0", "arch", "cannot be blank"),
        ("platform=linux&arch=x86_64&version=", "version", "cannot be blank"),
        ("platform=linux&arch=x86_64&version=1.0.0&channel=", "channel", "cannot be blank"),
        ("platform=linux&arch=x86_64&version=1.0.0&constraint=", "constraint", "cannot be blank"),
        ("platform[]=linux", "platform", "type mismatch (received array expected string)"),
        ("platform[a]=linux", "platform", "type mismatch (received object expected string)"),
    ],
)
def test_wrong_parameters_are_named(text: str, parameter: str, detail: str):
    with pytest.raises(BadRequest) as refused:
        read_wanted(Place("app"), query(text))
    assert (refused.value.source.parameter, refused.value.detail) == (parameter, detail)


@pytest.mark.parametrize("constraint", ["x", "v1", "1.0.0.0", ">=", "1.x", "||", "1 ||"])
def test_malformed_constraints(constraint: str):
    given = QueryParameters((("constraint", constraint),))
    with pytest.raises(BadRequest) as refused:
        read_wanted(Place("app", Target("linux", "x86_64"), "1.0.0"), given)
    assert (refused.value.code, refused.value.source.parameter) == ("CONSTRAINT_INVALID", "constraint")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.2.3", Version(1, 2, 3)),
        ("v1.2.3", Version(1, 2, 3)),
        (" 1.2 ", Version(1, 2)),
        ("1.2.3+build.5", Version(1, 2, 3, None, "build.5")),
        ("1.2.3 build.5", Version(1, 2, 3, None, "build.5")),
        ("latest", None),
        ("{{current_version}}", None),
        ("1" * 100_000, None),
    ],
)
def test_versions(text: str, version: Version | None):
    assert current_version(text) == version


@pytest.mark.parametrize(
    ("target", "arch", "meant"),
    [
        ("linux", "x86_64", Target("linux", "x86_64")),
        ("darwin-universal", "aarch64", Target("darwin", "universal")),
        ("macos-aarch64", "x86_64", Target("macos", "aarch64")),
        ("linux-x86_64-deb", "x86_64", Target("linux", "x86_64", "deb")),
        ("windows-nsis", "x86_64", Target("windows", "x86_64", "nsis")),
        ("my-own-target", "x86_64", Target("my-own-target", "x86_64")),
    ],
)
def test_targets(target: str, arch: str, meant: Target):
    assert read_target(target, arch) == meant


def test_names_of_the_same_thing():
    assert platform_names("MacOS")[0] == "darwin" and "win32" in platform_names("windows")
    assert arch_names("AMD64", "linux")[0] == "x86_64" and "arm64" in arch_names("aarch64", "linux")
    assert "universal" in arch_names("x64", "osx") and "universal" not in arch_names("x64", "linux")
    assert (platform_names("Plan9"), arch_names("mips", "linux")) == (("plan9",), ("mips",))


@given(parts=st.lists(st.text(), max_size=6), pairs=st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=4))
def test_anything_is_an_answer_or_a_named_failure(parts: list[str], pairs: list[tuple[str, str]]):
    given = QueryParameters(tuple(pairs))
    place = read_path(parts, given)
    try:
        assert place is None or isinstance(read_wanted(place, given), Wanted)
    except Failure as failure:
        assert failure.source.parameter
    assert read_path(parts, EMPTY) is None or parts
