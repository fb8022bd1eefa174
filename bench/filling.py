"""What is in a registry: published through the API once and multiplied in the database, as thousands take long."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import frozen

from bench.images import TAG, Image, layout_archive
from bench.registry import Registry
from keygenreg.domain.version import parse_version
from tests.daemon_fixtures import basic, fetch
from tests.engines.npm.tarballs import package as npm_package
from tests.engines.pypi.archives import metadata, zipped
from tests.engines.rubygems.gems import dependency, gem

#: Version of the release that others are copies of, as long as theirs.
FIRST = "1.1000.0"
_PATIENCE = 180


@frozen
class Licensed:
    """License keys of one policy, and a registry token for each."""

    product: dict
    keys: list[str]

    def basic(self, count: int) -> list[str]:
        """Authorization headers."""
        return [basic("license", key) for key in self.keys[:count]]

    def bearers(self, registry: Registry, repository: str, count: int) -> list[str]:
        """Authorization headers with tokens of the registry's own token endpoint."""
        url = f"{registry.url}/v2/token?scope=repository:{repository}:pull"

        def one(authorization: str) -> str:
            answer = fetch("GET", url, headers={"Authorization": authorization})
            if answer.status != 200:
                raise RuntimeError(f"the token endpoint: {answer}")
            return f"Bearer {answer.json['token']}"

        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(one, self.basic(count)))


def publish_image(registry: Registry, made: Image, product: dict, archive: Path) -> None:
    """Publish as a vendor does; returns when it can be pulled."""
    layout_archive(made, archive)
    package = registry.admin.make_package(product, made.name, "oci")
    release = registry.admin.make_release(product, TAG, package=package)
    put(registry, release, "image.tar", archive)


def put(registry: Registry, release: dict, filename: str, path: Path) -> dict:
    """Upload a file; the artifact when it has been read."""
    artifact = registry.admin.make_artifact(release, filename, path.read_bytes())
    deadline = time.monotonic() + _PATIENCE
    while artifact["attributes"]["status"] == "PROCESSING" and time.monotonic() < deadline:
        time.sleep(0.1)
        artifact = registry.admin.get(f"/artifacts/{artifact['id']}", Prefer="no-download").data
    if artifact["attributes"]["status"] != "UPLOADED":
        raise RuntimeError(f"{filename}: {artifact['attributes']}")
    return artifact


def license_customers(registry: Registry, product: dict, count: int) -> Licensed:
    """Make ``count`` licenses of one policy."""
    keys = [f"BENCH-{secrets.token_hex(12).upper()}" for _ in range(count)]
    first = registry.admin.make_license(registry.admin.make_policy(product), key=keys[0])
    with registry.connect() as connection, connection.cursor() as cursor:
        template = _rows(cursor, "licenses", "id", first["id"])[0]
        _insert(cursor, "licenses", [{**template, "id": str(uuid4()), "key": key} for key in keys[1:]])
    return Licensed(product, keys)


@frozen
class Published:
    """A package with many versions; ``releases`` are ids of some that may be changed."""

    name: str
    releases: list[str]
    first_file: bytes


_WHEEL_FIELDS = {"Metadata_Version": "2.1", "Summary": "For measurements", "Requires_Python": ">=3.9"}


def _wheel(name: str, size: int) -> tuple[str, bytes]:
    document = metadata(**_WHEEL_FIELDS, Name=name, Version=FIRST) + b"Requires-Dist: attrs>=23\n" * 10
    module = name.replace("-", "_")
    folder = f"{module}-{FIRST}.dist-info"
    entries = [(f"{module}.bin", secrets.token_bytes(size)), (f"{folder}/METADATA", document),
               (f"{folder}/WHEEL", b"Wheel-Version: 1.0\n"), (f"{folder}/RECORD", b"")]  # fmt: skip
    return f"{module}-{FIRST}-py3-none-any.whl", zipped(entries)


