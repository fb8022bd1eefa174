"""Artifacts as they are made, changed, deleted and read again (api.md 1.6, 5.2, 5.5; decisions 12-14)."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain import checksum
from keygenreg.domain.failures import Denied, Unprocessable
from keygenreg.domain.identifiers import filetype_fits, normal_filetype, normal_target
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.changes import delete, update
from keygenreg.management.ownership import adopt_environment, require_writable, require_writer
from keygenreg.management.preferences import NO_REDIRECT, preferences
from keygenreg.management.resources.artifacts import document, find
from keygenreg.management.resources.release_rules import whole_account
from keygenreg.management.router import Route
from keygenreg.management.rules import LONGEST_NAME, Problems
from keygenreg.management.schema import Attribute, Parsed, Relationship, Schema
from keygenreg.web.delivery import UploadTicket
from keygenreg.web.reply import Reply

LONGEST_CHECKSUM = 4096
#: Digests that an engine's clients ask for beside SHA-256 (decision 12).
_ALGORITHMS = {"npm": ("sha512", "sha1")}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

RELEASE = Query(
    "release of a new artifact",
    """SELECT r.id, r.product_id, p.engine FROM visible_releases r
    LEFT JOIN packages p ON p.id = r.package_id WHERE r.id = %(id)s""",
)
SAME_NAME = Query(
    "artifact of the same name",
    """SELECT a.id, a.status, a.created > clock_timestamp() - make_interval(secs => %(since)s) AS just_made
    FROM artifacts a WHERE a.release_id = %(release)s AND a.filename = %(filename)s AND a.status <> 'YANKED'
    FOR UPDATE""",
    unscoped="names are unique in a release, seen or not",
)
#: The time is that of the insert, not of the transaction: as close to the answer as can be, see SAME_NAME.
INSERT = Query(
    "insert an artifact",
    """INSERT INTO artifacts (id, account_id, environment_id, release_id, filename, filetype, filesize, platform, arch,
        checksum, signature, metadata, awaited, created, updated)
    SELECT gen_random_uuid(), %(account_id)s, %(environment_id)s, %(release_id)s, %(filename)s, %(filetype)s,
        %(filesize)s, %(platform)s, %(arch)s, %(checksum)s, %(signature)s, %(metadata)s, true, t.now, t.now
    FROM (SELECT clock_timestamp() AS now) t RETURNING *""",
    unscoped="the release was found in the account",
)
REPROCESS = Query(
    "process an artifact again",
    """UPDATE artifacts SET status = CASE status WHEN 'FAILED' THEN 'PROCESSING' ELSE status END,
        failure_reason = NULL, updated = now()
    WHERE id = %(id)s AND blob_sha256 IS NOT NULL AND status IN ('FAILED', 'PROCESSING', 'UPLOADED') RETURNING id""",
    unscoped="the artifact was found through the scope",
)
QUEUE_AGAIN = Query(
    "processing to be done again",
    """INSERT INTO processing_jobs (artifact_id) VALUES (%(id)s)
    ON CONFLICT (artifact_id) DO UPDATE SET attempts = 0""",
    unscoped="the artifact was found through the scope",
)

_CHANGEABLE = {
    "filesize": Attribute("integer", nullable=True),
    "checksum": Attribute(nullable=True),
    "signature": Attribute(nullable=True),
    "metadata": Attribute("metadata"),
}
CREATE = Schema(
    "artifacts",
    {
        "filename": Attribute(required=True, blank=False),
        "filetype": Attribute(nullable=True),
        "platform": Attribute(nullable=True),
        "arch": Attribute(nullable=True),
        **_CHANGEABLE,
    },
    {
        "release": Relationship(("releases",), required=True),
        "environment": Relationship(("environments",), nullable=True),
    },
)
UPDATE = Schema("artifacts", _CHANGEABLE)
_NOTHING_SAID: dict[str, Any] = dict.fromkeys(CREATE.attributes) | {"metadata": {}}


async def create(call: Call) -> Reply:
    """Make the artifact and say where its bytes go."""
    body = read_resource(CREATE, call.body)
    call.grant.require("artifact.create")
    require_writer(call, call.grant.bearer.id if call.grant.role == "product" else None)
    values = _normal(body.attributes)
    environment = adopt_environment(call, body)

    async def work(transaction: Transaction) -> tuple[dict, str | None]:
        release = await _checked(call, transaction, body, values)
        owned = {"account_id": call.account_id, "environment_id": environment, "release_id": release["id"]}
        row = await transaction.one(INSERT, **_NOTHING_SAID | owned | values)
        return row, release["engine"]

    row, engine = await call.database.transact(work)
    ticket = UploadTicket(call.account_id, row["id"], row["filesize"], _algorithms(engine, row["checksum"]))
    url = call.parts.delivery.upload_url(call.exchange.base_url, ticket)
    status = 200 if NO_REDIRECT in preferences(call.exchange) else 307
    return call.reply(status, {"data": document(call, row, redirect=url)}, ("Location", url))


async def _checked(call: Call, transaction: Transaction, body: Parsed, values: dict[str, Any]) -> dict:
    """
    The release to put the artifact in; an artifact of the same name that never got its bytes makes way.

    :raises Denied: the release is another product's. Invalid: with everything that is wrong.
    """
    problems, replaced = Problems(), None
    _check(problems, call, values)
    release = await transaction.maybe(RELEASE, scope=whole_account(call), id=body.reference("release"))
    role = call.grant.role
    if role == "product" and (release is None or release["product_id"] != call.grant.bearer.id):
        raise Denied("The release belongs to another product.")
    if role == "environment" and release is None:
        raise Denied("The release belongs to another environment.")
    if release is None:
        problems.relationship("release", "NOT_FOUND", "must exist")
    else:
        replaced = await _replaceable(problems, call, transaction, release["id"], values["filename"])
    problems.raise_any()
    if replaced is not None:
        await delete(transaction, "artifacts", replaced)
    return release


async def _replaceable(
    problems: Problems, call: Call, transaction: Transaction, release: UUID, filename: str
) -> UUID | None:
    """
    The artifact that a new one of the same name takes over (decision 12).

    One that was made since this request came in is somebody else's, who is uploading at the same time.
    """
    request = call.exchange.request
    since = max(request.channel.site.reactor.seconds() - request.started, 0.0)
    same = await transaction.maybe(SAME_NAME, release=release, filename=filename, since=since)
    if same is None:
        return None
    if same["status"] in ("WAITING", "FAILED") and not same["just_made"]:
        return same["id"]
    problems.add("filename", "TAKEN", "already exists in this release")
    return None


def _normal(values: dict[str, Any]) -> dict[str, Any]:
    normal = {"filetype": normal_filetype, "platform": normal_target, "arch": normal_target}
    return {name: normal[name](value) if name in normal else value for name, value in values.items()}


def _check(problems: Problems, call: Call, values: dict[str, Any]) -> None:
    """The rules that need nothing but the values."""
    names = ("filename", "filetype", "platform", "arch")
    problems.longest(values, dict.fromkeys(names, LONGEST_NAME))
    problems.longest(values, dict.fromkeys(("checksum", "signature"), LONGEST_CHECKSUM))
    most = call.parts.settings.uploads.max_bytes
    if values.get("filesize") is not None and not 0 <= values["filesize"] <= most:
        problems.add("filesize", "INVALID", f"must be from 0 to {most} bytes")
    filename, filetype = values.get("filename"), values.get("filetype")
    if filename is not None:
        if _CONTROL.search(filename) or {".", ".."} & set(filename.split("/")):
            problems.add("filename", "INVALID", "must hold no control characters and no . or .. as a part")
        if filetype and not filetype_fits(filename, filetype):
            problems.add("filename", "EXTENSION_INVALID", f"must end with .{filetype}, as the file type says")
    problems.metadata(values)


def _algorithms(engine: str | None, declared: str | None) -> tuple[str, ...]:
    """What to compute of the bytes beside SHA-256: what the engine shows and what the declared checksum is of."""
    wanted = checksum.infer(declared)
    found = {*_ALGORITHMS.get(engine or "", ()), *([wanted.algorithm] if wanted else [])}
    return tuple(sorted(found - {"sha256"}))


async def _writable(call: Call, artifact: str, permission: str) -> dict:
    """The artifact that the caller wants to write, if it may."""
    row = await find(call, artifact, changing=True)
    call.grant.require(permission)
    require_writable(call, row, product_id=row["product_id"])
    return row


async def change(call: Call, artifact: str) -> Reply:
    row = await _writable(call, artifact, "artifact.update")
    values = read_resource(UPDATE, call.body).attributes
    problems = Problems()
    _check(problems, call, values)
    problems.raise_any()
    changed = await call.database.transact(lambda transaction: update(transaction, "artifacts", row["id"], values))
    if changed is None:
        raise call.not_found("artifact", artifact)
    return call.ok(document(call, changed))


async def remove(call: Call, artifact: str) -> Reply:
    row = await _writable(call, artifact, "artifact.delete")
    await call.database.transact(lambda transaction: delete(transaction, "artifacts", row["id"]))
    return call.no_content()


async def reprocess(call: Call, artifact: str) -> Reply:
    """Read the stored bytes again; the answer shows the outcome if that is quick (decision 14)."""
    row = await _writable(call, artifact, "artifact.update")

    async def work(transaction: Transaction) -> None:
        if await transaction.maybe(REPROCESS, id=row["id"]) is None:
            raise Unprocessable("The artifact has no stored file; create it again and upload the file.")
        await transaction.execute(QUEUE_AGAIN, id=row["id"])

    await call.database.transact(work)
    await call.parts.process(row["id"])
    return call.ok(document(call, await find(call, str(row["id"]))))


ROUTES = (
    Route("POST", "/artifacts", create),
    Route("PATCH", "/artifacts/{artifact*}", change),
    Route("DELETE", "/artifacts/{artifact*}", remove),
    Route("POST", "/artifacts/{artifact*}/actions/reprocess", reprocess),
)
