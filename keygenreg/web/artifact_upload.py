"""From received bytes to an artifact that has them: durable before it is told, never half visible (decision 12).

A crash at any point leaves either an artifact without bytes, or one with all of them and its processing on record;
bytes that nobody came to own are found by the collector through their row in ``blobs``, which comes before them.
"""

from __future__ import annotations

from typing import Any

from keygenreg.database.queries.uploads import (
    ARTIFACT_REFUSED,
    ARTIFACT_STORED,
    BLOB_EXPECTED,
    BLOB_STORED,
    JOB_ADDED,
    LOCK_BLOB,
    UPLOAD_TARGET,
)
from keygenreg.database.transactions import Transaction
from keygenreg.domain import checksum
from keygenreg.domain.failures import BadRequest, Conflict, NotFound, Unprocessable
from keygenreg.formats.media_types import by_filename, parse_media_type, storable
from keygenreg.storage.interface import Digests, Incoming
from keygenreg.web.delivery import UploadTicket
from keygenreg.web.parts import Parts

# What tools say of a body when nobody told them: less than the file's name does.
_SAID_WITHOUT_THINKING = frozenset({"application/x-www-form-urlencoded"})


async def take_in(parts: Parts, ticket: UploadTicket, incoming: Incoming, content_type: str | None) -> str:
    """
    Give received bytes to the artifact of a ticket; returns when they are stored and, if that is quick, processed.

    :param content_type: as the sender called them.
    :return: the SHA-256 of the bytes, in hex.
    :raises NotFound: the artifact is gone. Conflict: it has its bytes already. BadRequest: another size was declared.
        Unprocessable: they do not match the declared checksum; the artifact is FAILED.
    """
    digests = await incoming.finish()
    await parts.database.execute(BLOB_EXPECTED, sha256=digests.sha256, size=digests.size)

    async def work(transaction: Transaction) -> str | Unprocessable:
        artifact = await _target(transaction, ticket, digests)
        mismatch = _mismatch(artifact["checksum"], digests)
        if mismatch is not None:
            await transaction.execute(ARTIFACT_REFUSED, artifact=ticket.artifact_id, reason=mismatch)
            return Unprocessable(mismatch, "CHECKSUM_MISMATCH")
        status = "PROCESSING" if parts.reads(artifact["engine"]) else "UPLOADED"
        await transaction.rows(LOCK_BLOB, sha256=digests.sha256)
        # Safe to repeat, as a transaction may be: adopted bytes stay where they are.
        await parts.blobs.adopt(incoming)
        await _record(transaction, artifact, digests, _stored_type(content_type, artifact["filename"]), status)
        return status

    outcome = await parts.database.transact(work)
    if isinstance(outcome, Unprocessable):
        raise outcome
    if outcome == "PROCESSING":
        await parts.process(ticket.artifact_id)
    return digests.sha256


async def _target(transaction: Transaction, ticket: UploadTicket, digests: Digests) -> dict[str, Any]:
    """The artifact, locked, if it may have these bytes."""
    artifact = await transaction.maybe(UPLOAD_TARGET, artifact=ticket.artifact_id, account=ticket.account_id)
    if artifact is None:
        raise NotFound("The artifact is gone; create it again to upload its file.")
    if artifact["status"] in ("PROCESSING", "UPLOADED"):
        raise Conflict("The artifact has its file already; delete it to upload another one.")
    if artifact["filesize"] not in (None, digests.size):
        raise BadRequest(f"The file has {digests.size} bytes where {artifact['filesize']} were announced.")
    return artifact


async def _record(
    transaction: Transaction, artifact: dict[str, Any], digests: Digests, content_type: str, status: str
) -> None:
    others = {word: digests.others.get(word) for word in ("sha512", "sha1", "md5")}
    await transaction.execute(BLOB_STORED, sha256=digests.sha256, size=digests.size, **others)
    await transaction.execute(
        ARTIFACT_STORED,
        artifact=artifact["id"],
        status=status,
        sha256=digests.sha256,
        size=digests.size,
        content_type=content_type,
        etag=f"sha256:{digests.sha256}",
    )
    if status == "PROCESSING":
        await transaction.execute(JOB_ADDED, artifact=artifact["id"])


def _mismatch(declared: str | None, digests: Digests) -> str | None:
    """Why the bytes are not those that were declared, as a sentence; free text declares nothing (decision 13)."""
    wanted = checksum.infer(declared)
    if wanted is None:
        return None
    computed = {"sha256": digests.sha256, **digests.others}
    if checksum.matches(wanted, computed) is not False:
        return None
    return (
        f"The file's {wanted.algorithm} is {computed[wanted.algorithm]}, but the declared checksum is {wanted.hex}; "
        "upload the right file, or create the artifact again with the right checksum."
    )


def _stored_type(given: str | None, filename: str) -> str:
    """The content type to keep: as given, unless it says nothing."""
    found = storable(given)
    if found is None or parse_media_type(found).essence in _SAID_WITHOUT_THINKING:
        return by_filename(filename)
    return found