def _tarball(name: str, _: int) -> tuple[str, bytes]:
    members = {"description": "For measurements", "dependencies": {f"library-{n}": f"^{n}.0.0" for n in range(12)}}
    return f"{name}-{FIRST}.tgz", npm_package(name, FIRST, **members)


def _gem(name: str, _: int) -> tuple[str, bytes]:
    needed = [dependency(f"library-{number}") for number in range(4)]
    return f"{name}-{FIRST}.gem", gem(name, FIRST, dependencies=needed)


_FILES: Mapping[str, Callable[[str, int], tuple[str, bytes]]] = {"pypi": _wheel, "npm": _tarball, "rubygems": _gem}


def publish_versions(
    registry: Registry, product: dict, engine: str, name: str, count: int, size: int = 1024
) -> Published:
    """
    A package of ``count`` versions with one file each: the first is published, the others are copies of its rows.

    :param size: of the files in bytes, roughly; only wheels can be large.
    """
    admin = registry.admin
    package = admin.make_package(product, name, engine)
    release = admin.make_release(product, FIRST, package=package)
    filename, content = _FILES[engine](name, size)
    artifact = admin.make_artifact(release, filename, content)
    if artifact["attributes"]["status"] != "UPLOADED":
        raise RuntimeError(f"{filename}: {artifact['attributes']}")
    with registry.connect() as connection, connection.cursor() as cursor:
        releases = _copies(cursor, release["id"], artifact["id"], count - 1)
    return Published(name, releases, content)


def _copies(cursor: Any, release: str, artifact: str, count: int) -> list[str]:
    templates = {
        "releases": _rows(cursor, "releases", "id", release),
        "artifacts": _rows(cursor, "artifacts", "id", artifact),
        "manifests": _rows(cursor, "manifests", "artifact_id", artifact),
        "descriptors": _rows(cursor, "descriptors", "artifact_id", artifact),
    }
    size = templates["artifacts"][0]["filesize"]
    made: dict[str, list[dict]] = {table: [] for table in ("blobs", *templates)}
    for number in range(1, count + 1):
        version = f"1.{1000 + number}.0"
        sha256 = secrets.token_hex(32)
        new = {"release": str(uuid4()), "artifact": str(uuid4())}
        made["blobs"].append({"sha256": sha256, "size": size, "reference_count": 0, "sha512": secrets.token_hex(64),
                              "sha1": secrets.token_hex(20), "md5": secrets.token_hex(16)})  # fmt: skip
        for table, rows in templates.items():
            for row in rows:
                copy = json.loads(json.dumps(row).replace(FIRST, version))
                copy["id"] = new.get(table[:-1]) or str(uuid4())
                if table == "releases":
                    copy["version_key"] = parse_version(version).sort_key
                else:
                    copy["release_id"] = new["release"]
                if table in ("manifests", "descriptors"):
                    copy["artifact_id"] = new["artifact"]
                if row.get("blob_sha256"):
                    copy["blob_sha256"] = sha256
                made[table].append(copy)
    for table, rows in made.items():
        _insert(cursor, table, rows)
    # As an import does, and else PostgreSQL by itself within a minute.
    cursor.execute("ANALYZE")
    return [row["id"] for row in made["releases"]]


def _rows(cursor: Any, table: str, column: str, value: str) -> list[dict]:
    cursor.execute(f"SELECT to_jsonb(t) FROM {table} t WHERE {column} = %s", (value,))
    return [row[0] for row in cursor.fetchall()]


def _insert(cursor: Any, table: str, rows: list[dict]) -> None:
    """Rows as JSON; columns that they lack or that the database makes itself get their defaults."""
    if not rows:
        return
    cursor.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND table_schema = current_schema() "
        "AND is_generated = 'NEVER'",
        (table,),
    )
    columns = ", ".join(name for (name,) in cursor.fetchall() if name in rows[0] and name != "ordinal")
    cursor.execute(
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s)",
        (json.dumps(rows),),
    )
