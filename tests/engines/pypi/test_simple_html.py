"""HTML index pages, read back by parsers that are not ours."""

from __future__ import annotations

import json
from collections import Counter
from urllib.parse import urlsplit

import mousebender.simple
import pypi_simple
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.engines.pypi import names, simple_html
from keygenreg.engines.pypi.project import Project, ProjectFile, ProjectLink, ProjectStatus

from .reading_html import read_page
from .strategies import projects, user_metadata

URL = "https://r.test/v1/accounts/a/artifacts/1/acme-1.0-py3-none-any.whl"
DIGEST = "ab" * 32


def wheel(**changes) -> ProjectFile:
    distribution = names.distribution("acme-1.0-py3-none-any.whl", "acme")
    return ProjectFile(**({"distribution": distribution, "url": URL} | changes))


def anchor(**changes):
    """The only anchor of a page with one file."""
    (found,) = read_page(page(wheel(**changes))).anchors
    return found


def page(*files, **changes) -> bytes:
    return simple_html.project_detail(Project(name="acme", display_name="Acme", files=files, **changes), account="demo")


class TestProjectPage:
    @given(projects(), st.text(max_size=20))
    def test_every_file_survives(self, project, account):
        """What an HTML parser reads back is what was rendered, whatever the vendor's texts hold."""
        read = read_page(simple_html.project_detail(project, account=account))
        assert [(found.text, found["href"].partition("#")[0]) for found in read.anchors] == [
            (file.filename, file.url) for file in project.offered
        ]
        assert read.elements == {"html", "head", "meta", "title", "body", "h1"} | (
            {"a", "br"} if project.offered else set()
        )
        assert all(found.ancestors == ("html", "body") for found in read.anchors)
        assert read.metas["pypi:repository-version"] == "1.4"

    @given(projects())
    def test_computed_attributes_cannot_be_stated_by_metadata(self, project):
        """No attribute comes twice, and those of the index say what the index knows."""
        read = read_page(simple_html.project_detail(project, account="demo"))
        for found, file in zip(read.anchors, project.offered, strict=True):
            assert max(Counter(name for name, _ in found.attributes).values()) == 1
            sidecar = file.core_metadata_sha256 and f"sha256={file.core_metadata_sha256}"
            assert found.get("data-core-metadata") == found.get("data-dist-info-metadata") == sidecar
            assert found.get("data-gpg-sig") is None
            assert (found.get("data-yanked") is not None) == bool(file.yanked)

    @given(projects())
    def test_one_anchor_per_line(self, project):
        """Scrapers that read by the line find every file, whole, on one."""
        body = simple_html.project_detail(project, account="demo").decode()
        lines = [line for line in body.split("\n") if line.startswith("<a ")]
        assert len(lines) == len(project.offered)
        assert all(line.endswith("</a><br>") for line in lines)
        assert "\r" not in body

    @given(projects())
    def test_pypi_simple_reads_it(self, project):
        read = pypi_simple.ProjectPage.from_html(
            project.name, simple_html.project_detail(project, account="demo").decode()
        )
        assert read.repository_version == "1.4"
        for package, file in zip(read.packages, project.offered, strict=True):
            assert (package.filename, package.url) == (file.filename, file.url)
            assert package.digests == file.known_hashes
            assert package.requires_python == file.effective_requires_python
            assert package.is_yanked == bool(file.yanked)
            assert package.has_metadata == (True if file.core_metadata_sha256 else None)

    @pytest.mark.filterwarnings("ignore::mousebender.simple.APIVersionWarning")
    @given(projects())
    def test_mousebender_reads_it(self, project):
        body = simple_html.project_detail(project, account="demo").decode()
        read = mousebender.simple.parse_project_details(body, "text/html; charset=utf-8", project.name)
        assert [(entry["filename"], entry["hashes"]) for entry in read["files"]] == [
            (file.filename, file.known_hashes) for file in project.offered
        ]

    def test_document_is_html5(self):
        """Old clients warn without the doctype; the title names package and account."""
        body = page()
        assert body.startswith(b"<!DOCTYPE html>\n<html")
        assert read_page(body).title == "Links for Acme of demo"

    def test_hash_fragment_is_sha256(self):
        """One hash only, the one that every client knows."""
        assert anchor(hashes={"md5": "cd" * 16, "sha256": DIGEST})["href"] == f"{URL}#sha256={DIGEST}"

    @pytest.mark.parametrize("hashes", [{}, {"sha256": "no hex"}, {"sha256": DIGEST.upper()}, {"crc": "ab"}])
    def test_no_fragment_without_a_usable_hash(self, hashes):
        assert anchor(hashes=hashes)["href"] == URL

    def test_requires_python_is_escaped(self):
        """The raw page holds no bare angle bracket within the attribute."""
        assert b'data-requires-python="&gt;=3.8,&lt;4"' in page(wheel(requires_python=">=3.8,<4"))

    @pytest.mark.parametrize(
        ("stated", "expected"),
        [(">=3.10", ">=3.10"), ("", None), (None, ">=3.8"), ("three", ">=3.8"), (3, ">=3.8"), ("=" * 5000, ">=3.8")],
    )
    def test_vendors_requires_python_wins_when_valid(self, stated, expected):
        """An empty one lifts the constraint; what is no specifier is ignored."""
        found = anchor(requires_python=">=3.8", extra_attributes={"requires_python": stated})
        assert found.get("data-requires-python") == expected

    @pytest.mark.parametrize(
        ("yanked", "expected"), [(True, ""), ("", ""), ("broken <on> Windows\n", "broken <on> Windows\n")]
    )
    def test_yanked_carries_the_reason(self, yanked, expected):
        assert anchor(yanked=yanked)["data-yanked"] == expected

    def test_user_metadata_becomes_attributes(self):
        """Strings as they are, other values as JSON, null left out, keys with dashes."""
        found = anchor(
            extra_attributes={
                "min_os": 'a "b" <c>',
                "count": 3,
                "huge": 10**30,
                "flag": True,
                "tags": ["x", {"y": None}],
                "nothing": None,
                "Min-OS": "shadowed",
            }
        )
        assert found["data-min-os"] == 'a "b" <c>'
        assert (found["data-count"], found["data-huge"], found["data-flag"]) == ("3", str(10**30), "true")
        assert json.loads(found["data-tags"]) == ["x", {"y": None}]
        assert found.get("data-nothing") is None

    @given(user_metadata)
    def test_hostile_keys_make_no_attributes(self, metadata):
        """A key cannot break out of its attribute: only data- attributes appear beside href."""
        assert all(
            name == "href" or name.startswith("data-") for name, _ in anchor(extra_attributes=metadata).attributes
        )

    def test_provenance_is_passed_on(self):
        url = "https://r.test/provenance.json"
        assert anchor(extra_attributes={"provenance": url})["data-provenance"] == url

    @pytest.mark.parametrize(
        "url", ["http://r.test/p", "https://", "https://a b/", "javascript:x", 7, "https://r.test/\n"]
    )
    def test_provenance_must_be_an_absolute_https_url(self, url):
        assert anchor(extra_attributes={"provenance": url}).get("data-provenance") is None

    def test_status_marker(self):
        """PEP 792 in meta tags; an active project needs none."""
        archived = read_page(page(wheel(), status=ProjectStatus("archived", "moved <on>"))).metas
        assert archived["pypi:project-status"] == "archived"
        assert archived["pypi:project-status-reason"] == "moved <on>"
        assert "pypi:project-status" not in read_page(page(wheel())).metas

    def test_quarantined_project_offers_no_files(self):
        assert read_page(page(wheel(), status=ProjectStatus("quarantined"))).anchors == []


