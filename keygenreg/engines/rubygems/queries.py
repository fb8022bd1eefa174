"""SQL of the RubyGems engine."""

from __future__ import annotations

from keygenreg.database.queries.artifacts import READABLE_BY_ALL
from keygenreg.database.query import Query

# A package counts once a gem in it has been read, whoever may see that one.
_ELIGIBLE = """EXISTS (SELECT 1 FROM manifests made JOIN releases r ON r.id = made.release_id
    WHERE r.package_id = p.id)"""
# Packages whether the caller may see them or not.
_OF_ACCOUNT = """p.account_id = %(scope_account)s AND p.engine = 'rubygems'
    AND (p.environment_id IS NOT DISTINCT FROM %(scope_environment)s
         OR (p.environment_id IS NULL AND %(with_global)s))"""
_SEEN = "EXISTS (SELECT 1 FROM visible_packages v WHERE v.id = p.id)"

PACKAGE = Query(
    "gem package by name or id",
    f"""SELECT p.id, p.key, pr.distribution_strategy = 'OPEN' AS open, {_SEEN} AS visible
    FROM packages p JOIN products pr ON pr.id = p.product_id
    WHERE {_OF_ACCOUNT} AND (p.key = %(name)s OR p.id = %(id)s) AND {_ELIGIBLE}
    ORDER BY p.key = %(name)s DESC LIMIT 1""",
)

NAMES = Query(
    "names of gem packages",
    f"""SELECT coalesce(string_agg(p.key, E'\\n' ORDER BY p.key COLLATE "C"), '') AS names
    FROM visible_packages p WHERE p.engine = 'rubygems' AND p.key !~ '[^0-9A-Za-z._-]' AND {_ELIGIBLE}""",
)

HIDDEN = Query(
    "whether there are gem packages that the caller does not see",
    f"SELECT 1 AS hidden FROM packages p WHERE {_OF_ACCOUNT} AND {_ELIGIBLE} AND NOT {_SEEN} LIMIT 1",
)

HIDDEN_FILE = Query(
    "whether a gem file is in a package that the caller does not see",
    f"""SELECT 1 AS hidden FROM packages p WHERE {_OF_ACCOUNT} AND p.key = ANY(%(keys)s) AND NOT {_SEEN}
    AND EXISTS (
        SELECT 1 FROM releases r JOIN artifacts x ON x.release_id = r.id LEFT JOIN manifests m ON m.artifact_id = x.id
        WHERE r.package_id = p.id AND (m.content_path = %(file)s OR x.filename = %(file)s)) LIMIT 1""",
)

# A gem has one manifest. Imported ones come without facts: the document itself is read then.
_DOCUMENT = """CASE WHEN NOT spec.metadata ?& ARRAY['dependencies', 'required_rubygems_version']
        THEN spec.content END AS content"""
_LISTED = """FROM visible_artifacts a JOIN packages p ON p.id = a.package_id
    JOIN manifests spec ON spec.artifact_id = a.id
    WHERE p.engine = 'rubygems' AND a.status = 'UPLOADED' AND a.release_status <> 'YANKED'"""

# Equal stamps are of equal lists, whoever looks: what was rendered for one is good for the other.
_STATE = "concat_ws(' ', a.id, a.updated, a.blob_sha256, a.checksum, p.key, spec.id, spec.updated)"
_SUM = f"sum(hashtextextended({_STATE}, 0)::numeric) FILTER (WHERE a.permitted)"
_COUNT = "count(*) FILTER (WHERE a.permitted)"

STAMP = Query(
    "state of the listed gems",
    f"SELECT count(*) AS total, {_COUNT} AS permitted, concat_ws('/', {_COUNT}, {_SUM}) AS stamp {_LISTED}",
)

# As text: they are compared, and nothing else.
_EDITION = "spec.id::text AS manifest, spec.updated::text AS manifest_updated"
_GEMS = f"SELECT p.key, a.permitted, a.checksum, a.blob_sha256, {_EDITION}"
_OLDEST_FIRST = "ORDER BY a.created, a.ordinal, spec.created, spec.ordinal"

# The stamp belongs to exactly these rows; another query's could be older.
GEMS = Query(
    "listed gems", f"{_GEMS}, concat_ws('/', {_COUNT} OVER (), {_SUM} OVER ()) AS stamp {_LISTED} {_OLDEST_FIRST}"
)
GEMS_OF_PACKAGE = Query(
    "listed gems of a package", f"{_GEMS} {_LISTED} AND a.package_id = %(package)s {_OLDEST_FIRST}"
)

FACTS = Query(
    "facts of listed gems",
    f"""SELECT {_EDITION}, {_DOCUMENT},
        spec.metadata - ARRAY['summary', 'description', 'metadata'] AS facts
    FROM visible_artifacts a JOIN manifests spec ON spec.artifact_id = a.id
    WHERE spec.id = ANY(%(manifests)s::uuid[])""",
)

# Of gems with one file name that of the package so named comes first, then the oldest.
FILE = Query(
    "gem by file name",
    f"""SELECT a.*, {READABLE_BY_ALL}, spec.metadata AS facts, {_DOCUMENT}
    FROM visible_artifacts a JOIN packages p ON p.id = a.package_id LEFT JOIN manifests spec ON spec.artifact_id = a.id
    WHERE p.engine = 'rubygems' AND p.key = ANY(%(keys)s)
    AND (spec.content_path = %(file)s OR a.filename = %(file)s)
    AND (NOT %(read)s OR (spec.id IS NOT NULL AND a.status = 'UPLOADED'))
    ORDER BY a.permitted DESC, spec.content_path IS NOT DISTINCT FROM %(file)s DESC, a.status = 'UPLOADED' DESC,
        length(p.key) DESC, a.release_status = 'YANKED', a.created, a.ordinal, spec.created LIMIT 1""",
)

FOUNDED = Query(
    "when an account was made",
    "SELECT created FROM accounts WHERE id = %(account)s",
    unscoped="no secret: a date that never changes, where an index has to state one",
)

CLAIMS = Query(
    "claimed names of gems",
    """SELECT coalesce(string_agg(name, E'\\n' ORDER BY name COLLATE "C"), '') AS names FROM claimed_names
    WHERE account_id = %(account)s AND engine = 'rubygems'""",
    unscoped="what is left out of a list tells nobody more than that it is not there",
)
