"""What an upload does in the database, in the order in which it does it."""

from __future__ import annotations

from keygenreg.database.query import Query

_TICKET = "the signed upload link names the artifact"

#: Before the bytes get their place: from here on a collector knows them, whatever happens to us.
BLOB_EXPECTED = Query(
    "blob about to be stored",
    """INSERT INTO blobs (sha256, size) VALUES (%(sha256)s, %(size)s)
    ON CONFLICT (sha256) DO UPDATE SET unreferenced = now() WHERE blobs.reference_count = 0""",
    unscoped="content has no owner",
)
UPLOAD_TARGET = Query(
    "artifact being uploaded",
    """SELECT a.id, a.status, a.filename, a.filesize, a.checksum, p.engine FROM artifacts a
    JOIN releases r ON r.id = a.release_id LEFT JOIN packages p ON p.id = r.package_id
    WHERE a.id = %(artifact)s AND a.account_id = %(account)s AND a.status <> 'YANKED' FOR UPDATE OF a""",
    unscoped=_TICKET,
)
#: Whoever adopts or removes a blob holds this until the transaction ends.
LOCK_BLOB = Query(
    "lock of one content",
    "SELECT pg_advisory_xact_lock(hashtextextended(%(sha256)s, 0))",
    unscoped="content has no owner",
)
BLOB_STORED = Query(
    "blob stored",
    """INSERT INTO blobs (sha256, size, sha512, sha1, md5)
    VALUES (%(sha256)s, %(size)s, %(sha512)s, %(sha1)s, %(md5)s)
    ON CONFLICT (sha256) DO UPDATE SET sha512 = coalesce(blobs.sha512, excluded.sha512),
        sha1 = coalesce(blobs.sha1, excluded.sha1), md5 = coalesce(blobs.md5, excluded.md5)""",
    unscoped="content has no owner",
)
ARTIFACT_STORED = Query(
    "artifact's bytes stored",
    """UPDATE artifacts SET status = %(status)s, failure_reason = NULL, blob_sha256 = %(sha256)s,
        content_type = %(content_type)s, content_length = %(size)s, etag = %(etag)s,
        filesize = coalesce(filesize, %(size)s), updated = now()
    WHERE id = %(artifact)s""",
    unscoped=_TICKET,
)
ARTIFACT_REFUSED = Query(
    "artifact's bytes refused",
    "UPDATE artifacts SET status = 'FAILED', failure_reason = %(reason)s, updated = now() WHERE id = %(artifact)s",
    unscoped=_TICKET,
)
JOB_ADDED = Query(
    "processing to be done",
    """INSERT INTO processing_jobs (artifact_id) VALUES (%(artifact)s)
    ON CONFLICT (artifact_id) DO UPDATE SET attempts = 0, leased_until = NULL""",
    unscoped=_TICKET,
)
