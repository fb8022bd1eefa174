"""Warehouse's project documents."""

from __future__ import annotations

import json

from hypothesis import given
from packaging.version import Version

from keygenreg.engines.pypi import names, project_json
from keygenreg.engines.pypi.project import Project, ProjectFile
from keygenreg.engines.pypi.project_json import Described

from .strategies import projects

FACTS = {
    "name": "acme",
    "version": "1.0",
    "summary": "Makes everything",
    "keywords": ["a", "b"],
    "requires_dist": ["attrs"],
    "project_urls": {"Home": "https://acme.test"},
    "classifiers": ["Private :: Do Not Upload"],
}


def described(*filenames: str, yanked: tuple[str, ...] = (), facts=FACTS) -> Described:
    files = tuple(
        ProjectFile(
            distribution=names.distribution(filename, "acme"),
            url=f"https://r.test/{filename}",
            hashes={"sha256": "ab" * 32},
            yanked="broken" if filename in yanked else False,
        )
        for filename in filenames
    )
    project = Project(name="acme", display_name="Acme", files=files)
    return Described(project=project, facts=facts, project_url="https://r.test/simple/acme/")


def document(*filenames: str, **changes) -> dict:
    return json.loads(project_json.project_document(described(*filenames, **changes)))


class TestProjectDocument:
    def test_pip_tools_finds_digests_by_version(self):
        """It looks up releases by the version as pinned and takes sha256 of wheels and source distributions."""
        releases = document("acme-1.0.0-py3-none-any.whl", "acme-1.0.0.tar.gz", "acme-2.0.tar.gz")["releases"]
        assert sorted(releases) == ["1.0.0", "2.0"]
        assert [(file["packagetype"], file["digests"]["sha256"]) for file in releases["1.0.0"]] == [
            ("bdist_wheel", "ab" * 32),
            ("sdist", "ab" * 32),
        ]

    def test_one_version_in_two_spellings(self):
        """Each file is found under the spelling of its own name, which is what a lock file pins."""
        releases = document("acme-1.0.tar.gz", "acme-1.0.0-py3-none-any.whl")["releases"]
        assert {version: len(files) for version, files in releases.items()} == {"1.0": 1, "1.0.0": 1}

    def test_info_comes_from_the_core_metadata(self):
        info = document("acme-1.0.tar.gz")["info"]
        assert (info["name"], info["version"], info["summary"]) == ("Acme", "1.0", "Makes everything")
        assert (info["keywords"], info["requires_dist"]) == ("a,b", ["attrs"])
        assert info["project_urls"] == {"Home": "https://acme.test"}
        assert info["author"] == ""
        assert info["license"] is None

    def test_latest_is_the_highest_stable_version_that_is_not_yanked(self):
        read = document("acme-1.0.tar.gz", "acme-3.0.tar.gz", "acme-4.0rc1.tar.gz", yanked=("acme-3.0.tar.gz",))
        assert read["info"]["version"] == "1.0"
        assert [file["filename"] for file in read["urls"]] == ["acme-1.0.tar.gz"]

    def test_latest_falls_back_to_prerelease_then_to_yanked(self):
        assert document("acme-4.0rc1.tar.gz")["info"]["version"] == "4.0rc1"
        only_yanked = document("acme-3.0.tar.gz", yanked=("acme-3.0.tar.gz",))["info"]
        assert (only_yanked["version"], only_yanked["yanked"], only_yanked["yanked_reason"]) == ("3.0", True, "broken")

    def test_project_without_files(self):
        read = document(facts={})
        assert (read["urls"], read["releases"], read["info"]["version"]) == ([], {}, "")

    @given(projects())
    def test_every_file_is_in_its_release(self, project):
        """Whatever the files are, the document is JSON and holds each once."""
        read = json.loads(project_json.project_document(Described(project=project, facts={}, project_url="u")))
        assert sorted(file["filename"] for files in read["releases"].values() for file in files) == sorted(
            file.filename for file in project.offered
        )


class TestVersionDocument:
    def test_equal_versions_are_found_in_any_spelling(self):
        read = json.loads(project_json.version_document(described("acme-1.0.tar.gz"), Version("1.0.0")))
        assert [file["filename"] for file in read["urls"]] == ["acme-1.0.tar.gz"]
        assert "releases" not in read

    def test_unknown_version_has_none(self):
        assert project_json.version_document(described("acme-1.0.tar.gz"), Version("2")) is None
