"""Names of projects and files."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from keygenreg.engines.pypi import names
from keygenreg.engines.pypi.names import Kind

from .strategies import project_names, sdist_names, wheel_names


class TestProjectNames:
    @given(project_names)
    def test_normal_form_is_that_of_pep_503(self, name):
        """Lower case and single dashes, exactly as the PEP's own expression says."""
        assert names.normalize(name) == re.sub(r"[-_.]+", "-", name).lower()

    @given(st.text())
    def test_normalising_twice_changes_nothing(self, name):
        """Whatever a client asks for has one normal form."""
        assert names.normalize(names.normalize(name)) == names.normalize(name)

    @pytest.mark.parametrize("name", ["a", "7", "My_Lib", "a.b-c_d", "A" * 255])
    def test_names_that_a_project_may_have(self, name):
        assert names.is_valid(name)

    @pytest.mark.parametrize(
        "name", ["", "-a", "a-", "_a", "a.", "a b", "a/b", "a\n", "é", "a\x00", "٣", "A" * 256, "\u212a"]
    )
    def test_names_that_no_project_may_have(self, name):
        """A trailing newline, letters beyond ASCII and outer separators are all refused."""
        assert not names.is_valid(name)


class TestListedFiles:
    @pytest.mark.parametrize(
        ("filename", "project", "kind", "version"),
        [
            ("acme-1.0-py3-none-any.whl", "acme", Kind.WHEEL, "1.0"),
            ("acme_tools-2.0rc1-cp311-cp311-manylinux_2_17_x86_64.whl", "acme-tools", Kind.WHEEL, "2.0rc1"),
            ("Acme.Tools-2.0-py2.py3-none-any.whl", "acme-tools", Kind.WHEEL, "2"),
            ("acme-1.0-1build-py3-none-any.whl", "acme", Kind.WHEEL, "1.0"),
            ("acme-1.0+cu118-py3-none-linux_x86_64.whl", "acme", Kind.WHEEL, "1.0+cu118"),
            ("acme-1!2.0-py3-none-any.whl", "acme", Kind.WHEEL, "1!2.0"),
            ("acme-1.0-cp313-cp313-pyemscripten_2026_0_wasm32.whl", "acme", Kind.WHEEL, "1.0"),
            ("acme-1.0-py3-none-who_has_ever_heard_of_this.whl", "acme", Kind.WHEEL, "1.0"),
            ("acme-1.0-cp313-cp313-linux_x86_64-x86_64_v3.whl", "acme", Kind.WHEEL, "1.0"),
            ("acme-1.0-1-cp313-cp313-linux_x86_64-cuda12.whl", "acme", Kind.WHEEL, "1.0"),
            ("acme-1.0.tar.gz", "acme", Kind.SDIST, "1.0"),
            ("acme-1.0.zip", "acme", Kind.SDIST, "1.0"),
            ("acme_tools-1.0.tar.gz", "acme-tools", Kind.SDIST, "1.0"),
            ("acme-tools-1.0.tar.gz", "acme-tools", Kind.SDIST, "1.0"),
            ("Acme.Tools-1.0.post1.tar.gz", "acme-tools", Kind.SDIST, "1.0.post1"),
            ("acme-1.0-1.tar.gz", "acme", Kind.SDIST, "1.0.post1"),
            ("acme-1.0-2.0.tar.gz", "acme-1-0", Kind.SDIST, "2.0"),
        ],
    )
    def test_listed(self, filename, project, kind, version):
        """Old and new spellings, unknown platforms and wheel variants are all listed under their project."""
        found = names.distribution(filename, project)
        assert (found.filename, found.project, found.kind) == (filename, project, kind)
        assert found.version == Version(version)

    @pytest.mark.parametrize(
        "filename",
        [
            "",
            "acme",
            "acme.whl",
            "acme-1.0.whl",
            "acme-1.0-py3-none-any.WHL",
            "acme-one-py3-none-any.whl",
            "acme-1.0-py3--any.whl",
            "acme-1.0-x-y-py3-none-any.whl",
            "other-1.0-py3-none-any.whl",
            "acme_tools-1.0-py3-none-any.whl",
            "acme-1.0-py3-none-any.whl.metadata",
            "acme-1.0-py3-none-any.whl.asc",
            "acme-1.0.tar.bz2",
            "acme-1.0.egg",
            "acme-1.0.exe",
            "acme-latest.tar.gz",
            "acme.tar.gz",
            "acme-tools-1.0.tar.gz",
            "acme- 1.0.tar.gz",
            "acme-1.0 .tar.gz",
            "acme-1.0\n.tar.gz",
            "acme-1.0.tar.gz\n",
            "../acme-1.0.tar.gz",
            "dist/acme-1.0.tar.gz",
            "acme-1.0%0a.tar.gz",
            'acme-1.0-py3-none-"><script>.whl',
            "acme-1.0-py3-none-" + "a" * 255 + ".whl",
            "acme-1.0-" + "9" * 220 + "-py3-none-any.whl.zip",
        ],
    )
    def test_not_listed(self, filename):
        """Other formats, other projects and names that could not be built are stored but not shown."""
        assert names.distribution(filename, "acme") is None

    @given(st.data(), project_names)
    def test_wheels_read_as_packaging_reads_them(self, data, project):
        filename = data.draw(wheel_names(project))
        found = names.distribution(filename, names.normalize(project))
        assert (found.project, found.version) == parse_wheel_filename(filename)[:2]
        assert found.python == filename.removesuffix(".whl").split("-")[-3]

    @given(st.data(), project_names)
    def test_sdists_read_as_packaging_reads_them(self, data, project):
        filename = data.draw(sdist_names(project))
        found = names.distribution(filename, names.normalize(project))
        assert (found.project, found.version) == parse_sdist_filename(filename)

    @given(
        st.text() | st.from_regex(r"acme-[0-9a-z.!+-]*(\.whl|\.tar\.gz|\.zip)", fullmatch=True),
        st.sampled_from(["acme", "acme-1-0"]),
    )
    @example("acme-1.0-" + "1" * 200 + "-py3-none-any.whl", "acme")
    def test_any_text_is_listed_under_its_own_project_or_not_at_all(self, filename, project):
        """Nothing raises, and what is listed carries the project that was asked for."""
        found = names.distribution(filename, project)
        assert found is None or (found.project, found.filename) == (project, filename)


class TestReleaseVersions:
    @pytest.mark.parametrize(
        ("semantic", "expected"),
        [
            ("1.2.3", "1.2.3"),
            ("1.0.0-rc.1", "1.0.0rc1"),
            ("1.0.0-beta.2", "1.0.0b2"),
            ("1.0.0-alpha", "1.0.0a0"),
            ("1.0.0-dev.3", "1.0.0.dev3"),
            ("1.0.0+build.7", "1.0.0+build.7"),
        ],
    )
    def test_counterparts(self, semantic, expected):
        """The channels of releases are the prerelease kinds of PEP 440."""
        assert names.release_version(semantic) == Version(expected)

    @pytest.mark.parametrize("semantic", ["1.0.0-rc.1.2", "1.0.0-alpha.beta", "", " 1.0.0", "9" * 5000])
    def test_without_counterpart(self, semantic):
        assert names.release_version(semantic) is None
