"""What a publish command line means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.command.publication import ENGINES, Publication, Unclear, engine_of, filetype_of, publication


def wanted(*names: str, package: str = "tool", version: str = "1.0.0", **others: Any) -> Publication:
    return publication(tuple(Path("dist", name) for name in names), package, version, **others)


@pytest.mark.parametrize(
    ("filename", "engine"),
    [
        ("tool-1.0.0-py3-none-any.whl", "pypi"),
        ("tool-1.0.0.tar.gz", "pypi"),
        ("Tool-1.0.0.tar.gz", "pypi"),
        ("other-1.0.0.tar.gz", None),
        ("tool.tar.gz", None),
        ("tool.whl", None),
        ("tool-1.0.0.gem", "rubygems"),
        ("tool-1.0.0.tgz", "npm"),
        ("tool.tar", None),
        ("tool", None),
    ],
)
def test_engine_of_a_file(filename: str, engine: str | None) -> None:
    """Names of packages tell their engine; names of mere archives do not."""
    assert engine_of(filename, "tool") == engine


@pytest.mark.parametrize(
    ("filename", "filetype"),
    [
        ("tool-1.0.0.tar.gz", "tar.gz"),
        ("Tool.AppImage", "appimage"),
        ("Tool.app.tar.gz", "tar.gz"),
        ("tool-1.0.0.tgz", "tgz"),
        ("tool", None),
        (".profile", None),
        ("tool.", None),
    ],
)
def test_filetype_of_a_file(filename: str, filetype: str | None) -> None:
    assert filetype_of(filename) == filetype


@given(st.text(), st.text())
def test_any_file_name_is_taken(filename: str, package: str) -> None:
    """A guess is one of the engines or none; a file type is what the name ends with."""
    assert engine_of(filename, package) in (None, *ENGINES)
    filetype = filetype_of(filename)
    assert filetype is None or filename.lower().endswith(f".{filetype}")


class TestCompletion:
    def test_engine_comes_from_the_files(self) -> None:
        assert wanted("tool-1.0.0.tar.gz", "tool-1.0.0-py3-none-any.whl").engine == "pypi"

    def test_engine_given_wins(self) -> None:
        assert wanted("tool-1.0.0.tgz", engine="raw").engine == "raw"

    @pytest.mark.parametrize(("version", "channel"), [("1", "stable"), ("1.0.0-beta.2", "beta"), ("2.0.0-rc.1", "rc")])
    def test_channel_comes_from_the_version(self, version: str, channel: str) -> None:
        assert wanted("tool.bin", version=version).channel == channel

    def test_channel_given_wins(self) -> None:
        assert wanted("tool.bin", version="1.0.0-alpha", channel="dev").channel == "dev"

    def test_short_versions_are_padded(self) -> None:
        assert wanted("tool.bin", version="1.2").version == "1.2.0"

    def test_pypi_names_are_spelled_as_the_registry_stores_them(self) -> None:
        assert wanted("a-1.0.0-py3-none-any.whl", package="My._Tool").package == "My-Tool"
        assert wanted("a.gem", package="My._Tool").package == "My._Tool"

    @pytest.mark.parametrize("version", ["v1.0.0", "1.0.0.0", "", "1.0rc1"])
    def test_malformed_versions_are_refused(self, version: str) -> None:
        with pytest.raises(Unclear, match="--version"):
            wanted("tool.bin", version=version)

    def test_files_of_two_engines_are_refused(self) -> None:
        with pytest.raises(Unclear, match="--engine"):
            wanted("tool-1.0.0.tgz", "tool-1.0.0.gem")

    def test_two_files_of_one_name_are_refused(self) -> None:
        with pytest.raises(Unclear, match="Two files are called x"):
            publication((Path("a/x"), Path("b/x")), "tool", "1.0.0")

    def test_a_signature_is_of_one_file(self) -> None:
        with pytest.raises(Unclear, match="--signature"):
            wanted("a", "b", signature="s")
