"""The web page over real HTTP: what browsers are told about it, and where it is not."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from keygenreg.domain.failures import NotFound
from keygenreg.page.bundle import Bundle
from keygenreg.web.resource_tree import place
from tests.daemon_fixtures import Answer, Daemon, fetch

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FILES = Bundle.read().files


def get(daemon: Daemon, path: str, method: str = "GET", **headers: str) -> Answer:
    return fetch(method, daemon.url + path, headers={name.replace("_", "-"): text for name, text in headers.items()})


@pytest.fixture
def folder(daemon: Daemon) -> str:
    """Path of the page's files."""
    return re.search(r'src="(/app/[0-9a-f]{16})/main.js"', get(daemon, "/app/").body.decode())[1]


def directives(answer: Answer) -> dict[str, str]:
    """The Content-Security-Policy by its directives."""
    parts = (part.strip().partition(" ") for part in answer.headers["Content-Security-Policy"].split(";"))
    return {name: values for name, _, values in parts}


class TestDocument:
    @pytest.mark.parametrize("path", ["/app", "/app/", "/app/?x=1", "//app//"])
    def test_is_there(self, daemon: Daemon, path: str):
        """With a slash or without: slashes are never significant (decision 5)."""
        answer = get(daemon, path)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.body.startswith(b"<!doctype html>")

    def test_may_load_and_run_nothing_but_its_own_files(self, daemon: Daemon):
        assert directives(get(daemon, "/app/")) == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "connect-src": "'self'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
            "require-trusted-types-for": "'script'",
            "trusted-types": "'none'",
        }

    def test_uploads_may_go_to_the_public_address(self, daemon: Daemon):
        """Links of uploads lead to the registry's public address, which need not be the one that the page came from."""
        answer = get(daemon, "/app/", Host="www.registry.test", X_Forwarded_Proto="https")
        assert directives(answer)["connect-src"] == "'self' https://api.registry.test"
        assert b'<meta name="registry" content="https://api.registry.test">' in answer.body

    def test_a_hostile_host_stays_out_of_it(self, daemon: Daemon):
        for name in ("Host", "X_Forwarded_Host"):
            answer = get(daemon, "/app/", **{name: "x\"><script>alert(1)</script>; script-src *"})
            assert b"alert" not in answer.body
            assert "alert" not in str(answer.headers)

    def test_is_asked_for_again_each_time_and_sent_only_when_it_changed(self, daemon: Daemon):
        answer = get(daemon, "/app/")
        assert answer.headers["Cache-Control"] == "no-cache"
        again = get(daemon, "/app/", If_None_Match=answer.headers["ETag"])
        assert (again.status, again.body) == (304, b"")

    def test_sets_no_cookie(self, daemon: Daemon):
        assert "Set-Cookie" not in get(daemon, "/app/").headers


class TestFiles:
    @pytest.mark.parametrize("name", sorted(FILES))
    def test_each_is_sent_as_it_is(self, daemon: Daemon, folder: str, name: str):
        answer = get(daemon, f"{folder}/{name}")
        assert answer.status == 200
        assert answer.body == FILES[name].body
        assert answer.headers["Content-Type"] == FILES[name].media_type
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"

    def test_are_kept_for_ever_as_their_address_changes_with_them(self, daemon: Daemon, folder: str):
        assert "immutable" in get(daemon, f"{folder}/main.js").headers["Cache-Control"]

    def test_of_another_version_are_not_kept(self, daemon: Daemon, folder: str):
        """While processes are being replaced, the document may have come from one of another version."""
        answer = get(daemon, f"/app/{'0' * 16}/main.js")
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")

    def test_have_strong_tags(self, daemon: Daemon, folder: str):
        answer = get(daemon, f"{folder}/main.js")
        assert re.fullmatch(r'"[0-9a-f]{32}"', answer.headers["ETag"])
        again = get(daemon, f"{folder}/main.js", If_None_Match=answer.headers["ETag"])
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])

    def test_are_compressed_for_who_wants_that(self, daemon: Daemon, folder: str):
        plain = get(daemon, f"{folder}/main.js")
        packed = get(daemon, f"{folder}/main.js", Accept_Encoding="gzip")
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in packed.headers["Vary"]
        assert packed.headers["ETag"] != plain.headers["ETag"]
        assert len(packed.body) < len(plain.body)
        assert gzip.decompress(packed.body) == plain.body
        tag = packed.headers["ETag"]
        assert get(daemon, f"{folder}/main.js", Accept_Encoding="gzip", If_None_Match=tag).status == 304

    def test_head_is_get_without_the_body(self, daemon: Daemon, folder: str):
        head, whole = get(daemon, f"{folder}/main.js", "HEAD"), get(daemon, f"{folder}/main.js")
        assert (head.status, head.body) == (200, b"")
        for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control"):
            assert head.headers[name] == whole.headers[name]


