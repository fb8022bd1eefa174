"""Archives of image layouts, read: what is found in good ones, and the sentence that bad ones are refused with."""

from __future__ import annotations

import hashlib
import json
import os
import resource
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.reading import IngestError, Reading
from keygenreg.engines.oci.image_layout import Bounds
from keygenreg.engines.oci.ingest import read
from tests.engines.oci.layouts import (
    CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    EMPTY,
    INDEX,
    LAYER,
    MANIFEST,
    REF_NAME,
    Layout,
    as_json,
    descriptor,
    digest_of,
    gz,
    multi_platform,
    platform,
    simple,
    tar_of,
    zst,
)


class Reader:
    """Reads archives as the registry does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, archive: bytes | Layout, filename: str = "image.tar", **more) -> Reading:
        content = archive.tar() if isinstance(archive, Layout) else archive
        path = self.folder / "stored"
        path.write_bytes(content)
        reading = read(path, filename, "app", "1.0.0", scratch=self.folder, **more)
        source = reading.unpacked.read if reading.unpacked else None
        if source is not None:
            reading.unpacked.seek(0)
            content = reading.unpacked.read()
            reading.unpacked.close()
        for part in reading.parts:
            end = part.offset + part.content_length
            found = content[part.offset : end] if part.content is None else part.content
            assert hashlib.sha256(found).hexdigest() == part.sha256
            assert len(found) == part.content_length
        assert os.listdir(self.folder) == ["stored"]
        return reading

    def refused(self, archive: bytes | Layout, filename: str = "image.tar", **more) -> str:
        with pytest.raises(IngestError) as caught:
            self(archive, filename, **more)
        return caught.value.sentence


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def paths(reading: Reading) -> list[str]:
    return [part.content_path for part in reading.parts]


class TestGoodLayouts:
    def test_one_platform(self, reader: Reader):
        """An index with one image: the rows that engines.md names, in its order."""
        layout = Layout()
        image = layout.image(b"the layer", config=b'{"os":"linux"}')
        listed = layout.index(image)
        reading = reader(layout.add(listed))
        assert [found.content_digest for found in reading.manifests] == [listed["digest"], image["digest"]]
        assert [found.content_type for found in reading.manifests] == [INDEX, MANIFEST]
        assert [found.content.encode() for found in reading.manifests] == [
            layout.content(listed), layout.content(image)
        ]  # fmt: skip
        assert [part.content_type for part in reading.parts] == [
            "application/vnd.oci.layout.header.v1+json", INDEX, INDEX, MANIFEST, LAYER, CONFIG
        ]  # fmt: skip
        assert paths(reading)[:2] == ["oci-layout", "index.json"]
        assert paths(reading)[4] == f"blobs/{digest_of(b'the layer').replace(':', '/')}"

    @pytest.mark.parametrize("pack", [bytes, gz, zst, lambda tar: gz(tar[:1000]) + gz(tar[1000:])])
    def test_compressed_or_not(self, reader: Reader, pack):
        reading = reader(pack(multi_platform().tar()), "image.tar.gz")
        assert len(reading.manifests) == 3

    @pytest.mark.parametrize(
        ("filename", "number"),
        [("a.tar", 1), ("a.TAR.GZ", 1), ("a.tgz", 1), ("a.tar.zst", 1), ("dir/image", 1), ("a.zip", 0), ("a.txt", 0)],
    )
    def test_only_archives_are_read(self, reader: Reader, filename: str, number: int):
        assert len(reader(simple(), filename).manifests) == number

    def test_other_files_without_ending(self, reader: Reader):
        assert reader(b"The license of this program is long." * 50, "LICENSE") == Reading()

    @pytest.mark.parametrize("prefix", ["", "./", "././"])
    def test_names_with_a_dot(self, reader: Reader, prefix: str):
        assert len(reader(simple().tar(prefix=prefix)).parts) == 5

    def test_order_of_files_does_not_matter(self, reader: Reader):
        layout = multi_platform()
        first = reader(layout.tar())
        names = sorted(layout.files, reverse=True)
        second = reader(layout.tar(order=[*names, "index.json"]))
        assert first.manifests == second.manifests
        assert paths(first) == paths(second)

    @pytest.mark.parametrize("format", [0, 1, 2])
    def test_dialects_of_tar(self, reader: Reader, format: int):
        layout = simple()
        files = [*layout.files.items(), ("index.json", layout.index_json), ("x" * 90, b"unused")]
        assert len(reader(tar_of(files, format=format)).parts) == 5

    def test_docker_types(self, reader: Reader):
        layout = Layout()
        image = layout.image(b"layer", media_type=DOCKER_MANIFEST, **platform("amd64"))
        reading = reader(layout.add(layout.index(image, media_type=DOCKER_LIST)))
        assert [found.content_type for found in reading.manifests] == [DOCKER_LIST, DOCKER_MANIFEST]

    def test_platforms_side_by_side(self, reader: Reader):
        """Several platforms in index.json itself: it is what clients choose from."""
        layout = multi_platform(nested=False)
        reading = reader(layout)
        assert [found.content_type for found in reading.manifests] == [MANIFEST, MANIFEST, INDEX]
        assert reading.manifests[2].content.encode() == layout.index_json
        assert [found.metadata.get("root") for found in reading.manifests] == [1, 1, 0]

    def test_nested_indexes(self, reader: Reader):
        layout = Layout()
        inner = layout.index(layout.image(b"deep"))
        reading = reader(layout.add(layout.index(layout.index(inner))))
        assert len(reading.manifests) == 4

    def test_bytes_are_kept(self, reader: Reader):
        """White space, unknown members, repeated members and a byte order mark: nothing is written anew."""
        layout = Layout()
        config, layer = layout.blob(b"{}", CONFIG), layout.blob(b"x", LAYER)
        text = (
            '\ufeff{"schemaVersion":2,   "b":1,"a":2,"a":3,"future":{"x":[null]},"config":'
            + json.dumps(config) + ',\n"layers":[' + json.dumps(layer) + "]}\n"
        )  # fmt: skip
        reading = reader(layout.add(layout.blob(text.encode(), MANIFEST)))
        assert reading.manifests[0].content.encode() == text.encode()

    def test_sha512(self, reader: Reader):
        layout = simple(b"a layer", algorithm="sha512")
        reading = reader(layout)
        assert reading.manifests[0].content_digest.startswith("sha512:")
        assert all(part.content_digest.startswith("sha512:") for part in reading.parts[2:])

    def test_unreferenced_blobs_are_left_out(self, reader: Reader):
        layout = simple()
        layout.blob(b"nobody wants this", LAYER)
        assert digest_of(b"nobody wants this") not in [part.content_digest for part in reader(layout).parts]

    def test_shared_content_is_listed_once(self, reader: Reader):
        layout = multi_platform()
        digests = [part.content_digest for part in reader(layout).parts]
        assert digests.count(digest_of(b"shared layer")) == 1

    def test_empty_blob(self, reader: Reader):
        assert digest_of(b"") in [part.content_digest for part in reader(simple(b"")).parts]


class TestArtifacts:
    def test_type_subject_and_annotations(self, reader: Reader):
        layout = Layout()
        image = layout.image(b"the image")
        about = layout.image(
            b"a signature", config=b"{}", config_type=EMPTY,
            fields={"artifactType": "application/x.signature", "subject": image, "annotations": {"who": "me"}},
        )  # fmt: skip
        reading = reader(layout.add(image, about))
        facts = {found.content_digest: found.metadata for found in reading.manifests}
        assert facts[about["digest"]]["subject"] == image["digest"]
        assert facts[about["digest"]]["artifact_type"] == "application/x.signature"
        assert facts[about["digest"]]["aside"] is True
        assert "aside" not in facts[image["digest"]]

    def test_subject_may_be_absent(self, reader: Reader):
        layout = Layout()
        missing = descriptor(b"elsewhere", MANIFEST)
        reading = reader(layout.add(layout.image(b"x", fields={"subject": missing})))
        assert reading.manifests[0].metadata["subject"] == missing["digest"]

    def test_type_of_the_configuration_stands_in(self, reader: Reader):
        reading = reader(simple(config_type="application/vnd.cncf.helm.config.v1+json"))
        assert reading.manifests[0].metadata["artifact_type"] == "application/vnd.cncf.helm.config.v1+json"

    def test_empty_object_may_be_absent(self, reader: Reader):
        layout = simple(b"x", config=b"{}", config_type=EMPTY)
        del layout.files[f"blobs/{digest_of(b'{}').replace(':', '/')}"]
        parts = {part.content_digest: part for part in reader(layout).parts}
        assert parts[digest_of(b"{}")].content == b"{}"

    def test_embedded_data(self, reader: Reader):
        layout = Layout()
        config = descriptor(b"inside", CONFIG, data=b64encode(b"inside").decode())
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
        parts = {part.content_digest: part for part in reader(layout.add(layout.blob(as_json(body), MANIFEST))).parts}
        assert parts[digest_of(b"inside")].content == b"inside"

    @pytest.mark.parametrize("data", ["!!!", b64encode(b"other").decode(), 7, ""])
    def test_wrong_embedded_data(self, reader: Reader, data):
        layout = Layout()
        config = descriptor(b"inside", CONFIG, data=data)
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
        assert digest_of(b"inside") in reader.refused(layout.add(layout.blob(as_json(body), MANIFEST)))

    def test_attestations_are_no_images(self, reader: Reader):
        """BuildKit's extra manifests are stored and never stand for the release."""
        layout = Layout()
        image = layout.image(b"x", **platform("amd64"))
        marked = {"vnd.docker.reference.type": "attestation-manifest"}
        about = layout.image(b"in-toto", annotations=marked, **platform("unknown", "unknown"))
        reading = reader(layout.add(layout.index(image, about)))
        facts = {found.content_digest: found.metadata for found in reading.manifests}
        assert facts[about["digest"]]["aside"] is True

    def test_old_artifact_manifest(self, reader: Reader):
        layout = Layout()
        kind = "application/vnd.oci.artifact.manifest.v1+json"
        body = {"mediaType": kind, "artifactType": "a/b", "blobs": [layout.blob(b"stuff", "text/plain")]}
        reading = reader(layout.add(layout.blob(as_json(body), kind)))
        assert reading.manifests[0].metadata["artifact_type"] == "a/b"
        assert digest_of(b"stuff") in [part.content_digest for part in reading.parts]

    def test_opaque_root(self, reader: Reader):
        """Something in an index that is no manifest at all is a blob."""
        layout = Layout()
        layout.add(layout.blob(b"anything", "application/x.thing"), layout.image(b"x"))
        reading = reader(layout)
        assert len(reading.manifests) == 1
        assert digest_of(b"anything") in [part.content_digest for part in reading.parts]


