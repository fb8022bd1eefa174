"""Publishes a release step by step: product, package, release, files, publication, tag.

Every step looks before it acts, so that a run that broke off can be repeated: what is there already stays, what is
missing is made. Nothing of other content is ever replaced.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from attrs import field, frozen

from keygenreg.command.publication import Publication, filetype_of
from keygenreg.command.registry_client import Refused, RegistryClient, RegistryError
from keygenreg.domain.checksum import infer

_CHUNK = 256 * 1024
#: Seconds between looks at an artifact that is being processed, and how long that may take in all.
_FIRST_WAIT, _LONGEST_WAIT, _PATIENCE = 0.1, 2.0, 900.0


class Report(Protocol):
    """Tells the person at the terminal how it goes."""

    def say(self, line: str) -> None:
        """Something has been done."""

    def progress(self, label: str, size: int) -> Callable[[int], None]:
        """A file of some bytes begins; the function is told of bytes that are through."""


@frozen
class Publisher:
    """
    :param sleep: waits for some seconds.
    """

    client: RegistryClient
    report: Report
    _sleep: Callable[[float], None] = field(default=time.sleep, kw_only=True)

    def run(self, wanted: Publication) -> None:
        """:raises RegistryError: the release could not be published; the text says why and what to do."""
        package = self._package(wanted)
        release = self._release(wanted, package)
        for file in wanted.files:
            self._artifact(wanted, release, file)
        if release["attributes"]["status"] != "PUBLISHED":
            self.client.request("POST", f"/releases/{release['id']}/actions/publish")
        if wanted.tag is not None and release["attributes"]["tag"] != wanted.tag:
            self._move_tag(wanted.tag, release, package)
        engine = package["attributes"]["engine"]
        self.report.say(f"published {wanted.title}" + (f" ({engine})" if engine else ""))

    def _package(self, wanted: Publication) -> dict[str, Any]:
        found = self._find_package(wanted)
        if found is None:
            if wanted.engine is None:
                raise RegistryError(f"There is no package {wanted.package} yet; say with --engine what it is.")
            product = self._product(wanted)
            attributes = {"name": wanted.package, "key": wanted.package, "engine": wanted.engine}
            found = self._create("packages", attributes, product=product)
            self.report.say(f"created package {wanted.package} ({wanted.engine})")
        elif wanted.product is not None:
            product = self._product(wanted)
            if found["relationships"]["product"]["data"]["id"] != product["id"]:
                raise RegistryError(f"Package {wanted.package} belongs to another product than {wanted.product}.")
        return found

    def _find_package(self, wanted: Publication) -> dict[str, Any] | None:
        """The package of the wanted engine: keys are unique for each engine only."""
        path = f"/packages/{quote(wanted.package, safe='')}"
        found = self.client.find(path, **({"engine": wanted.engine} if wanted.engine else {}))
        if found is None or wanted.engine in (None, found["attributes"]["engine"]):
            return found
        for each in self._pages("/packages", engine=wanted.engine):
            if each["attributes"]["key"] == wanted.package and each["attributes"]["engine"] == wanted.engine:
                return each
        return None

    def _pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        number = 1
        while True:
            page = self.client.get(path, **query, **{"page[number]": str(number), "page[size]": "100"}).data
            yield from page
            if len(page) < 100:
                return
            number += 1

    def _product(self, wanted: Publication) -> dict[str, Any]:
        code = wanted.product or wanted.package
        found = self.client.find(f"/products/{quote(code, safe='')}")
        if found is None:
            attributes = {"name": code, "code": code}
            if wanted.strategy:
                attributes["distributionStrategy"] = wanted.strategy
            found = self._create("products", attributes)
            self.report.say(f"created product {code} ({found['attributes']['distributionStrategy']})")
        elif wanted.strategy not in (None, found["attributes"]["distributionStrategy"]):
            strategy = found["attributes"]["distributionStrategy"]
            raise RegistryError(f"Product {code} is {strategy} already; this command does not change who may read it.")
        return found

    def _release(self, wanted: Publication, package: dict[str, Any]) -> dict[str, Any]:
        # A look-up by version finds tags too, so a release tagged like the wanted version must not be mistaken for it.
        found = self.client.find(f"/releases/{quote(wanted.version, safe='')}", package=package["id"])
        if found is not None and found["attributes"]["version"] == wanted.version:
            if found["attributes"]["status"] == "YANKED":
                raise RegistryError(f"{wanted.title} was yanked. Choose another version, or restore it with the API.")
            return found
        product = package["relationships"]["product"]["data"]
        attributes = {"version": wanted.version, "channel": wanted.channel}
        made = self._create("releases", attributes, product=product, package=package)
        self.report.say(f"created release {wanted.title} on channel {wanted.channel}")
        return made

    def _artifact(self, wanted: Publication, release: dict[str, Any], file: Path) -> None:
        size = file.stat().st_size
        checksum = _sha256(file, self.report.progress(f"reading {file.name}", size))
        path = f"/releases/{release['id']}/artifacts/{quote(file.name, safe='')}"
        found = self.client.find(path)
        if found is None or found["attributes"]["status"] in ("WAITING", "FAILED"):
            found = self._upload(wanted, release, file, size, checksum)
        elif not _same(found["attributes"], file, size, checksum):
            raise RegistryError(
                f"{wanted.title} holds a {file.name} already, and not this one. Released files do not change: choose "
                "another version."
            )
        else:
            self.report.say(f"{file.name} is there already")
        self._await_processing(file.name, f"/artifacts/{found['id']}")

    def _upload(
        self, wanted: Publication, release: dict[str, Any], file: Path, size: int, checksum: str
    ) -> dict[str, Any]:
        given = {
            "filename": file.name,
            "filetype": wanted.filetype or filetype_of(file.name),
            "filesize": size,
            "platform": wanted.platform,
            "arch": wanted.arch,
            "signature": wanted.signature,
            "checksum": checksum,
        }
        attributes = {name: value for name, value in given.items() if value is not None}
        document = _document("artifacts", attributes, release=release)
        made = self.client.request("POST", "/artifacts", document, headers={"Prefer": "no-redirect"})
        location = made.headers["Location"]
        if not location:
            raise RegistryError("The registry named no place to upload to.")
        advance = self.report.progress(f"uploading {file.name}", size)
        self.client.upload(location, _chunks(file, advance), size)
        self.report.say(f"uploaded {file.name}")
        return made.data

    def _await_processing(self, name: str, path: str) -> None:
        waited, wait = 0.0, _FIRST_WAIT
        while True:
            attributes = self.client.get(path).data["attributes"]
            if attributes["status"] == "UPLOADED":
                return
            if attributes["status"] == "FAILED":
                raise RegistryError(f"{name} was refused: {attributes.get('failureReason') or 'no reason was given'}")
            if waited > _PATIENCE:
                raise RegistryError(f"{name} is still {attributes['status']}; run the same command again later.")
            self._sleep(wait)
            waited, wait = waited + wait, min(2 * wait, _LONGEST_WAIT)

    def _move_tag(self, tag: str, release: dict[str, Any], package: dict[str, Any]) -> None:
        try:
            self._set_tag(release, tag)
        except Refused as error:
            if "TAG_TAKEN" not in error.codes:
                raise
            holder = self.client.find(f"/releases/{quote(tag, safe='')}", package=package["id"])
            if holder is None or holder["attributes"]["tag"] != tag:
                raise
            self._set_tag(holder, None)
            self._set_tag(release, tag)
        self.report.say(f"tagged {tag}")

    def _set_tag(self, release: dict[str, Any], tag: str | None) -> None:
        document = {"data": {"type": "releases", "id": release["id"], "attributes": {"tag": tag}}}
        self.client.request("PATCH", f"/releases/{release['id']}", document)

    def _create(self, kind: str, attributes: dict[str, Any], **related: dict[str, Any]) -> dict[str, Any]:
        return self.client.request("POST", f"/{kind}", _document(kind, attributes, **related)).data


def _document(kind: str, attributes: dict[str, Any], **related: dict[str, Any]) -> dict[str, Any]:
    linked = {name: {"data": {"type": each["type"], "id": each["id"]}} for name, each in related.items()}
    return {"data": {"type": kind, "attributes": attributes, "relationships": linked}}


def _chunks(file: Path, advance: Callable[[int], None]) -> Iterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            yield chunk
            advance(len(chunk))


def _same(attributes: dict[str, Any], file: Path, size: int, sha256: str) -> bool:
    """Whether an artifact holds the file, as far as its recorded checksum tells."""
    recorded = infer(attributes["checksum"])
    if recorded is None or attributes["filesize"] not in (None, size):
        return False
    if recorded.algorithm == "sha256":
        return recorded.hex == sha256
    with file.open("rb") as source:
        return recorded.hex == hashlib.file_digest(source, recorded.algorithm).hexdigest()


def _sha256(file: Path, advance: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(file, advance):
        digest.update(chunk)
    return digest.hexdigest()
