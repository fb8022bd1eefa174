"""Pages of other indexes: whatever they hold is data; what they say rightly is kept, and all else is passed over."""

from __future__ import annotations

import html
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.engines.pypi import upstream
from keygenreg.engines.pypi.project import Project, ProjectStatus
from keygenreg.engines.pypi.simple_html import project_detail as as_html
from keygenreg.engines.pypi.simple_json import project_detail as as_json
from keygenreg.engines.pypi.upstream import PypiUpstream
from keygenreg.engines.pypi.upstream_html import read_page
from keygenreg.mirror.adapter import Listing, Unusable
from tests.engines.pypi.strategies import projects

ADAPTER = PypiUpstream()
URL = "https://index.example/simple/acme/"
WHEEL = "acme-1.0-py3-none-any.whl"
SHA = "ab" * 32


def read(body: bytes | dict, name: str = "acme", **headers: str) -> Listing:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ADAPTER.read(data, headers=headers, url=URL, name=name, variant="")


def page(*files: dict, **more) -> dict:
    return {"meta": {"api-version": "1.1"}, "name": "acme", "files": list(files)} | more


def listed(*files: dict, **more) -> Project:
    return read(page(*files, **more)).document


class TestAnything:
    @given(st.binary())
    def test_any_bytes(self, body: bytes):
        with suppress(Unusable):
            assert isinstance(read(body), Listing)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "meta", "api-version", "name", "files", "filename", "url", "hashes", "sha256", "size", "yanked",
                        "upload-time", "core-metadata", "requires-python", "provenance", "project-status", "status",
                    ]
                ),
                inner | st.sampled_from(["1.0", "acme", WHEEL, SHA, "2024-01-01T00:00:00Z", "quarantined"]),
                max_size=8,
            ),
            max_leaves=40,
        )
    )  # fmt: skip
    def test_any_json(self, document: object):
        wrapped = {"meta": {"api-version": "1.0"}, "files": document if isinstance(document, list) else [document]}
        for each in (document, wrapped):
            try:
                found = read(json.dumps(each).encode())
            except Unusable:
                continue
            # What was read can be rendered in both forms, whatever it is.
            assert json.loads(as_json(found.document))["name"] == "acme"
            assert b"</html>" in as_html(found.document, account="us")

    @given(st.text(alphabet="<>/!- \"'=&#;abchrefmtscriptx\n\x00\r", max_size=300))
    def test_any_markup(self, text: str):
        found = read_page(text)
        assert all(isinstance(anchor.text, str) for anchor in found.anchors)

    @pytest.mark.timeout(60)
    @pytest.mark.parametrize(
        "piece",
        ["<a href='", "<a ", "<!--", "<", "<a href=x>", "</", "<script>", '<a b="', "&#9", "<a/<a/<a/", "<!", "a="],
    )
    def test_hostile_markup_takes_no_longer_than_its_length(self, piece: str):
        """A reader that goes back for each of these would take hours."""
        read_page(piece * (1_000_000 // len(piece)))


class TestRoundTrips:
    @given(projects())
    def test_our_own_json_is_understood(self, project: Project):
        self.compare(project, as_json(project), html_form=False)

    @given(projects())
    def test_our_own_html_is_understood(self, project: Project):
        self.compare(project, as_html(project, account="us"), html_form=True)

    @staticmethod
    def compare(project: Project, body: bytes, *, html_form: bool) -> None:
        found = ADAPTER.read(body, headers={}, url=URL, name=project.name, variant="").document
        expected = {file.filename: file for file in reversed(project.offered)}
        assert {file.filename for file in found.files} == set(expected)
        for file in found.files:
            original = expected[file.filename]
            if html_form:
                assert file.hashes.items() <= original.known_hashes.items()
            else:
                known = {"sha256", "sha512", "sha384", "sha224", "sha1", "md5"}
                lengths = {"sha256": 64, "sha512": 128, "sha384": 96, "sha224": 56, "sha1": 40, "md5": 32}
                assert file.hashes == {
                    name: value
                    for name, value in original.known_hashes.items()
                    if name in known and len(value) == lengths[name]
                }
                assert file.size == original.size
                assert file.upload_time == original.upload_time
            assert file.core_metadata_sha256 == original.core_metadata_sha256
            assert bool(file.yanked) == bool(original.yanked)
        assert found.status.status == project.status.status


class TestJson:
    def test_what_is_kept(self):
        file = {
            "filename": WHEEL,
            "url": "../../files/acme.whl#sha256=ignored",
            "hashes": {"sha256": SHA.upper(), "blake2b": "00", "md5": "short"},
            "requires-python": ">=3.9",
            "yanked": "broken",
            "size": 12,
            "upload-time": "2024-05-06T07:08:09.123456Z",
            "core-metadata": {"sha256": SHA},
            "provenance": "https://index.example/provenance",
        }
        found = read(page(file, **{"project-status": {"status": "archived", "reason": "done"}}))
        (kept,) = found.document.files
        assert kept.url == "https://index.example/files/acme.whl"
        assert kept.hashes == {"sha256": SHA}
        assert (kept.requires_python, kept.yanked, kept.size) == (">=3.9", "broken", 12)
        assert kept.provenance == "https://index.example/provenance"
        assert found.document.status == ProjectStatus("archived", "done")
        assert found.files[WHEEL].digest == SHA
        metadata = found.files[WHEEL + ".metadata"]
        assert metadata.url == "https://index.example/files/acme.whl.metadata"
        assert metadata.hashes == {"sha256": SHA}

    @pytest.mark.parametrize("stated", [True, {}, {"md5": "00" * 16}, {"sha256": "short"}, "yes", None])
    def test_metadata_without_a_hash_is_not_advertised(self, stated: object):
        """What we could not verify would break installers that were promised it."""
        found = read(page({"filename": WHEEL, "url": "a", "core-metadata": stated}))
        assert list(found.files) == [WHEEL]
        assert found.document.files[0].core_metadata_sha256 is None

    def test_a_query_stays_behind_the_siblings_name(self):
        found = read(page({"filename": WHEEL, "url": "/f.whl?token=1", "core-metadata": {"sha256": SHA}}))
        assert found.files[WHEEL + ".metadata"].url == "https://index.example/f.whl.metadata?token=1"

    @pytest.mark.parametrize(
        "filename",
        ["../acme-1.0.tar.gz", "other-1.0-py3-none-any.whl", "acme-1.0.exe", "acme-1.0.egg", "", "acme-1.whl", 5, None],
    )
    def test_what_installers_cannot_use_is_passed_over(self, filename: object):
        assert not listed({"filename": filename, "url": "a"}).files

    def test_of_two_with_one_name_the_first(self):
        (kept,) = listed({"filename": WHEEL, "url": "a"}, {"filename": WHEEL, "url": "b"}).files
        assert kept.url == f"{URL}a"

    def test_quarantine_offers_nothing(self):
        found = read(page({"filename": WHEEL, "url": "a"}, **{"project-status": {"status": "quarantined"}}))
        assert not found.files and not found.document.files

    def test_sizes_that_are_unknown_are_not_invented(self):
        """Without them the page does not claim a version of the API that demands them."""
        shown = json.loads(as_json(listed({"filename": WHEEL, "url": "a"})))
        assert shown["meta"]["api-version"] == "1.0" and "size" not in shown["files"][0]

    def test_the_serial(self):
        assert read(page(), **{"x-pypi-last-serial": "123"}).serial == 123
        for other in ("", "x", "1" * 40, "-1", "١"):
            assert read(page(), **{"x-pypi-last-serial": other}).serial is None


class TestHtml:
    def test_an_old_server(self):
        body = (
            b"<!DOCTYPE html><HTML><HEAD><TITLE>Links <a href='no'></TITLE></HEAD><BODY>"
            b"<A HREF='../../packages/acme-1.0-py3-none-any.whl#sha256=" + SHA.encode() + b"' Rel=internal>\n"
            b" acme-1.0-py3-none-any.whl </A><br><!-- <a href='acme-9.0.tar.gz'>acme-9.0.tar.gz</a> -->"
            b"<a href=/packages/acme-0.9.tar.gz#md5=" + b"cd" * 16 + b">acme-0.9.tar.gz</a></body></html>"
        )
        found = read(body)
        assert [file.filename for file in found.document.files] == [WHEEL, "acme-0.9.tar.gz"]
        assert found.files[WHEEL].url == f"https://index.example/packages/{WHEEL}"
        assert found.files[WHEEL].hashes == {"sha256": SHA}
        assert found.files["acme-0.9.tar.gz"].hashes == {"md5": "cd" * 16}

    def test_base_and_escapes(self):
        body = (
            b'<base href="https://cdn.example/x/"><a href="y/acme-1.0.tar.gz?a=1&amp;b=2" '
            b'data-requires-python="&gt;=3.9" data-yanked="so &quot;bad&quot;">acme-1.0.tar.gz</a>'
        )
        (kept,) = read(body).document.files
        assert kept.url == "https://cdn.example/x/y/acme-1.0.tar.gz?a=1&b=2"
        assert (kept.requires_python, kept.yanked) == (">=3.9", 'so "bad"')

    def test_an_empty_project_says_that_it_is_a_page(self):
        assert not read(b'<meta name="pypi:repository-version" content="1.0">').files
        with pytest.raises(Unusable):
            read(b"<a href='/login'>Sign in to the hotel's network</a>")

    def test_another_major_version(self):
        with pytest.raises(Unusable):
            read(b'<meta name="pypi:repository-version" content="2.0"><a href="acme-1.0.tar.gz">acme-1.0.tar.gz</a>')

    def test_status(self):
        body = (
            b'<meta name="pypi:repository-version" content="1.4"><meta name="pypi:project-status" content="deprecated">'
            b'<meta name="pypi:project-status-reason" content="use another">'
        )
        assert read(body).document.status == ProjectStatus("deprecated", "use another")

    @given(st.text(max_size=50).map(lambda text: text.replace("\r", "")))
    def test_reasons_survive(self, reason: str):
        body = f'<a href="acme-1.0.tar.gz" data-yanked="{html.escape(reason)}">acme-1.0.tar.gz</a>'.encode(
            "utf-8", "replace"
        )
        (kept,) = read(body).document.files
        assert kept.yanked is True or isinstance(kept.yanked, str)


class TestLongPages:
    """Pages of megabytes are read file by file, and say the same."""

    @pytest.fixture(scope="class")
    def long(self):
        """Every page is taken for a long one."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(upstream, "_LONG", 0)
            yield

    @given(projects())
    def test_say_the_same(self, project: Project):
        body = as_json(project)
        short = read(body, name=project.name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(upstream, "_LONG", 0)
            assert read(body, name=project.name) == short

    @pytest.mark.parametrize(
        "body",
        [b"{", b'{"meta": {"api-version": "1.0"}, "files": [', b'{"files": []} x', b'{"files": [1,]}', b"[]", b"{}"],
    )
    def test_garbage(self, long, body: bytes):
        with pytest.raises(Unusable):
            read(body)

    def test_what_is_no_file_is_passed_over(self, long):
        assert listed({"filename": WHEEL, "url": "a"}, 1, None, "x", {}, []).files[0].filename == WHEEL

    def test_halves_of_characters_are_replaced(self, long):
        """Nobody could write them down again."""
        half = "\ud800"
        file = {"filename": WHEEL, "url": "a", "yanked": half, "requires-python": half, "provenance": half}
        found = listed(file, **{"project-status": {"status": "deprecated", "reason": half}})
        assert (found.files[0].yanked, found.status.reason, found.files[0].requires_python) == ("?", "?", None)
        assert b'"?"' in as_json(found) and as_html(found, account="a")