class TestTags:
    @pytest.mark.parametrize(
        ("annotation", "tags"),
        [
            ("stable", ["stable"]), ("docker.io/library/app:2.1", ["2.1"]), ("host:5000/app", None), ("a b", None),
            ("host:5000/app:x@sha256:" + "0" * 64, ["x"]), ("", None), ("-bad", None), ("v" * 129, None),
        ],
    )  # fmt: skip
    def test_annotation(self, reader: Reader, annotation: str, tags: list[str] | None):
        reading = reader(simple(annotations={REF_NAME: annotation}))
        assert reading.manifests[0].metadata.get("tags") == tags

    def test_tags_of_all_below(self, reader: Reader):
        layout = Layout()
        layout.add(layout.index(layout.image(b"x"), annotations={REF_NAME: "one"}))
        assert [found.metadata["tags"] for found in reader(layout).manifests] == [["one"], ["one"]]

    def test_several_tags_of_one_image(self, reader: Reader):
        layout = Layout()
        image = layout.image(b"x")
        layout.add(*({**image, "annotations": {REF_NAME: name}} for name in ("a", "b", "a")))
        assert reader(layout).manifests[0].metadata["tags"] == ["a", "b"]

    def test_one_tag_for_two_images(self, reader: Reader):
        layout = Layout()
        layout.add(*(layout.image(layer, annotations={REF_NAME: "twice"}) for layer in (b"x", b"y")))
        assert "'twice'" in reader.refused(layout)


