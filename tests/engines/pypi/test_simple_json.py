"""JSON index pages, read back by other libraries."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import mousebender.simple
import pypi_simple
from hypothesis import given
from packaging.version import Version

from keygenreg.engines.pypi import names, simple_json
from keygenreg.engines.pypi.project import Project, ProjectFile, ProjectLink, ProjectStatus

from .strategies import projects

DIGEST = "ab" * 32


def files_of(*files: ProjectFile) -> list[dict]:
    return json.loads(simple_json.project_detail(Project(name="acme", display_name="Acme", files=files)))["files"]


def sdist(**changes) -> ProjectFile:
    distribution = names.distribution("acme-1.0.tar.gz", "acme")
    return ProjectFile(**({"distribution": distribution, "url": "https://r.test/acme-1.0.tar.gz"} | changes))


class TestProjectPage:
    @given(projects())
    def test_pypi_simple_reads_it(self, project):
        """A strict parser agrees about every file, and refuses nothing."""
        read = pypi_simple.ProjectPage.from_json_data(json.loads(simple_json.project_detail(project)))
        assert (read.project, read.repository_version) == (project.name, "1.4")
        assert read.status.value == project.status.status
        for package, file in zip(read.packages, project.offered, strict=True):
            assert (package.filename, package.url, package.size) == (file.filename, file.url, file.size)
            assert package.digests == file.known_hashes
            assert package.requires_python == file.effective_requires_python
            assert package.is_yanked == bool(file.yanked)
            assert package.upload_time == file.upload_time
            assert package.metadata_digests == (
                {"sha256": file.core_metadata_sha256} if file.core_metadata_sha256 else None
            )

    @given(projects())
    def test_mousebender_reads_it(self, project):
        body = simple_json.project_detail(project).decode()
        read = mousebender.simple.parse_project_details(body, mousebender.simple.ACCEPT_JSON_V1, project.name)
        assert read["meta"]["api-version"] == "1.4"
        assert [entry["filename"] for entry in read["files"]] == [file.filename for file in project.offered]

    @given(projects())
    def test_versions_are_those_of_the_files(self, project):
        """PEP 700: unique, and every file's version is among them."""
        read = json.loads(simple_json.project_detail(project))
        listed = [Version(version) for version in read["versions"]]
        assert len(set(listed)) == len(listed)
        assert set(listed) == {file.version for file in project.offered}

    def test_members_of_a_file(self):
        """Both spellings of the metadata member, all digests, and times in UTC with Z."""
        (entry,) = files_of(
            sdist(
                hashes={"sha256": DIGEST, "md5": "cd" * 16, "other": "ef"},
                requires_python=">=3.9",
                yanked="broken",
                size=7,
                upload_time=datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=timezone(timedelta(hours=2))),
                core_metadata_sha256="12" * 32,
            )
        )
        assert entry == {
            "filename": "acme-1.0.tar.gz",
            "url": "https://r.test/acme-1.0.tar.gz",
            "hashes": {"sha256": DIGEST, "md5": "cd" * 16},
            "requires-python": ">=3.9",
            "core-metadata": {"sha256": "12" * 32},
            "dist-info-metadata": {"sha256": "12" * 32},
            "yanked": "broken",
            "size": 7,
            "provenance": None,
            "upload-time": "2026-01-02T01:04:05.000060Z",
        }

    def test_yanked_without_reason_is_true(self):
        """An empty text would read as not yanked."""
        assert [entry["yanked"] for entry in files_of(sdist(yanked=""), sdist(yanked=True), sdist())] == [
            True,
            True,
            False,
        ]

    def test_without_sidecar_no_metadata_is_promised(self):
        (entry,) = files_of(sdist(upload_time=datetime(2026, 1, 1, tzinfo=UTC)))
        assert entry["core-metadata"] is False
        assert entry["hashes"] == {}

    def test_status_at_top_level(self):
        project = Project(
            name="acme", display_name="Acme", files=(sdist(),), status=ProjectStatus("quarantined", "theft")
        )
        read = json.loads(simple_json.project_detail(project))
        assert read["project-status"] == {"status": "quarantined", "reason": "theft"}
        assert (read["files"], read["versions"]) == ([], [])


def test_project_list_keeps_spelling_and_order():
    links = [ProjectLink("Zeta", "https://r.test/z/"), ProjectLink("acme_Tools", "https://r.test/a/")]
    assert json.loads(simple_json.project_list(links)) == {
        "meta": {"api-version": "1.4"},
        "projects": [{"name": "Zeta"}, {"name": "acme_Tools"}],
    }
