"""A small registry in memory that answers over real HTTP as far as ``keygenreg publish`` asks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

TOKEN = "dev-token"


class RegistryDouble:
    """
    Records by type, in the order they were made; ``requests`` are ``(method, path)`` as they came.

    ``on_upload`` gives an artifact's status and failure reason once its bytes are there; ``busy`` is how many requests
    are answered 503 first.
    """

    def __init__(self) -> None:
        self.records: dict[str, list[dict[str, Any]]] = {
            "products": [], "packages": [], "releases": [], "artifacts": []
        }  # fmt: skip
        self.uploads: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.on_upload: Callable[[str], tuple[str, str | None]] = lambda filename: ("UPLOADED", None)
        self.busy = 0
        double = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                double.requests.append((self.command, self.path))
                status, document, headers = double.respond(self.command, self.path, self.headers, body)
                self.send_response(status)
                content = b"" if document is None else json.dumps(document).encode()
                headers = {"Content-Type": "application/vnd.api+json", "Content-Length": str(len(content))} | headers
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> RegistryDouble:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, kind: str, attributes: dict[str, Any], **related: str) -> dict[str, Any]:
        """A record with defaults; ``related`` are ids by the name of the relationship."""
        defaults = {
            "products": {"distributionStrategy": "LICENSED"},
            "releases": {"status": "DRAFT", "tag": None},
            "artifacts": {"status": "WAITING", "checksum": None, "filesize": None},
        }
        record = {
            "type": kind,
            "id": str(uuid4()),
            "attributes": defaults.get(kind, {}) | attributes,
            "relationships": {name: {"data": {"type": f"{name}s", "id": each}} for name, each in related.items()},
        }
        self.records[kind].append(record)
        return record

    def one(self, kind: str) -> dict[str, Any]:
        (record,) = self.records[kind]
        return record["attributes"]

    def respond(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any, dict[str, str]]:
        parts = urlsplit(target)
        if parts.path.startswith("/-/uploads/"):
            return self._store(parts.path.rpartition("/")[2], headers, body)
        if self.busy:
            self.busy -= 1
            return self.refuse(503, "Service unavailable", "Busy.")
        if headers["Authorization"] != f"Bearer {TOKEN}":
            return self.refuse(401, "Unauthorized", "You must be authenticated.", "TOKEN_INVALID")
        path = [unquote(part) for part in parts.path.removeprefix("/v1/accounts/acme/").split("/")]
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if method == "GET":
            return self._show(path, query)
        if method == "PATCH":
            return self._patch(path[1], json.loads(body)["data"]["attributes"])
        if path[2:] == ["actions", "publish"]:
            self._by_id("releases", path[1])["attributes"]["status"] = "PUBLISHED"
            return 200, {"data": self._by_id("releases", path[1])}, {}
        return self._create(path[0], json.loads(body)["data"], headers)

    @staticmethod
    def refuse(status: int, title: str, detail: str, code: str | None = None, pointer: str | None = None):
        error = {"title": title, "detail": detail, "code": code, "source": {"pointer": pointer}}
        return status, {"errors": [{name: value for name, value in error.items() if value}]}, {}

    def _by_id(self, kind: str, identifier: str) -> dict[str, Any]:
        return next(record for record in self.records[kind] if record["id"] == identifier)

    def _show(self, path: list[str], query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        kind, reference = (path[2], path[3]) if len(path) > 3 else (path[0], path[1] if len(path) > 1 else None)
        found = self.records[kind]
        if "engine" in query:
            found = [each for each in found if each["attributes"]["engine"] == query["engine"]]
        if reference is None:
            start = (int(query["page[number]"]) - 1) * int(query["page[size]"])
            return 200, {"data": found[start : start + int(query["page[size]"])]}, {}
        parent = query.get("package") or (path[1] if len(path) > 3 else None)
        names = {"products": "code", "packages": "key", "artifacts": "filename"}
        for each in found:
            attributes = each["attributes"]
            aliases = {each["id"], attributes.get(names.get(kind)), attributes.get("version"), attributes.get("tag")}
            parents = {link["data"]["id"] for link in each["relationships"].values()}
            if reference in aliases and (parent is None or parent in parents):
                return 200, {"data": each}, {}
        return self.refuse(404, "Not found", f"No {reference}.", "NOT_FOUND")

    def _patch(self, identifier: str, attributes: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        release = self._by_id("releases", identifier)
        for other in self.records["releases"]:
            if attributes["tag"] and other is not release and other["attributes"]["tag"] == attributes["tag"]:
                return self.refuse(422, "Unprocessable resource", "is taken", "TAG_TAKEN", "/data/attributes/tag")
        release["attributes"].update(attributes)
        return 200, {"data": release}, {}

    def _create(self, kind: str, data: dict[str, Any], headers: Any) -> tuple[int, Any, dict[str, str]]:
        related = {name: link["data"]["id"] for name, link in data["relationships"].items()}
        if kind == "artifacts":
            name = data["attributes"]["filename"]
            self.records[kind] = [each for each in self.records[kind] if each["attributes"]["filename"] != name]
        record = self.add(kind, data["attributes"], **related)
        if kind != "artifacts":
            return 201, {"data": record}, {}
        if headers["Prefer"] != "no-redirect":
            return 307, {"data": record}, {"Location": f"{self.url}/elsewhere"}
        return 200, {"data": record}, {"Location": f"{self.url}/-/uploads/{record['id']}"}

    def _store(self, identifier: str, headers: Any, body: bytes) -> tuple[int, Any, dict[str, str]]:
        if "Authorization" in headers:
            return self.refuse(400, "Bad request", "An upload needs no credentials.")
        attributes = self._by_id("artifacts", identifier)["attributes"]
        if attributes["checksum"] != hashlib.sha256(body).hexdigest():
            return self.refuse(422, "Unprocessable entity", "The bytes do not have the announced checksum.")
        self.uploads[attributes["filename"]] = body
        attributes["status"], attributes["failureReason"] = self.on_upload(attributes["filename"])
        return 200, None, {}
