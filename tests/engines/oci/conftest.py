"""Shelves that the tests of this folder look at; those that change something make their own store."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import uuid4

import pytest

from keygenreg.assembly.bootstrap import create_account
from tests.daemon_fixtures import Account, Daemon
from tests.engines.oci.layouts import CONFIG, DOCKER_LIST, DOCKER_MANIFEST, EMPTY, REF_NAME, Layout, platform
from tests.engines.oci.store import Store
from tests.management.customers import KEYS

#: 2048 bytes, of which no two stretches are the same.
BLOB = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(64))


def new_account(daemon: Daemon, connection: Any) -> Account:
    slug = f"oci-{uuid4().hex}"
    connection.autocommit = False
    try:
        made = create_account(connection, slug, f"{slug[:20]}@example.com", "admin password", keys=KEYS)
    finally:
        connection.autocommit = True
    return Account(daemon, connection, made)


class Shelf(Store):
    """
    An OPEN store with

    * 1.0.0 (tag ``stable``): an index for amd64 and arm64, one of whose layers is :data:`BLOB`, one empty;
    * 1.1.0: an image in Docker's types, with the tag ``slim`` of the layout;
    * 2.0.0-beta.1+build.5: an image whose digests are sha512;
    * 0.9.0: an image with a signature, a bill of materials and a note attached.
    """

    def __init__(self, account: Account) -> None:
        super().__init__(account, "OPEN", "tools/app")
        self.first = Layout()
        images = [
            self.first.image(BLOB, b"", name.encode(), config=name.encode(), **platform(name))
            for name in ("amd64", "arm64")
        ]
        self.index = self.first.index(*images)
        self.amd64, self.arm64 = images
        self.publish("1.0.0", self.first.add(self.index), tag="stable")
        self.docker = Layout()
        image = self.docker.image(b"docker", media_type=DOCKER_MANIFEST, config_type=CONFIG, **platform("amd64"))
        self.docker_list = self.docker.index(image, media_type=DOCKER_LIST, annotations={REF_NAME: "slim"})
        self.docker_image = image
        self.publish("1.1.0", self.docker.add(self.docker_list))
        self.long = Layout()
        self.long_image = self.long.image(b"long", algorithm="sha512")
        self.publish("2.0.0-beta.1+build.5", self.long.add(self.long_image))
        self.attached = Layout()
        self.subject = self.attached.image(b"subject")
        self.attachments = {
            kind: self._attach(kind) for kind in ("application/x.signature", "application/spdx+json", "text/x-note")
        }
        self.publish("0.9.0", self.attached.add(self.subject, *self.attachments.values()))

    def _attach(self, kind: str) -> dict:
        about = {"about": f"<b>{kind}</b>\x1b[31m"}
        fields = {"artifactType": kind, "subject": self.subject, "annotations": about}
        return self.attached.image(kind.encode(), config=b"{}", config_type=EMPTY, fields=fields)

    @property
    def blob_digest(self) -> str:
        return "sha256:" + hashlib.sha256(BLOB).hexdigest()

    def manifest_bytes(self, found: dict) -> bytes:
        for layout in (self.first, self.docker, self.long, self.attached):
            path = f"blobs/{found['digest'].replace(':', '/')}"
            if path in layout.files:
                return layout.files[path]
        raise KeyError(found["digest"])


@pytest.fixture(scope="session")
def shelf(daemon: Daemon, daemon_connection: Any) -> Shelf:
    """To be read only."""
    return Shelf(new_account(daemon, daemon_connection))


@pytest.fixture(scope="session")
def closed_shelf(daemon: Daemon, daemon_connection: Any) -> Store:
    """A LICENSED store with version 1.0.0; to be read only. ``license`` is one of its product."""
    store = Store(new_account(daemon, daemon_connection), "LICENSED", "app")
    store.publish("1.0.0")
    store.license = store.licensed()
    return store


def errors_of(answer: Any) -> list[dict]:
    """The errors of an answer, whose form is checked."""
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    errors = json.loads(answer.body)["errors"]
    for error in errors:
        assert set(error) >= {"code", "message", "detail", "title"}
        assert error["code"].isupper()
    return errors
