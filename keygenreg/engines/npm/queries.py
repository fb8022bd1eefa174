"""SQL of the npm engine."""

from __future__ import annotations

from keygenreg.database.queries.artifacts import EDITION, READABLE_BY_ALL
from keygenreg.database.query import Query

# The package whether the caller may see it or not: that decides between 401 and 404.
PACKAGE = Query(
    "package by name or id",
    """SELECT p.id, p.key, p.created, p.metadata, pr.distribution_strategy = 'OPEN' AS open,
        EXISTS (SELECT 1 FROM visible_packages v WHERE v.id = p.id) AS visible
    FROM packages p JOIN products pr ON pr.id = p.product_id
    WHERE p.account_id = %(scope_account)s AND p.engine = 'npm' AND (p.key = %(name)s OR p.id = %(id)s)
    AND (p.environment_id IS NOT DISTINCT FROM %(scope_environment)s
         OR (p.environment_id IS NULL AND %(with_global)s))
    ORDER BY p.key = %(name)s DESC LIMIT 1""",
)

# Imports name the document as it lies in the tarball.
_MANIFEST = """manifests m WHERE m.artifact_id = a.id AND m.content_path IN ('package.json', 'package/package.json')
        ORDER BY m.created, m.ordinal LIMIT 1"""
_TARBALLS = "a.package_id = %(package)s AND a.status = 'UPLOADED'"
# Of several tarballs of a version the oldest is the version's.
_HIGHEST_FIRST = "ORDER BY a.version_key DESC, a.created, a.ordinal"

# What an entry of a package's document is made from; whatever changes it renews the edition.
_OF_VERSION = {
    "release_version": "a.release_version",
    "release_tag": "a.release_tag",
    "release_status": "a.release_status",
    "channel": "a.channel",
    "created": "a.created",
    "updated": "a.updated",
    "checksum": "a.checksum",
    "metadata": "a.metadata",
    "release_metadata": "a.release_metadata",
    "package_metadata": "p.metadata",
    "sha512": "b.sha512",
    "sha256": "b.sha256",
    "sha1": "b.sha1",
    "content": "manifest.content",
    "facts": "manifest.metadata",
}
OF_VERSION = tuple(_OF_VERSION)
"""The names of what ``of_version`` of :data:`VERSIONS` lists, as JSON."""

# An entry is made from the package's row too.
_EDITION = f"{EDITION} || '/' || (SELECT p.edition FROM packages p WHERE p.id = %(package)s)"

# One row, whose text is split here: that costs a tenth of what a row for each version costs.
LISTED = Query(
    "editions of the versions of a package",
    f"""SELECT count(*) AS visible,
        coalesce(string_agg({_EDITION}, ' ' {_HIGHEST_FIRST}) FILTER (WHERE a.permitted), '') AS editions
    FROM visible_artifacts a WHERE EXISTS (SELECT 1 FROM {_MANIFEST}) AND {_TARBALLS}""",
)

VERSIONS = Query(
    "versions of a package",
    f"""SELECT a.permitted, {_EDITION} AS edition,
        json_build_array({", ".join(_OF_VERSION.values())})::text AS of_version
    FROM visible_artifacts a
    JOIN packages p ON p.id = a.package_id
    LEFT JOIN blobs b ON b.sha256 = a.blob_sha256
    CROSS JOIN LATERAL (SELECT m.content, m.metadata FROM {_MANIFEST}) manifest
    WHERE (%(version)s::text IS NULL OR a.release_version = %(version)s)
    AND (%(artifacts)s::uuid[] IS NULL OR a.id = ANY(%(artifacts)s::uuid[])) AND {_TARBALLS} {_HIGHEST_FIRST}""",
)

TAGS = Query(
    "tags of a package",
    f"""SELECT a.release_version, a.release_tag, a.channel, a.permitted
    FROM visible_artifacts a WHERE EXISTS (SELECT 1 FROM {_MANIFEST}) AND {_TARBALLS} {_HIGHEST_FIRST}""",
)

TARBALL = Query(
    "tarball of a version",
    f"""SELECT a.*, {READABLE_BY_ALL} FROM visible_artifacts a
    WHERE a.release_version = %(version)s AND EXISTS (SELECT 1 FROM {_MANIFEST}) AND {_TARBALLS}
    {_HIGHEST_FIRST} LIMIT 1""",
)

# Every word must occur in key, name, description or keywords. The document is not parsed here: it is any text at all.
SEARCH = Query(
    "packages found",
    f"""SELECT p.key, best.release_version, best.created, best.content, count(*) OVER () AS total
    FROM visible_packages p
    CROSS JOIN LATERAL (
        SELECT a.release_version, a.created, manifest.content
        FROM visible_artifacts a CROSS JOIN LATERAL (SELECT m.content FROM {_MANIFEST}) manifest
        WHERE a.package_id = p.id AND a.status = 'UPLOADED' AND a.permitted
        ORDER BY a.release_tag IS NOT DISTINCT FROM 'latest' DESC, a.channel = 'stable' DESC, a.version_key DESC,
            a.created, a.ordinal LIMIT 1
    ) best
    CROSS JOIN LATERAL (
        SELECT lower(replace(concat_ws(' ', p.key, p.name,
            substring(best.content from '"description": *"((?:[^"\\\\]|\\\\.)*)"'),
            substring(best.content from '"keywords": *\\[([^]]*)\\]')), '\\"', '"')) AS text
    ) about
    WHERE p.engine = 'npm'
    AND NOT EXISTS (SELECT 1 FROM unnest(%(words)s::text[]) word WHERE strpos(about.text, word) = 0)
    AND (%(prefix)s::text IS NULL OR starts_with(p.key, %(prefix)s))
    ORDER BY lower(p.key) = %(exact)s DESC, p.key LIMIT %(size)s OFFSET %(start)s""",
)

# One that is fresh, else the smaller one, else whichever there is.
VARIANT = Query(
    "which of upstream's documents about a package is at hand",
    """SELECT variant FROM mirrored_documents
    WHERE account_id = %(account)s AND engine = 'npm' AND name = %(name)s AND upstream = %(upstream)s
    ORDER BY fresh_until > now() DESC, variant = %(short)s DESC LIMIT 1""",
    unscoped="what upstream publishes is the same for all who may use the mirror",
)

_THE_BEARER = "a bearer's own name"
#: By type of bearer: who that is, in words.
NAMES = {
    "users": Query("name of a user", "SELECT email AS name FROM users WHERE id = %(id)s", unscoped=_THE_BEARER),
    "licenses": Query(
        "name of a license", "SELECT name FROM licenses WHERE id = %(id)s", unscoped=_THE_BEARER
    ),
    "products": Query("name of a product", "SELECT name FROM products WHERE id = %(id)s", unscoped=_THE_BEARER),
    "environments": Query(
        "code of an environment", "SELECT code AS name FROM environments WHERE id = %(id)s", unscoped=_THE_BEARER
    ),
}
