"""Artifacts as their readers see them: look-ups by id, the bytes' whereabouts, and what a download sets going."""

from __future__ import annotations

from keygenreg.database.query import Query

#: Whether anybody at all may read an artifact ``a`` of :data:`visible_artifacts`: a column for SELECT lists.
READABLE_BY_ALL = """(a.release_status = 'PUBLISHED'
    AND EXISTS (SELECT 1 FROM products open WHERE open.id = a.product_id AND open.distribution_strategy = 'OPEN')
    AND NOT EXISTS (SELECT 1 FROM constraints demand WHERE demand.release_id = a.release_id)) AS public"""

#: The id of an artifact ``a`` of :data:`visible_artifacts`, a slash, and what tells its state and that of its release
#: from any other; see ``schema/0010_editions.sql``.
EDITION = "concat_ws('/', a.id, a.edition, a.release_edition)"

ARTIFACT = Query(
    "artifact by id",
    f"SELECT a.*, {READABLE_BY_ALL} FROM visible_artifacts a WHERE a.id = %(id)s",
)
MANIFEST_AT = Query(
    "manifest at a path of an artifact",
    """SELECT m.content, m.content_type, m.content_digest, m.updated FROM manifests m
    JOIN visible_artifacts a ON a.id = m.artifact_id
    WHERE m.artifact_id = %(artifact)s AND m.content_path = %(path)s ORDER BY m.created, m.ordinal LIMIT 1""",
)
PART_AT = Query(
    "stored part at a path of an artifact",
    """SELECT d.blob_sha256, d.content_type, d.content_length, d.content_path, d.updated FROM descriptors d
    JOIN visible_artifacts a ON a.id = d.artifact_id
    WHERE d.artifact_id = %(artifact)s AND d.content_path = %(path)s AND d.blob_sha256 IS NOT NULL
    ORDER BY d.created, d.ordinal LIMIT 1""",
)
CLOCK = Query(
    "license whose first download starts its time",
    """SELECT p.duration, p.expiration_basis FROM licenses l JOIN policies p ON p.id = l.policy_id
    WHERE l.id = %(license)s AND l.expiry IS NULL AND p.expiration_basis = 'FROM_FIRST_DOWNLOAD'
    AND p.duration IS NOT NULL""",
    unscoped="the license is the bearer itself",
)
START_CLOCK = Query(
    "start a license's time",
    "UPDATE licenses SET expiry = %(expiry)s, updated = now() WHERE id = %(license)s AND expiry IS NULL",
    unscoped="the license is the bearer itself",
)