class TestIncompleteLayouts:
    def test_no_layout_file(self, reader: Reader):
        layout = simple()
        del layout.files["oci-layout"]
        assert "oci-layout" in reader.refused(layout)

    def test_output_of_old_docker_save(self, reader: Reader):
        """The sentence says what to run instead."""
        archive = tar_of([("manifest.json", b"[]"), ("repositories", b"{}"), ("ab/layer.tar", b"")])
        assert "skopeo copy docker-archive:" in reader.refused(archive)

    def test_output_of_new_docker_save(self, reader: Reader):
        """It has both; the layout counts."""
        layout = simple(annotations={"io.containerd.image.name": "docker.io/library/app:1", REF_NAME: "1"})
        layout.files["manifest.json"] = b"[]"
        assert reader(layout).manifests[0].metadata["tags"] == ["1"]

    @pytest.mark.parametrize("text", [b"{}", b'{"imageLayoutVersion":"2.0.0"}', b"[]", b"x", b""])
    def test_wrong_layout_file(self, reader: Reader, text: bytes):
        layout = simple()
        layout.files["oci-layout"] = text
        assert "layout" in reader.refused(layout)

    def test_no_index(self, reader: Reader):
        archive = tar_of(list(simple().files.items()))
        assert "index.json" in reader.refused(archive)

    @pytest.mark.parametrize(
        "text",
        [b"", b"x", b"[]", b"{}", b'{"schemaVersion":1,"manifests":[]}', b'{"schemaVersion":2,"manifests":{}}',
         b'{"schemaVersion":2,"manifests":[]}', b'{"schemaVersion":2,"manifests":[7]}', b"[" * 100_000,
         b'{"schemaVersion":2,"mediaType":"text/plain","manifests":[]}', b"\xff\xfe{}",
         b'{"schemaVersion":2,"manifests":[],"layers":[]}', b'{"schemaVersion":2.0,"manifests":[]}'],
    )  # fmt: skip
    def test_wrong_index(self, reader: Reader, text: bytes):
        layout = simple()
        layout.files["index.json"] = text
        assert "index.json" in reader.refused(layout)

    def test_index_without_media_type(self, reader: Reader):
        layout = simple()
        layout.index_fields = {"schemaVersion": 2}
        assert len(reader(layout).manifests) == 1

    def test_missing_layer_is_named(self, reader: Reader):
        layout = simple(b"gone")
        del layout.files[f"blobs/{digest_of(b'gone').replace(':', '/')}"]
        assert digest_of(b"gone") in reader.refused(layout)

    def test_missing_configuration_is_named(self, reader: Reader):
        layout = simple(config=b"gone")
        del layout.files[f"blobs/{digest_of(b'gone').replace(':', '/')}"]
        assert digest_of(b"gone") in reader.refused(layout)

    def test_damaged_layer_is_named(self, reader: Reader):
        layout = simple(b"sound")
        layout.files[f"blobs/{digest_of(b'sound').replace(':', '/')}"] = b"rotte"
        assert digest_of(b"sound") in reader.refused(layout)

    def test_layer_of_other_size_is_named(self, reader: Reader):
        layout = simple(b"sound")
        layout.files[f"blobs/{digest_of(b'sound').replace(':', '/')}"] = b"longer"
        assert digest_of(b"sound") in reader.refused(layout)

    def test_only_image_is_missing(self, reader: Reader):
        layout = Layout().add(descriptor(b"never", MANIFEST))
        assert digest_of(b"never") in reader.refused(layout)

    def test_missing_nested_index(self, reader: Reader):
        layout = Layout().add(descriptor(b"never", INDEX))
        assert digest_of(b"never") in reader.refused(layout)

    def test_platforms_may_be_left_out_of_an_index(self, reader: Reader):
        layout = Layout()
        here, gone = layout.image(b"x", **platform("amd64")), descriptor(b"gone", MANIFEST, **platform("arm64"))
        assert len(reader(layout.add(layout.index(here, gone))).manifests) == 2

    def test_layers_that_may_not_be_distributed(self, reader: Reader):
        layout = Layout()
        kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
        foreign = descriptor(b"windows", kind, urls=["https://example.com/layer"])
        body = {"schemaVersion": 2, "config": layout.blob(b"{}", CONFIG), "layers": [foreign]}
        reading = reader(layout.add(layout.blob(as_json(body), MANIFEST)))
        assert digest_of(b"windows") not in [part.content_digest for part in reading.parts]


