"""SQL of the PyPI engine."""

from __future__ import annotations

from keygenreg.database.query import Query

PROJECTS = Query(
    "projects of the index",
    """SELECT t.key, t.pypi_name, t.metadata FROM visible_packages t WHERE t.engine = 'pypi'
    ORDER BY t.created DESC, t.ordinal DESC""",
)

# The package whether the caller may see it or not: that decides between 401, 403 and upstream.
PACKAGE = Query(
    "project by name or id",
    """SELECT p.id, p.key, p.pypi_name, p.metadata, pr.distribution_strategy = 'OPEN' AS open,
        EXISTS (SELECT 1 FROM visible_packages v WHERE v.id = p.id) AS visible
    FROM packages p JOIN products pr ON pr.id = p.product_id
    WHERE p.account_id = %(scope_account)s AND p.engine = 'pypi' AND (p.pypi_name = %(name)s OR p.id = %(id)s)
    AND (p.environment_id IS NULL OR p.environment_id = %(scope_environment)s)
    ORDER BY visible DESC, p.created, p.ordinal LIMIT 1""",
)

CLAIMED = Query(
    "whether a name was ever carried",
    "SELECT 1 AS claimed FROM claimed_names WHERE account_id = %(account)s AND engine = 'pypi' AND name = %(name)s",
    unscoped="a claim counts for everybody, whatever they may see (decision 17)",
)

# Times, ids and documents as text: most rows are those of an entry that is made already (entries.py), and need not be
# turned into values.
FILES = Query(
    "files of a project",
    """SELECT a.permitted, a.updated, a.id::text AS id, a.filename, a.checksum, a.metadata::text AS metadata,
        a.created::text AS created, a.release_status, coalesce(b.size, a.content_length, a.filesize, 0) AS size,
        b.sha256, b.sha512, b.sha1, b.md5, r.metadata::text AS release_metadata,
        m.metadata ->> 'requires_python' AS requires_python,
        CASE WHEN m.content_path = 'METADATA' THEN m.content_digest END AS core_digest
    FROM visible_artifacts a
    JOIN releases r ON r.id = a.release_id
    LEFT JOIN blobs b ON b.sha256 = a.blob_sha256
    LEFT JOIN LATERAL (
        SELECT content_path, content_digest, metadata FROM manifests
        WHERE artifact_id = a.id AND content_path IN ('METADATA', 'core-metadata.json')
        ORDER BY content_path = 'METADATA' DESC, created, ordinal LIMIT 1
    ) m ON true
    WHERE a.package_id = %(package)s AND a.status = 'UPLOADED'
    ORDER BY a.version_key DESC, a.created DESC, a.ordinal DESC""",
)

# What the files of one version say of themselves: large, so it is not read with the files of a whole project.
FACTS = Query(
    "core metadata of a version",
    """SELECT m.metadata FROM manifests m JOIN visible_artifacts a ON a.id = m.artifact_id
    WHERE a.package_id = %(package)s AND a.status = 'UPLOADED' AND a.permitted
        AND m.content_path IN ('METADATA', 'core-metadata.json') AND m.metadata ->> 'version' = %(version)s
    ORDER BY m.content_path = 'METADATA' DESC, a.created DESC, a.ordinal DESC LIMIT 1""",
)