class TestRefusals:
    @pytest.mark.parametrize(
        "path",
        ["nothing.js", "../resource.py", "%2e%2e/resource.py", "views/", "views", "", "index.html", "views/user.js/x"],
    )
    def test_nothing_else_is_there(self, daemon: Daemon, path: str, folder: str):
        for address in (f"{folder}/{path}", f"/app/{path or 'main.js'}"):
            missing = get(daemon, address)
            assert missing.status == 404
            assert missing.headers["Content-Type"] == "text/plain; charset=utf-8"

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    @pytest.mark.parametrize("path", ["/app/", "/app/0123456789abcdef/main.js"])
    def test_the_page_is_only_read(self, daemon: Daemon, path: str, method: str):
        answer = get(daemon, path, method)
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"


class TestEntrance:
    @pytest.mark.parametrize("accept", [BROWSER, "text/html", "application/json;q=0.1, text/html;q=0.2"])
    def test_browsers_are_led_to_the_page(self, daemon: Daemon, accept: str):
        answer = get(daemon, "/", Accept=accept)
        assert (answer.status, answer.headers["Location"], answer.headers["Vary"]) == (303, "/app/", "Accept")

    @pytest.mark.parametrize("accept", [None, "*/*", "application/vnd.api+json", "text/html;q=0", "text/*", "text/htm"])
    def test_everybody_else_hears_what_they_always_did(self, daemon: Daemon, accept: str | None):
        answer = get(daemon, "/", **({"Accept": accept} if accept else {}))
        assert answer.status == 404
        assert answer.error["code"] == "NOT_FOUND"

    @pytest.mark.parametrize("engine", ["npm", "pypi", "rubygems", "raw", "tauri", "oci"])
    @pytest.mark.parametrize("path", ["/", "/app/"])
    def test_hosts_of_engines_have_no_page(self, daemon: Daemon, engine: str, path: str):
        """There, ``app`` may be somebody's package."""
        answer = get(daemon, path, Host=f"{engine}.pkg.registry.test", Accept=BROWSER)
        assert answer.status == 404
        assert b"<!doctype html>" not in answer.body

    def test_the_api_is_where_it_was(self, daemon: Daemon):
        assert get(daemon, "/v1/ping", Accept=BROWSER).status == 200


@pytest.fixture(scope="module")
def pageless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon whose operator wants no page."""
    folder: Path = tmp_path_factory.mktemp("pageless")
    running = Daemon(folder / "data", env={"KEYGENREG_PAGE_ENABLED": "false"}).start()
    yield running
    running.stop()


@pytest.mark.parametrize("path", ["/", "/app", "/app/", "/app/0123456789abcdef/main.js"])
def test_switched_off_nothing_is_there(pageless: Daemon, path: str):
    answer = get(pageless, path, Accept=BROWSER)
    assert answer.status == 404
    assert answer.error["code"] == "NOT_FOUND"


def test_no_place_without_a_page():
    """The pure rule: the same paths, with and without a page."""
    assert place(("app", "x"), "GET", None, {}, singleplayer=True, page=True).path == ("x",)
    for parts in (("app",), ()):
        with pytest.raises(NotFound):
            place(parts, "GET", None, {}, singleplayer=True, browser=True)
