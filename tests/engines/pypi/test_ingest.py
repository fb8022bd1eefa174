"""What is read from good uploads, and which uploads are stored without being read."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile

import pytest

from keygenreg.domain.reading import IngestError, Reading
from keygenreg.engines.pypi import ingest

from . import archives
from .archives import METADATA, SDIST_NAME, WHEEL_NAME, metadata


@pytest.fixture
def read(tmp_path):
    """Ingest bytes under a file name."""

    def ingested(data: bytes, filename: str = WHEEL_NAME, *, package: str = "acme", version: str = "1.0.0") -> Reading:
        path = tmp_path / "stored"
        path.write_bytes(data)
        return ingest.read(path, filename, package, version)

    return ingested


def only(reading: Reading):
    (manifest,) = reading.manifests
    return manifest


class TestWheels:
    def test_sidecar_is_the_exact_document(self, read):
        """Served beside the wheel, so byte for byte, with its own digest."""
        manifest = only(read(archives.wheel()))
        assert (manifest.content_path, manifest.content_type) == ("METADATA", "text/plain; charset=utf-8")
        assert manifest.content.encode() == METADATA
        assert manifest.content_digest == f"sha256:{hashlib.sha256(METADATA).hexdigest()}"
        assert manifest.content_length == len(METADATA)

    def test_facts(self, read):
        facts = only(read(archives.wheel())).metadata
        assert (facts["name"], facts["version"], facts["requires_python"]) == ("acme", "1.0", ">=3.9")
        assert facts["summary"] == "Makes everything"
        assert facts["matches_release"] is True

    @pytest.mark.parametrize("version", ["2.0.0", "1.0.0-rc.1.2"])
    def test_version_may_differ_from_the_release(self, read, version):
        """Semantic versions cannot say all that PEP 440 can; it is noted, not refused."""
        assert only(read(archives.wheel(), version=version)).metadata["matches_release"] is False

    def test_prerelease_matches_in_its_own_spelling(self, read):
        data = archives.wheel(metadata(Version="1.0rc2"), folder="acme-1.0rc2.dist-info")
        manifest = only(read(data, "acme-1.0rc2-py3-none-any.whl", version="1.0.0-rc.2"))
        assert manifest.metadata["matches_release"] is True

    def test_names_are_compared_normalised(self, read):
        """Package key, file name, folder and METADATA may each be spelled in their own way."""
        data = archives.wheel(metadata(Name="Acme.Tools"), folder="acme_tools-1.0.0.dist-info")
        manifest = only(read(data, "ACME_Tools-1.0-py3-none-any.whl", package="acme--tools"))
        assert manifest.metadata["name"] == "acme-tools"

    def test_folder_of_the_artifact_is_ignored(self, read):
        """Artifacts may be named with slashes; clients see the last component."""
        assert only(read(archives.wheel(), f"linux/x86/{WHEEL_NAME}")).content_path == "METADATA"

    def test_stored_members(self, read):
        data = archives.zipped(archives.wheel_entries(), compression=zipfile.ZIP_STORED)
        assert only(read(data)).content.encode() == METADATA

    def test_nested_dist_info_folders_are_vendored_code(self, read):
        entries = [*archives.wheel_entries(), ("acme/_vendor/other-1.0.dist-info/METADATA", b"Name: other\n")]
        assert only(read(archives.zipped(entries))).metadata["name"] == "acme"

    def test_wheel_with_many_members(self, read):
        """More than 16 bits can count, so the zip64 records are read."""
        entries = [*archives.wheel_entries(), *((f"acme/{number}.py", b"") for number in range(66_000))]
        assert only(read(archives.zipped(entries))).metadata["name"] == "acme"

    def test_zip64_sizes(self, read):
        """A writer that does not know sizes in advance uses 64 bits for small members too."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in archives.wheel_entries():
                with archive.open(name, "w", force_zip64=True) as member:
                    member.write(data)
        assert only(read(buffer.getvalue())).content.encode() == METADATA

    def test_zip64_directory(self, read, monkeypatch):
        """Sizes and offsets in the directory's extra fields, as in wheels of more than 4 GiB."""
        monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 40)
        data = archives.wheel()
        assert b"PK\x06\x07" in data
        assert only(read(data)).content.encode() == METADATA

    @pytest.mark.parametrize(
        "document",
        [
            pytest.param(metadata() + b"Author: Ren\xe9\n", id="latin-1"),
            pytest.param(metadata() + b"\nbody\x00", id="nul in the body"),
            pytest.param(metadata(Summary="a\x00b"), id="nul in a field"),
        ],
    )
    def test_document_that_is_no_text_is_not_served(self, read, document):
        """The facts are kept as JSON instead, and are fit for the database."""
        manifest = only(read(archives.wheel(document)))
        assert (manifest.content_path, manifest.content_type) == ("core-metadata.json", "application/json")
        assert json.loads(manifest.content) == manifest.metadata
        assert "\\u0000" not in manifest.content
        assert "\x00" not in manifest.content

    def test_byte_order_mark_and_windows_line_ends_survive(self, read):
        document = metadata(Summary="Gr\u00fc\u00dfe").replace(b"\n", b"\r\n") + b"\r\n\xef\xbb\xbfbody\r\n"
        assert only(read(archives.wheel(document))).content.encode() == document


