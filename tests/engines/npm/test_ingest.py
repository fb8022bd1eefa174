"""Tarballs of strangers: what is found in good ones, and why bad ones are refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.reading import IngestError, Reading
from keygenreg.engines.npm import ingest, tarball
from keygenreg.engines.npm.ingest import read
from tests.engines.npm.tarballs import package, package_json, packed, special, tarred


@pytest.fixture
def reading(tmp_path):
    """Read bytes as an uploaded file: of package ``acme`` 1.0.0, unless another is given."""

    def read_bytes(data: bytes, filename="acme-1.0.0.tgz", key="acme", version="1.0.0") -> Reading:
        path = tmp_path / "stored"
        path.write_bytes(data)
        return read(path, filename, key, version)

    return read_bytes


class TestGoodTarballs:
    @pytest.mark.parametrize("filename", ["a.tgz", "a.tar.gz", "folder/A.TGZ", "a.tar"])
    def test_content_decides_not_the_name(self, reading, filename):
        """Compressed or not: engines read ``.tgz``, ``.tar.gz`` and ``.tar`` alike."""
        entries = [("package/package.json", package_json())]
        for data in (tarred(entries), gzip.compress(tarred(entries))):
            (manifest,) = reading(data, filename).manifests
            assert json.loads(manifest.content) == {"name": "acme", "version": "1.0.0"}

    def test_the_manifest_is_package_json_in_compact_form(self, reading):
        text = '\ufeff{\n  "name": "@acme/lib",\n  "version": "2.0.0",\n  "description": "Grüße"\n}\n'
        (manifest,) = reading(packed(text.encode()), key="@acme/lib", version="2.0.0").manifests
        assert manifest.content == '{"name":"@acme/lib","version":"2.0.0","description":"Grüße"}'
        stored = manifest.content.encode()
        assert manifest.content_path == "package.json"
        assert manifest.content_type == "application/vnd.npm.install-v1+json"
        assert manifest.content_digest == f"sha256:{hashlib.sha256(stored).hexdigest()}"
        assert manifest.content_length == len(stored)

    def test_facts_of_the_tarball(self, reading):
        data = packed(
            package_json(), ("package/npm-shrinkwrap.json", b"{}"), ("package/binding.gyp", b"{}"),
            ("package/deep/npm-shrinkwrap.json", b"{}"), special("package/lib", tarfile.DIRTYPE),
        )  # fmt: skip
        (manifest,) = reading(data).manifests
        assert manifest.metadata == {
            "has_install_script": True, "has_shrinkwrap": True, "file_count": 5,
            "unpacked_size": len(package_json()) + 21 + 6,
        }  # fmt: skip
        (manifest,) = reading(packed()).manifests
        assert (manifest.metadata["has_install_script"], manifest.metadata["has_shrinkwrap"]) == (False, False)

    @pytest.mark.parametrize("top", ["package", "node", "acme-1.0.0", "."])
    def test_the_top_folder_may_have_any_name(self, reading, top):
        """As installers strip it, whatever it is."""
        assert reading(packed(top=top)).manifests

    def test_package_json_may_come_last(self, reading):
        data = gzip.compress(tarred([("package/a.js", b"x" * 3000), ("package/package.json", package_json())]))
        assert reading(data).manifests

    def test_package_json_further_down_is_another_matter(self, reading):
        entry = ("package/node_modules/other/package.json", package_json("other"))
        (manifest,) = reading(packed(None, entry)).manifests
        assert json.loads(manifest.content)["name"] == "acme"

    @pytest.mark.parametrize("filename", ["notes.txt", "acme-1.0.0.tgz.sig", "acme.zip", "tgz"])
    def test_other_files_are_stored_as_they_are(self, reading, filename):
        assert reading(b"anything", filename) == Reading()

    def test_a_nul_in_a_string_stays_escaped(self, reading):
        """The database keeps text without NUL."""
        (manifest,) = reading(packed(package_json(description="a\0b"))).manifests
        assert "\0" not in manifest.content
        assert json.loads(manifest.content)["description"] == "a\0b"


class TestBadTarballs:
    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b"", "holds no package.json"),
            (b"hello", "in the middle of a header"),
            (b"x" * 2000, "no tar archive"),
            (b"PK\x03\x04" + b"\0" * 600, "no tar archive"),
            (gzip.compress(b"x" * 2000), "no tar archive"),
            (gzip.compress(b""), "holds no package.json"),
            (packed()[:-20], "cut short"),
            (packed()[:-6] + b"\0\0\0\0\0\0", "no intact gzip file"),
            (b"\x1f\x8b" + b"\0" * 50, "no intact gzip file"),
            (gzip.compress(tarred([("package.json", package_json())])), "holds no package.json in a folder"),
            (gzip.compress(tarred([("./package/package.json", package_json())])), "holds no package.json in a folder"),
            (gzip.compress(tarred([("package/Package.json", package_json())])), "holds no package.json in a folder"),
            (packed(None, ("other/package.json", package_json())), "holds two package.json"),
            (packed(None, ("package/package.json", package_json("other"))), "holds two package.json"),
            (gzip.compress(tarred([special("package/package.json", tarfile.SYMTYPE, "/etc/passwd")])), "is a link"),
            (gzip.compress(tarred([special("package/package.json", tarfile.LNKTYPE, "x")])), "is a link"),
            (packed(None, ("package/../../evil", b"x")), "could unpack outside"),
            (packed(None, ("/etc/evil", b"x")), "could unpack outside"),
            (packed(None, ("package\\..\\..\\evil", b"x")), "could unpack outside"),
            (packed(b'{"name":"acme","version":"1.0.0","x":"' + b"y" * 2**20 + b'"}'), "larger than 1024 KiB"),
            (packed(b"not json"), "not valid JSON"),
            (package("other"), "names the package"),
            (package("acme", "1.0.1"), "states version"),
            (package("acme", "1." + "0" * 100_000), "states version"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_each_is_refused_with_what_is_wrong(self, reading, data, sentence):
        with pytest.raises(IngestError, match=sentence):
            reading(data)

    def test_bombs_are_cut_off_in_bounded_memory(self, reading, monkeypatch):
        """A small file that decompresses to very much."""
        monkeypatch.setattr(tarball, "MOST_DECOMPRESSED", 32 * 2**20)
        info = tarfile.TarInfo("package/zeros")
        info.size = 2**36
        data = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * (48 * 2**20), compresslevel=1)
        tracemalloc.start()
        try:
            with pytest.raises(IngestError, match="decompresses to more than 32 MiB"):
                reading(data)
            assert tracemalloc.get_traced_memory()[1] < 5 * 2**20
        finally:
            tracemalloc.stop()

    @given(st.binary(max_size=700), st.integers(0, 2**12), st.binary(min_size=1, max_size=4))
    def test_damage_leads_to_a_sentence_or_to_the_same_package(self, tmp_path_factory, noise, position, change):
        path = tmp_path_factory.getbasetemp() / "damaged"
        whole = tarred([("package/package.json", package_json()), ("package/x", b"y" * 600)])
        damaged = bytearray(whole)
        damaged[position : position + len(change)] = change
        for data in (bytes(damaged), gzip.compress(bytes(damaged)), whole[:position], noise):
            path.write_bytes(data)
            try:
                found = read(path, "acme-1.0.0.tgz", "acme", "1.0.0")
            except IngestError as error:
                assert str(error)
            else:
                assert [each.content_path for each in found.manifests] == [ingest.CONTENT_PATH]

    def test_the_file_is_closed(self, reading, monkeypatch):
        opened = []
        real = tarball.contents
        monkeypatch.setattr(tarball, "contents", lambda file: opened.append(file) or real(file))
        with pytest.raises(IngestError):
            reading(b"hello")
        reading(packed())
        assert [file.closed for file in opened] == [True, True]
        assert not isinstance(opened[0], io.BytesIO)
