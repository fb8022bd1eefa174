"""The page's files as they are written: whole, by the house's rules, and without what a browser must not be given."""

from __future__ import annotations

import ast
import posixpath
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from keygenreg.page import bundle

FOLDER = Path(bundle.__file__).parent / "assets"
ROOT = FOLDER.parents[2]
TEXTS = {path.relative_to(FOLDER).as_posix(): path.read_text("utf-8") for path in sorted(FOLDER.rglob("*.*"))}
MODULES = [name for name in TEXTS if name.endswith(".js")]
#: Addresses that are words in texts, or names: nothing is fetched from them.
WORDS = {"http://www.w3.org/2000/svg", "https://example.com", "https://rubygems.org"}
# Every way from text to markup or code that browsers have.
UNSAFE = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|DOMParser|"
    r"createContextualFragment|setHTMLUnsafe|parseHTMLUnsafe|javascript:|set(?:Timeout|Interval)\(\s*[\"'`]"
)


def imports(name: str) -> list[str]:
    """The modules that a module imports, by their paths."""
    found = re.findall(r'^(?:import|export)\b[^;]*?from "([^"]+)";|^import "([^"]+)";', TEXTS[name], re.M)
    return [posixpath.normpath(posixpath.join(posixpath.dirname(name), one or other)) for one, other in found]


def test_everything_that_is_imported_exists():
    assert MODULES
    assert not {name: missing for name in MODULES if (missing := [each for each in imports(name) if each not in TEXTS])}


def test_nothing_is_imported_by_another_way():
    """Modules are static: what runs is known before it runs."""
    assert not [name for name in MODULES if re.search(r"\bimport\s*\(|importScripts|new Worker", TEXTS[name])]


def test_every_file_is_used():
    reached, open_ = set(), ["main.js"]
    while open_:
        name = open_.pop()
        if name not in reached:
            reached.add(name)
            open_ += imports(name)
    linked = set(re.findall(r'"\{\{folder\}\}/([^"]+)"', TEXTS["index.html"]))
    assert linked <= set(TEXTS)
    assert set(TEXTS) == reached | linked | {"index.html"}


def test_every_name_that_is_imported_is_exported():
    """What a browser would only say at run time."""
    exported = {
        name: set(re.findall(r"^export (?:async )?(?:function|class|const|let) (\w+)", TEXTS[name], re.M))
        for name in MODULES
    }
    missing = [
        (name, word)
        for name in MODULES
        for words, target in re.findall(r'^import \{([^}]+)\} from "([^"]+)";', TEXTS[name], re.M)
        for word in (each.split(" as ")[0].strip() for each in words.split(","))
        if word not in exported[posixpath.normpath(posixpath.join(posixpath.dirname(name), target))]
    ]
    assert not missing


def test_every_name_that_is_imported_is_used():
    unused = [
        (name, word)
        for name in MODULES
        for words in re.findall(r"^import \{([^}]+)\} from", TEXTS[name], re.M)
        for word in (each.split(" as ")[-1].strip() for each in words.split(","))
        if len(re.findall(rf"\b{word}\b", re.sub(r"^import [^;]+;", "", TEXTS[name], flags=re.M))) == 0
    ]
    assert not unused


def test_document_lists_all_modules():
    """Browsers fetch them at once instead of one after the other as they find them."""
    document = bundle.Bundle.read().index("/app/x", "http://localhost").body.decode()
    assert set(re.findall(r'modulepreload" href="/app/x/([^"]+)"', document)) == set(MODULES)
    assert "{{" not in document


class TestSafety:
    @pytest.mark.parametrize("name", TEXTS)
    def test_no_text_becomes_markup_or_code(self, name: str):
        assert not UNSAFE.findall(TEXTS[name])

    @pytest.mark.parametrize("name", TEXTS)
    def test_nothing_comes_from_elsewhere(self, name: str):
        found = set(re.findall(r"\bhttps?://[\w.-]+[^\s\"'`\\]*", TEXTS[name])) - WORDS
        assert not found
        assert not re.findall(r"@import|url\(", TEXTS[name])

    def test_document_has_no_inline_script_style_or_handler(self):
        text = TEXTS["index.html"]
        assert re.findall(r"<script[^>]*>([^<]*)</script>", text) == [""]
        assert not re.findall(r"<style|\sstyle=|\son\w+=", text)

    @pytest.mark.parametrize("name", MODULES)
    def test_the_token_stays_in_its_tab(self, name: str):
        """Neither cookies nor what outlives the tab, and never in an address, where logs and histories keep it."""
        assert not re.findall(r"localStorage|indexedDB|document\.cookie|[?&](?:token|auth)=", TEXTS[name])

    def test_only_the_session_keeps_anything(self):
        assert [name for name in MODULES if "sessionStorage" in TEXTS[name]] == ["session.js"]


class TestHouse:
    @pytest.mark.parametrize("name", MODULES)
    def test_modules_are_short_and_say_what_they_hold(self, name: str):
        lines = TEXTS[name].splitlines()
        assert len(lines) <= 300
        assert lines[0].startswith("/** ")
        assert max(map(len, lines)) <= 130
        assert not re.search(r"\b(TODO|FIXME|XXX)\b", TEXTS[name])


class TestPackaging:
    def test_an_installation_has_all_files(self):
        """The globs of setup.py find everything; nothing lies deeper."""
        setup = ast.parse((ROOT / "setup.py").read_text("utf-8"))
        keywords = (node for node in ast.walk(setup) if isinstance(node, ast.keyword) and node.arg == "package_data")
        globs = ast.literal_eval(next(keywords).value)["keygenreg.page"]
        left_out = [
            name for name in TEXTS
            if not any(fnmatch(f"assets/{name}", glob) and name.count("/") + 1 == glob.count("/") for glob in globs)
        ]
        assert not left_out

    def test_a_source_distribution_has_all_files(self):
        manifest = (ROOT / "MANIFEST.in").read_text("utf-8")
        line = re.search(r"^recursive-include keygenreg/page/assets (.+)$", manifest, re.M)
        endings = {pattern.removeprefix("*") for pattern in line[1].split()}
        assert endings == {Path(name).suffix for name in TEXTS} == set(bundle.MEDIA_TYPES)
