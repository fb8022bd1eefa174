"""Uploads that an engine reads: outcome, reason and another try, as vendors see them (api.md 5.3, decisions 14, 15)."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest

from tests.daemon_fixtures import Account, Answer, fetch
from tests.management.customers import License
from tests.management.test_artifacts_write import post
from tests.management.test_uploads import state


def npm_tarball(name: str, version: str) -> bytes:
    document = json.dumps({"name": name, "version": version}).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(document)
        tar.addfile(entry, io.BytesIO(document))
    return gzip.compress(buffer.getvalue())


def release_of(account: Account, engine: str | None, key: str = "tool") -> dict:
    product = account.admin.make_product()
    package = account.admin.make_package(product, key, engine) if engine else None
    return account.admin.make_release(product, "1.0.0", package=package)


def upload(account: Account, release: dict, filename: str, content: bytes) -> dict:
    made = post(account.admin, release, filename)
    assert fetch("PUT", made.headers["Location"], content).status == 200
    return made.data


BROKEN = {"npm": "tool-1.0.0.tgz", "pypi": "tool-1.0.0-py3-none-any.whl"}


@pytest.mark.parametrize("engine", BROKEN)
def test_ART_19_broken_package(account, engine):
    """What the engine's clients could not use is FAILED and says why; elsewhere the same bytes are just a file."""
    artifact = upload(account, release_of(account, engine), BROKEN[engine], b"this is no package")
    shown = state(account, artifact)
    assert shown["status"] == "FAILED" and len(shown["failureReason"]) > 20
    for other in ("raw", None):
        plain = upload(account, release_of(account, other, "plain"), BROKEN[engine], b"this is no package")
        assert state(account, plain)["status"] == "UPLOADED"
        account.admin.delete("/packages/plain")


def test_good_package_is_read_before_the_answer(account):
    """When the upload is answered the package is there, its manifest too, for a script that goes on at once."""
    release = release_of(account, "npm")
    artifact = upload(account, release, "tool-1.0.0.tgz", npm_tarball("tool", "1.0.0"))
    assert state(account, artifact)["status"] == "UPLOADED"
    [(content,)] = account.sql("SELECT content FROM manifests WHERE artifact_id = %s", artifact["id"])
    assert json.loads(content)["name"] == "tool"


def test_broken_package_can_be_uploaded_again(account):
    release = release_of(account, "npm")
    broken = upload(account, release, "tool-1.0.0.tgz", b"nonsense")
    good = upload(account, release, "tool-1.0.0.tgz", npm_tarball("tool", "1.0.0"))
    assert state(account, good)["status"] == "UPLOADED"
    assert account.admin.get(f"/artifacts/{broken['id']}").status == 404


def again(account: Account, artifact: dict) -> Answer:
    return account.admin.post(f"/artifacts/{artifact['id']}/actions/reprocess")


def test_decision_14_reprocess(account):
    """A FAILED artifact is read again on request, for example after its package has got another engine."""
    artifact = upload(account, release_of(account, "npm"), "tool-1.0.0.tgz", b"nonsense")
    answer = again(account, artifact)
    assert (answer.status, answer.data["attributes"]["status"]) == (200, "FAILED")
    document = {"data": {"type": "packages", "attributes": {"engine": "raw"}}}
    assert account.admin.patch("/packages/tool", document).status == 200
    shown = again(account, artifact).data["attributes"]
    assert (shown["status"], shown["failureReason"]) == ("UPLOADED", None)


def test_reprocess_of_what_was_uploaded_before_the_engine(account):
    """An UPLOADED artifact gets its manifest once its package has an engine that reads it."""
    artifact = upload(account, release_of(account, "raw"), "tool-1.0.0.tgz", npm_tarball("tool", "1.0.0"))
    account.admin.patch("/packages/tool", {"data": {"type": "packages", "attributes": {"engine": "npm"}}})
    assert again(account, artifact).data["attributes"]["status"] == "UPLOADED"
    assert account.sql("SELECT count(*) FROM manifests WHERE artifact_id = %s", artifact["id"]) == [(1,)]


def test_reprocess_needs_bytes_and_a_writer(account):
    release = release_of(account, None)
    waiting = post(account.admin, release).data
    assert again(account, waiting).status == 422
    artifact = upload(account, release, "other.zip", b"x")
    path = f"/artifacts/{artifact['id']}/actions/reprocess"
    product = {"id": release["relationships"]["product"]["data"]["id"]}
    assert License(account, product).token.post(path).status == 403
    assert account.admin.as_().post(path).status == 401
