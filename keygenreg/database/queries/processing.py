"""The queue of uploads to be read, and what housekeeping does to artifacts and blobs.

A job is taken by a lease that its worker keeps extending; one that ran out is taken by anybody.
"""

from __future__ import annotations

from keygenreg.database.query import Query

_OURS = "background work of the whole installation"
_FREE = "(leased_until IS NULL OR leased_until < now())"
_LEASE = "leased_until = now() + make_interval(secs => %(lease)s)"

CLAIM = Query(
    "take one processing job",
    f"""UPDATE processing_jobs SET attempts = attempts + 1, {_LEASE}
    WHERE artifact_id = %(artifact)s AND {_FREE} RETURNING artifact_id, attempts""",
    unscoped=_OURS,
)
CLAIM_NEXT = Query(
    "take the next processing job",
    f"""UPDATE processing_jobs SET attempts = attempts + 1, {_LEASE}
    WHERE artifact_id = (SELECT artifact_id FROM processing_jobs WHERE {_FREE}
                         ORDER BY leased_until NULLS FIRST, created FOR UPDATE SKIP LOCKED LIMIT 1)
    RETURNING artifact_id, attempts""",
    unscoped=_OURS,
)
EXTEND = Query(
    "keep a processing job",
    f"UPDATE processing_jobs SET {_LEASE} WHERE artifact_id = %(artifact)s",
    unscoped=_OURS,
)
JOB_DONE = Query(
    "processing job done", "DELETE FROM processing_jobs WHERE artifact_id = %(artifact)s", unscoped=_OURS
)
SUBJECT = Query(
    "artifact to be read",
    """SELECT a.id, a.account_id, a.environment_id, a.release_id, a.filename, a.filetype, a.status, a.blob_sha256,
        b.size, p.engine, p.key, r.version
    FROM artifacts a JOIN releases r ON r.id = a.release_id LEFT JOIN packages p ON p.id = r.package_id
    LEFT JOIN blobs b ON b.sha256 = a.blob_sha256 WHERE a.id = %(artifact)s""",
    unscoped=_OURS,
)
SUBJECT_LOCKED = Query(
    "artifact that was read",
    "SELECT status, blob_sha256 FROM artifacts WHERE id = %(artifact)s FOR UPDATE",
    unscoped=_OURS,
)
OUTCOME = Query(
    "outcome of processing",
    """UPDATE artifacts SET status = %(status)s, failure_reason = %(reason)s, updated = now()
    WHERE id = %(artifact)s""",
    unscoped=_OURS,
)
FORGET_MANIFESTS = Query(
    "manifests of an earlier reading", "DELETE FROM manifests WHERE artifact_id = %(artifact)s", unscoped=_OURS
)
FORGET_PARTS = Query(
    "parts of an earlier reading", "DELETE FROM descriptors WHERE artifact_id = %(artifact)s", unscoped=_OURS
)
ADD_PART = Query(
    "part found",
    """INSERT INTO descriptors (id, account_id, environment_id, artifact_id, release_id, content_path, content_type,
        content_digest, content_length, blob_sha256, metadata)
    VALUES (gen_random_uuid(), %(account_id)s, %(environment_id)s, %(artifact_id)s, %(release_id)s, %(content_path)s,
        %(content_type)s, %(content_digest)s, %(content_length)s, %(sha256)s, %(metadata)s)""",
    unscoped=_OURS,
)
ADD_MANIFEST = Query(
    "manifest found",
    """INSERT INTO manifests (id, account_id, environment_id, artifact_id, release_id, content_path, content_type,
        content_digest, content_length, content, metadata)
    VALUES (gen_random_uuid(), %(account_id)s, %(environment_id)s, %(artifact_id)s, %(release_id)s, %(content_path)s,
        %(content_type)s, %(content_digest)s, %(content_length)s, %(content)s, %(metadata)s)""",
    unscoped=_OURS,
)
ORPHANS = Query(
    "jobs for artifacts that are PROCESSING without one",
    """INSERT INTO processing_jobs (artifact_id)
    SELECT a.id FROM artifacts a WHERE a.status = 'PROCESSING' AND a.awaited
    AND NOT EXISTS (SELECT 1 FROM processing_jobs j WHERE j.artifact_id = a.id) ON CONFLICT DO NOTHING""",
    unscoped=_OURS,
)
STALE = Query(
    "artifacts whose bytes never came",
    """UPDATE artifacts SET status = 'FAILED', failure_reason = %(reason)s, updated = now()
    WHERE status = 'WAITING' AND awaited AND created < now() - make_interval(secs => %(seconds)s)""",
    unscoped=_OURS,
)
UNREFERENCED = Query(
    "blobs that nobody refers to",
    """SELECT sha256 FROM blobs WHERE reference_count = 0
    AND unreferenced < now() - make_interval(secs => %(grace)s) ORDER BY unreferenced LIMIT %(limit)s""",
    unscoped=_OURS,
)
COLLECT = Query(
    "blob to be removed",
    """DELETE FROM blobs WHERE sha256 = %(sha256)s AND reference_count = 0
    AND unreferenced < now() - make_interval(secs => %(grace)s)""",
    unscoped=_OURS,
)