class TestSourceDistributions:
    @pytest.mark.parametrize("tar_format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
    def test_static_document_is_a_sidecar(self, read, tar_format):
        manifest = only(read(archives.sdist(tar_format=tar_format), SDIST_NAME))
        assert manifest.content_path == "METADATA"
        assert manifest.content.encode() == METADATA

    @pytest.mark.parametrize(
        "document", [metadata(Requires_Python=">=3.9"), metadata(Metadata_Version="2.2", Dynamic="Requires-Dist")]
    )
    def test_other_documents_only_yield_facts(self, read, document):
        """PEP 643: before 2.2, or with dynamic fields, a wheel built from it may say something else."""
        manifest = only(read(archives.sdist(document), SDIST_NAME))
        assert manifest.content_path == "core-metadata.json"
        assert manifest.metadata["version"] == "1.0"

    def test_requires_python_is_read_from_old_documents(self, read):
        manifest = only(read(archives.sdist(metadata(Requires_Python=">=3.9")), SDIST_NAME))
        assert manifest.metadata["requires_python"] == ">=3.9"

    def test_zip(self, read):
        data = archives.zipped(archives.sdist_entries())
        assert only(read(data, "acme-1.0.zip")).content.encode() == METADATA

    def test_leading_dot_and_folders(self, read):
        entries = [
            archives.special("./", tarfile.DIRTYPE),
            archives.special("./acme-1.0/", tarfile.DIRTYPE),
            archives.special("./acme-1.0/link", tarfile.SYMTYPE, target="PKG-INFO"),
            ("./acme-1.0/PKG-INFO", METADATA),
        ]
        assert only(read(gzip.compress(archives.tarred(entries)), SDIST_NAME)).metadata["name"] == "acme"

    @pytest.mark.parametrize("tar_format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
    def test_long_names(self, read, tar_format):
        """Both ways to write a name longer than the header's field."""
        entries = [("acme-1.0/" + "deep/" * 60 + "\u00fcber.py", b"x" * 600), *archives.sdist_entries()]
        data = gzip.compress(archives.tarred(entries, tar_format=tar_format))
        assert only(read(data, SDIST_NAME)).metadata["name"] == "acme"

    def test_global_header_of_git_archives(self, read):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", pax_headers={"comment": "0123"}) as archive:
            for name, data in archives.sdist_entries():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        assert only(read(gzip.compress(buffer.getvalue()), SDIST_NAME)).metadata["name"] == "acme"

    def test_several_gzip_members(self, read):
        """As parallel compressors write them."""
        plain = archives.tarred(archives.sdist_entries())
        data = gzip.compress(plain[:700]) + gzip.compress(b"") + gzip.compress(plain[700:])
        assert only(read(data, SDIST_NAME)).content.encode() == METADATA

    def test_reading_stops_at_the_document(self, read):
        """What follows may be damaged; nobody looks."""
        data = gzip.compress(archives.tarred([("acme-1.0/PKG-INFO", METADATA)]) + b"\x01" * 10_000_000)
        assert only(read(data[: len(data) // 2], SDIST_NAME)).metadata["name"] == "acme"

    def test_document_at_the_end(self, read):
        """Several build tools write PKG-INFO last."""
        entries = [(f"acme-1.0/{number}.bin", bytes(100_000)) for number in range(50)]
        data = gzip.compress(archives.tarred([*entries, ("acme-1.0/PKG-INFO", METADATA)]))
        assert only(read(data, SDIST_NAME)).metadata["name"] == "acme"


class TestOtherFiles:
    @pytest.mark.parametrize(
        "filename",
        ["acme-1.0.egg", "acme-1.0.tar.bz2", "notes.txt", "acme-1.0-py3-none-any.whl.asc", "acme", "", "acme-1.0.WHL"],
    )
    def test_stored_as_they_are(self, read, filename):
        assert read(b"anything", filename) == Reading()

    @pytest.mark.parametrize("filename", ["acme-docs-1.0.tar.gz", "acme-docs.zip", "acme-latest.tar.gz", "x.tar.gz"])
    def test_archives_of_something_else(self, read, filename):
        """Not named like this project's distributions and no distribution of another: none of our business."""
        entries = [("acme-docs/index.html", b"<p>")]
        data = archives.zipped(entries) if filename.endswith(".zip") else gzip.compress(archives.tarred(entries))
        assert read(data, filename) == Reading()
        assert read(b"not even an archive", filename) == Reading()

    def test_distribution_of_another_project_is_refused(self, read):
        """It would be listed nowhere; the vendor took the wrong package."""
        data = archives.sdist(metadata(Name="acme-docs"), top="acme_docs-1.0")
        with pytest.raises(IngestError, match="acme-docs"):
            read(data, "acme_docs-1.0.tar.gz")
        with pytest.raises(IngestError, match="other"):
            read(archives.wheel(), "other-1.0-py3-none-any.whl")


def test_missing_file_is_not_the_vendors_fault(tmp_path):
    """Failures of our own are no IngestError: the job is tried again."""
    with pytest.raises(FileNotFoundError):
        ingest.read(tmp_path / "gone", WHEEL_NAME, "acme", "1.0.0")
