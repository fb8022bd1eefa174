"""SQL of the Tauri engine."""

from __future__ import annotations

from keygenreg.database.query import Query

# The reference read ".json" after a key as a format.
PACKAGE = Query(
    "package by key or id",
    """SELECT p.id, p.key FROM visible_packages p
    WHERE p.engine = 'tauri' AND (p.id = %(id)s OR p.key = %(key)s OR p.key || '.json' = %(key)s)
    ORDER BY (p.id = %(id)s) DESC NULLS LAST, p.key = %(key)s DESC LIMIT 1""",
)

# ``permitted`` is null for a release that is not in the caller's scope.
CURRENT = Query(
    "release that an app runs",
    """SELECT r.status, r.channel, (SELECT v.permitted FROM visible_releases v WHERE v.id = r.id) AS permitted
    FROM releases r WHERE r.package_id = %(package)s AND r.version = %(version)s
    AND (r.environment_id IS NOT DISTINCT FROM %(scope_environment)s
         OR (r.environment_id IS NULL AND %(with_global)s))
    AND EXISTS (SELECT 1 FROM visible_packages p WHERE p.id = r.package_id)
    ORDER BY r.created DESC, r.ordinal DESC LIMIT 1""",
)

# Files of published releases, highest version first, with their signatures: of their own or beside them.
FILES = Query(
    "files to update to",
    """SELECT a.id, a.filename, a.filetype, a.platform, a.arch, a.signature, a.permitted, a.release_version,
        a.version_key, a.release_created, r.description,
        (SELECT beside.blob_sha256 FROM artifacts beside
         WHERE beside.release_id = a.release_id AND beside.filename = a.filename || '.sig'
         AND beside.status = 'UPLOADED' AND beside.content_length <= %(longest)s) AS companion
    FROM visible_artifacts a
    JOIN releases r ON r.id = a.release_id
    WHERE a.package_id = %(package)s AND a.status = 'UPLOADED' AND a.release_status = 'PUBLISHED'
    AND a.channel = ANY(%(channels)s::text[])
    AND (%(above)s::text IS NULL OR a.version_key > %(above)s)
    AND (%(below)s::text IS NULL OR a.version_key < %(below)s)
    AND (%(platforms)s::text[] IS NULL OR a.platform = ANY(%(platforms)s::text[]))
    AND (%(arches)s::text[] IS NULL OR a.arch = ANY(%(arches)s::text[]))
    AND a.platform IS NOT NULL AND a.arch IS NOT NULL
    AND a.filetype IS DISTINCT FROM 'sig' AND lower(right(a.filename, 4)) <> '.sig'
    ORDER BY a.version_key DESC, a.created DESC, a.ordinal DESC LIMIT %(limit)s""",
)
