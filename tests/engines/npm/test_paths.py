"""What a path of the registry means, in every spelling that clients use."""

from __future__ import annotations

import string
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.engines.npm.paths import (
    Document,
    Selected,
    Tarball,
    nerf_dart,
    read_path,
    registry_base,
    tarball_url,
    version_of_tarball,
)
from keygenreg.web.resource_tree import path_parts

_alphabet = string.ascii_letters + string.digits + "-._"
_words = st.text(_alphabet, min_size=1, max_size=12).filter(lambda text: text not in ("-", ".", ".."))
names = _words | st.builds(lambda scope, name: f"@{scope}/{name}", _words, _words)
versions = st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(-[a-z0-9.]{1,8})?(\+[a-z0-9.-]{1,8})?", fullmatch=True)


def below(url_path: str) -> str:
    """A path as the daemon hands it to the engine: decoded segment by segment."""
    return "/".join(path_parts(url_path.encode()))


class TestReading:
    @given(names)
    def test_names_are_read_in_every_encoding(self, name):
        """``/@acme%2flib``, ``/@acme%2Flib``, ``/@acme/lib`` and ``/%40acme%2Flib`` are one package."""
        for written in (
            quote(name, safe="@/"),
            quote(name, safe="@"),
            quote(name, safe="@").replace("%2F", "%2f"),
            quote(name, safe=""),
            quote(name, safe="@/") + "/",
        ):
            assert read_path(below("/" + written)) == Document(name)

    @given(names, versions)
    def test_versions_and_tarballs(self, name, version):
        assert read_path(f"{name}/{version}") == Selected(name, version)
        base = name.rpartition("/")[2]
        assert read_path(f"{name}/-/{base}-{version}.tgz") == Tarball(name, version)

    @given(names, versions)
    def test_links_lead_back(self, name, version):
        """Whatever a document links is read as that version, raw and with the plus sign encoded."""
        url = tarball_url("https://r.test/x", name, version)
        path = urlsplit(url).path.removeprefix("/x")
        for written in (path, path.replace("+", "%2B"), path.replace("%40", "@")):
            assert read_path(below(written)) == Tarball(name, version)

    @given(st.text(max_size=60))
    def test_any_text_is_read_or_nothing(self, text):
        found = read_path(text)
        assert found is None or found.name

    @given(st.lists(st.sampled_from(["-", "@a", "@", "b", "b-1.0.0.tgz", "-/", "", "..", "a.tgz"]), max_size=5))
    def test_any_segments_are_read_or_nothing(self, segments):
        found = read_path("/".join(segments))
        assert found is None or found.name != "-"

    @pytest.mark.parametrize(
        "path",
        ["-", "-/all", "@acme", "@acme/", "acme/-", "acme/-/other-1.0.0.tgz", "acme/-/acme-1.0.0.zip",
         "acme/-/acme-.tgz", "acme/1.0.0/x", "acme/-/-rev/1", "@acme/lib/-/@other/lib-1.0.0.tgz", "",
         "acme/-/x/acme-1.0.0.tgz"],
    )  # fmt: skip
    def test_what_no_client_asks_for(self, path):
        assert read_path(path) is None

    def test_the_scope_may_be_repeated(self):
        """Lockfiles made with other registries say so."""
        assert read_path("@acme/lib/-/@acme/lib-1.0.0.tgz") == Tarball("@acme/lib", "1.0.0")

    def test_a_version_may_look_like_the_name(self):
        assert version_of_tarball("a", "a-1.0.0-a-2.tgz") == "1.0.0-a-2"


class TestBase:
    @pytest.mark.parametrize(
        ("target", "own", "base"),
        [
            (b"/v1/accounts/acme/engines/npm/@a%2fb", 1, "/v1/accounts/acme/engines/npm"),
            (b"/v1/engines/npm/@a/b/-/b-1.0.0.tgz?x=/y", 4, "/v1/engines/npm"),
            (b"/acme/lib", 1, "/acme"),
            (b"//acme//lib/", 1, "/acme"),
            (b"/lib", 1, ""),
            (b"/", 0, ""),
            (b"/a%22b/lib", 1, "/a%22b"),
        ],
    )
    def test_links_stay_below_what_the_client_calls_the_registry(self, target, own, base):
        assert registry_base("http://r.test:81", target, own) == "http://r.test:81" + base

    def test_npmrc_form(self):
        assert nerf_dart("http://r.test:81/v1/engines/npm") == "//r.test:81/v1/engines/npm/"

    @given(st.text(max_size=30), st.text(max_size=30))
    def test_links_hold_nothing_but_url_characters(self, name, version):
        url = tarball_url("https://r.test", name, version)
        assert url.isascii() and url.isprintable() and not set(' "<>\\^`{|}?#') & set(url)
        assert unquote(url).startswith(f"https://r.test/{name}/-/")
