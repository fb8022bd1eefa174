"""Paths of files, pure."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.engines.raw.paths import Target, file_url, read_path
from keygenreg.web.resource_tree import path_parts


class TestReading:
    @pytest.mark.parametrize(
        ("parts", "target"),
        [
            (("app", "1.0.0", "a.zip"), Target("app", None, "1.0.0", "a.zip")),
            (("app", "@pkg", "1.0.0", "a.zip"), Target("app", "pkg", "1.0.0", "a.zip")),
            (("app", "@@acme/lib", "1.0.0", "a.zip"), Target("app", "@acme/lib", "1.0.0", "a.zip")),
            (("app", "1.0.0", "deep", "er", "a.zip"), Target("app", None, "1.0.0", "deep/er/a.zip")),
            (("app", "1.0.0", "deep/er/a.zip"), Target("app", None, "1.0.0", "deep/er/a.zip")),
            (("app", "1.0.0"), Target("app", None, "1.0.0", None)),
            (("app", "@pkg", "latest"), Target("app", "pkg", "latest", None)),
            (("app", "@", "a.zip"), Target("app", None, "@", "a.zip")),
            (("app", "@pkg"), None),
            (("app",), None),
            ((), None),
        ],
    )
    def test_what_paths_mean(self, parts: tuple[str, ...], target: Target | None):
        assert read_path(parts) == target

    @given(st.lists(st.text()))
    def test_any_segments_are_a_target_or_none(self, parts: list[str]):
        target = read_path(parts)
        assert target is None or (target.product and target.release)


_SEGMENT = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0/"), min_size=1
).filter(lambda text: text not in (".", ".."))


class TestWriting:
    @given(
        product=_SEGMENT,
        package=st.none() | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1),
        version=_SEGMENT.filter(lambda text: not text.startswith("@")),
        names=st.lists(_SEGMENT, min_size=1),
    )
    def test_links_lead_back(self, product: str, package: str | None, version: str, names: list[str]):
        """Read as the daemon reads them, the links of a listing name the file again."""
        target = Target(product, package, "latest", None)
        url = file_url("https://host/base", target, version, "/".join(names), "id")
        parts = path_parts(urlsplit(url).path.encode())[1:]
        assert read_path(parts) == Target(product, package, version, "/".join(names))

    @pytest.mark.parametrize("filename", ["../up", "a//b", "/top", "end/", "a/./b"])
    def test_names_that_clients_would_shorten_are_asked_for_by_id(self, filename: str):
        assert file_url("https://host", Target("p", None, "x", None), "1.0.0", filename, "id") == "https://host/p/1.0.0/id"

    def test_readable_where_it_can_be(self):
        url = file_url("https://host", Target("p", "@acme/lib", "x", None), "1.0.0+b", "dir/a b.zip", "id")
        assert url == "https://host/p/@@acme%2Flib/1.0.0+b/dir/a%20b.zip"
        assert unquote(url).endswith("a b.zip")
