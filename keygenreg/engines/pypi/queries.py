"""SQL of the PyPI engine."""

from __future__ import annotations

from keygenreg.database.queries.artifacts import EDITION
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

# What an entry of a page is made from; whatever changes it renews the edition.
_OF_FILE = {
    "id": "a.id",
    "filename": "a.filename",
    "checksum": "a.checksum",
    "metadata": "a.metadata",
    "created": "a.created",
    "release_status": "a.release_status",
    "release_metadata": "a.release_metadata",
    "size": "coalesce(b.size, a.content_length, a.filesize, 0)",
    "sha256": "b.sha256",
    "sha512": "b.sha512",
    "sha1": "b.sha1",
    "md5": "b.md5",
    "requires_python": "m.metadata ->> 'requires_python'",
    "core_digest": "CASE WHEN m.content_path = 'METADATA' THEN m.content_digest END",
}
OF_FILE = tuple(_OF_FILE)
"""The names of what ``of_file`` of :data:`FILES` lists, as JSON."""

_FILES_OF_PACKAGE = "a.package_id = %(package)s AND a.status = 'UPLOADED'"
_NEWEST_FIRST = "ORDER BY a.version_key DESC, a.created DESC, a.ordinal DESC"

# One row, whose text is split here: that costs a tenth of what a row for each file costs.
LISTED = Query(
    "editions of the files of a project",
    f"""SELECT count(*) AS visible, max(a.updated) FILTER (WHERE a.permitted) AS updated,
        coalesce(string_agg({EDITION}, ' ' {_NEWEST_FIRST}) FILTER (WHERE a.permitted), '') AS editions
    FROM visible_artifacts a WHERE {_FILES_OF_PACKAGE}""",
)

FILES = Query(
    "files of a project",
    f"""SELECT a.permitted, a.updated, {EDITION} AS edition,
        json_build_array({", ".join(_OF_FILE.values())})::text AS of_file
    FROM visible_artifacts a
    LEFT JOIN blobs b ON b.sha256 = a.blob_sha256
    LEFT JOIN LATERAL (
        SELECT content_path, content_digest, metadata FROM manifests
        WHERE artifact_id = a.id AND content_path IN ('METADATA', 'core-metadata.json')
        ORDER BY content_path = 'METADATA' DESC, created, ordinal LIMIT 1
    ) m ON true
    WHERE {_FILES_OF_PACKAGE} AND (%(artifacts)s::uuid[] IS NULL OR a.id = ANY(%(artifacts)s::uuid[]))
    {_NEWEST_FIRST}""",
)

# What the files of one version say of themselves: large, so it is not read with the files of a whole project.
FACTS = Query(
    "core metadata of a version",
    """SELECT m.metadata FROM manifests m JOIN visible_artifacts a ON a.id = m.artifact_id
    WHERE a.package_id = %(package)s AND a.status = 'UPLOADED' AND a.permitted
        AND m.content_path IN ('METADATA', 'core-metadata.json') AND m.metadata ->> 'version' = %(version)s
    ORDER BY m.content_path = 'METADATA' DESC, a.created DESC, a.ordinal DESC LIMIT 1""",
)
