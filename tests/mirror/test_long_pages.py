"""Pages that are long enough to be made in a thread: as good as short ones."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from keygenreg.mirror.documents.renderings import LONG
from tests.mirror.conftest import Index
from tests.mirror.fake_index import JSON, FakeProject

MANY = 1500
HTML = "text/html"


@pytest.fixture
def long(project: FakeProject) -> FakeProject:
    """A project of many files, published."""
    for number in range(MANY):
        project.files.append(
            {
                "filename": f"{project.name}-{number}.0-py3-none-any.whl",
                "url": f"../../packages/{project.name}/{number}",
                "hashes": {"sha256": f"{number:064x}"},
                "size": number,
                "upload-time": "2024-01-02T03:04:05.678901Z",
            }
        )
    return project.publish()


def filenames(body: bytes) -> list[str]:
    return [file["filename"] for file in json.loads(body)["files"]]


@pytest.mark.parametrize("accept", [JSON, HTML])
def test_plain_and_compressed_are_the_same(index: Index, long: FakeProject, accept: str):
    plain = index.page(long.name, Accept=accept)
    assert plain.status == 200 and len(plain.body) > LONG
    assert long.files[-1]["filename"].encode() in plain.body
    packed = index.page(long.name, Accept=accept, Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip" and len(packed.body) < len(plain.body) / 2
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert "Accept-Encoding" in packed.headers["Vary"]
    for answer in (plain, packed):
        known = index.page(long.name, Accept=accept, Accept_Encoding="gzip", If_None_Match=answer.headers["ETag"])
        assert (known.status, known.body) == (304, b"")


def test_a_whole_crowd(index: Index, long: FakeProject):
    """All at once, before anybody had it."""
    with ThreadPoolExecutor(16) as pool:
        bodies = {pool.submit(index.page, long.name) for _ in range(16)}
        assert len({each.result().body for each in bodies}) == 1
    assert len(long.upstream.requests(long.page_path)) == 1


def test_changes_show(index: Index, long: FakeProject):
    """What was made of an older page is not given again; nor what was made for another address."""
    before = index.page(long.name)
    long.files.pop()
    long.publish()
    index.grow_old(long.name, 2 * 3600)
    after = index.page(long.name)
    assert filenames(after.body) == filenames(before.body)[:-1]
    assert after.headers["ETag"] != before.headers["ETag"]
    elsewhere = index.page(long.name, Host="elsewhere.test")
    assert elsewhere.body == after.body.replace(index.account.daemon.url.encode(), b"http://elsewhere.test")


def test_claims_count_at_once(index: Index, long: FakeProject):
    assert index.page(long.name).status == 200
    admin = index.account.admin
    admin.make_package(admin.make_product("OPEN"), long.name, "pypi")
    assert filenames(index.page(long.name).body) == []


def test_upload_times_stay(index: Index, long: FakeProject):
    """For installers with a limit of their own."""
    recent = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    long.files[-1]["upload-time"] = recent
    long.publish()
    assert json.loads(index.page(long.name).body)["files"][-1]["upload-time"][:19] == recent[:19]