class TestProjectList:
    @given(
        st.lists(
            st.builds(
                ProjectLink,
                name=st.text(min_size=1, max_size=30).filter(lambda text: "\x00" not in text),
                url=st.uuids().map(lambda unique: f"https://r.test/simple/{unique}/"),
                extra_attributes=user_metadata,
            ),
            max_size=5,
        )
    )
    def test_every_project_survives(self, links):
        """Text is the vendor's spelling, the link that of the project's page."""
        read = read_page(simple_html.project_list(links, account="demo"))
        assert [(found.text, found["href"]) for found in read.anchors] == [(link.name, link.url) for link in links]
        assert all(found.ancestors == ("html", "body") for found in read.anchors)

    def test_metadata_belongs_to_its_own_project(self):
        links = [
            ProjectLink("Acme", "https://r.test/simple/acme/", {"team_name": "core"}),
            ProjectLink("other", "https://r.test/simple/other/"),
        ]
        first, second = read_page(simple_html.project_list(links, account="demo")).anchors
        assert first["data-team-name"] == "core"
        assert [name for name, _ in second.attributes] == ["href"]

    def test_pypi_simple_reads_it(self):
        links = [ProjectLink("Acme_Tools", "https://r.test/simple/acme-tools/")]
        assert pypi_simple.IndexPage.from_html(simple_html.project_list(links, account="demo")).projects == [
            "Acme_Tools"
        ]

    def test_links_end_in_a_slash_as_given(self):
        """The page invents no URLs."""
        links = [ProjectLink("a", "http://localhost:8080/v1/accounts/demo/engines/pypi/simple/a/")]
        (found,) = read_page(simple_html.project_list(links, account="demo")).anchors
        assert urlsplit(found["href"]).netloc == "localhost:8080"