class TestAmbiguousDocuments:
    @pytest.mark.parametrize(
        "change",
        [
            {"manifests": []}, {"schemaVersion": 1}, {"schemaVersion": None}, {"mediaType": INDEX}, {"layers": {}},
            {"config": None}, {"layers": [{}]}, {"artifactType": "no type"}, {"artifactType": 7}, {"subject": "x"},
            {"fsLayers": [], "manifests": []},
        ],
    )  # fmt: skip
    def test_manifest(self, reader: Reader, change: dict):
        layout = Layout()
        layout.add(layout.image(b"x", fields=change))
        assert layout.roots[0]["digest"] in reader.refused(layout)

    @pytest.mark.parametrize("change", [{"layers": []}, {"config": {}}, {"manifests": None}, {"mediaType": MANIFEST}])
    def test_index(self, reader: Reader, change: dict):
        layout = Layout()
        layout.add(layout.index(layout.image(b"x"), fields=change))
        assert layout.roots[0]["digest"] in reader.refused(layout)

    @pytest.mark.parametrize(
        "change",
        [
            {"mediaType": None}, {"mediaType": "text"}, {"mediaType": "text/html; charset=utf-8"},
            {"mediaType": "a/\0"}, {"digest": None}, {"digest": "sha256:../../etc/passwd"}, {"digest": "sha256:"},
            {"digest": "md5:" + "0" * 32},
            {"digest": "sha256:" + "A" * 64}, {"digest": "sha256:" + "a" * 63}, {"digest": "sha256:" + "a" * 65},
            {"digest": "sha256:" + "a" * 10_000}, {"size": -1}, {"size": "1"}, {"size": 1.5}, {"size": True},
            {"size": None}, {"size": 2**70},
        ],
    )  # fmt: skip
    def test_descriptor(self, reader: Reader, change: dict):
        layout = Layout()
        layer = {**layout.blob(b"x", LAYER), **change}
        body = {"schemaVersion": 2, "config": layout.blob(b"{}", CONFIG), "layers": [layer]}
        sentence = reader.refused(layout.add(layout.blob(as_json(body), MANIFEST)))
        assert layout.roots[0]["digest"] in sentence
        assert len(sentence) < 600

    def test_schema_1(self, reader: Reader):
        layout = Layout()
        kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
        assert "schema 1" in reader.refused(layout.add(layout.blob(b"{}", kind)))

    def test_one_digest_with_two_sizes(self, reader: Reader):
        layout = Layout()
        layer = layout.blob(b"four", LAYER)
        body = {"schemaVersion": 2, "config": layout.blob(b"{}", CONFIG), "layers": [layer, {**layer, "size": 5}]}
        assert layer["digest"] in reader.refused(layout.add(layout.blob(as_json(body), MANIFEST)))


class TestHostileArchives:
    @pytest.mark.parametrize(
        "name", ["../x", "/etc/passwd", "blobs/../../x", "a\\b", "C:x", "./../x", "blobs/sha256/.."]
    )
    def test_names_that_lead_outside(self, reader: Reader, name: str):
        layout = simple()
        layout.files[name] = b"evil"
        assert "outside" in reader.refused(layout)

    @pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6"])
    def test_blob_that_is_no_file(self, reader: Reader, kind: bytes):
        import io
        import tarfile

        layout = simple(b"x")
        path = f"blobs/{digest_of(b'x').replace(':', '/')}"
        del layout.files[path]
        out = io.BytesIO(layout.tar())
        with tarfile.open(fileobj=out, mode="a") as archive:
            info = tarfile.TarInfo(path)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        assert "no regular file" in reader.refused(out.getvalue())

    def test_file_twice(self, reader: Reader):
        layout = simple()
        files = [*layout.files.items(), ("index.json", layout.index_json), ("./index.json", layout.index_json)]
        assert "twice" in reader.refused(tar_of(files))

    @pytest.mark.parametrize("cut", [1, 300, 511, 513, 1500])
    def test_cut_short(self, reader: Reader, cut: int):
        assert reader.refused(simple().tar()[:cut])

    @pytest.mark.parametrize("pack", [gz, zst])
    def test_compressed_and_cut_short(self, reader: Reader, pack):
        assert reader.refused(pack(simple(os.urandom(200_000)).tar())[:-60_000], "a.tar.gz")

    def test_huge_index(self, reader: Reader):
        """An index of 1 GB that is all holes is not read."""
        header = bytearray(tar_of([("index.json", b"")])[:512])
        layout = tar_of(list(simple().files.items()))
        header[124:136] = b"%011o\0" % (1 << 30)
        header[148:156] = b"        "
        header[148:156] = b"%06o\0 " % sum(header)
        path = reader.folder / "stored"
        with path.open("wb") as file:
            file.write(layout.rstrip(b"\0").ljust(-(-len(layout.rstrip(b"\0")) // 512) * 512, b"\0") + bytes(header))
            file.truncate(file.tell() + (1 << 30) + 1024)
        with pytest.raises(IngestError, match=r"index.json has 1073741824 bytes"):
            read(path, "a.tar", "app", "1", scratch=reader.folder)

    @pytest.mark.parametrize("number", [b"\xff" * 12, b"-0000000001\0", b"99999999999\0"])
    def test_negative_and_wrong_sizes(self, reader: Reader, number: bytes):
        block = bytearray(simple().tar())
        block[124:136] = number
        block[148:156] = b"        "
        block[148:156] = b"%06o\0 " % sum(block[:512])
        assert reader.refused(bytes(block))

    @pytest.mark.parametrize("pack", [gz, zst])
    def test_decompression_bomb(self, reader: Reader, pack):
        """64 MiB of zeros in a few KiB: refused at the limit, whatever more there is."""
        bomb = pack(b"\0" * (64 << 20))
        assert "limit" in reader.refused(bomb, "a.tar.gz", most_unpacked=1 << 20)

    def test_memory_is_bounded(self, reader: Reader):
        """A layer of 96 MiB leaves no trace in memory."""
        layout = simple(b"\0" * (96 << 20))
        path = reader.folder / "stored"
        path.write_bytes(layout.tar())
        del layout
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert read(path, "a.tar", "app", "1", scratch=reader.folder).manifests
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024

    def test_depth(self, reader: Reader):
        layout = Layout()
        found = layout.image(b"x")
        for _ in range(10_000):
            found = layout.index(found)
        assert "nested" in reader.refused(layout.add(found))

    def test_many_documents(self, reader: Reader):
        layout = Layout()
        layout.add(layout.index(*(layout.image(b"%d" % number) for number in range(30))))
        assert "more than 20 indexes" in reader.refused(layout, bounds=Bounds(documents=20))

    def test_many_bytes_of_documents(self, reader: Reader):
        assert "together" in reader.refused(multi_platform(), bounds=Bounds(all=1500))

    def test_large_document(self, reader: Reader):
        layout = Layout()
        layout.add(layout.image(b"x", fields={"annotations": {"a": "x" * (5 << 20)}}))
        assert layout.roots[0]["digest"] in reader.refused(layout)

    def test_many_parts(self, reader: Reader):
        layout = simple(*(b"%d" % number for number in range(30)))
        assert "parts" in reader.refused(layout, bounds=Bounds(parts=20))

    def test_the_same_manifest_many_times(self, reader: Reader):
        """A document that is listed over and over is read once."""
        layout = Layout()
        image = layout.image(b"x")
        layout.add(layout.index(*[layout.index(*[image] * 1000, fields={"n": n}) for n in range(20)]))
        assert len(reader(layout).manifests) == 22

    @given(data=st.data())
    def test_any_damage_is_an_ingest_error(self, tmp_path_factory, data):
        """Whatever bytes are changed: it is read, or refused with a sentence; never anything else."""
        archive = bytearray(multi_platform().tar())
        for _ in range(data.draw(st.integers(1, 8))):
            archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
        folder = tmp_path_factory.mktemp("damage")
        (folder / "x").write_bytes(bytes(archive))
        try:
            read(folder / "x", "a.tar", "app", "1", scratch=folder)
        except IngestError as refused:
            assert refused.sentence.isprintable()
