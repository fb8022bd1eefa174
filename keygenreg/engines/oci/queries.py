"""SQL of the OCI engine. Each manifest and each blob is found and judged by one statement."""

from __future__ import annotations

from keygenreg.database.query import Query

_OF_ENVIRONMENT = """({0}.environment_id IS NOT DISTINCT FROM %(scope_environment)s
         OR ({0}.environment_id IS NULL AND %(with_global)s))"""

# The package whether the caller may see it or not: that decides between 401, 403 and 404.
_REPOSITORY = f"""WITH repository AS (
    SELECT p.id, p.key, EXISTS (SELECT 1 FROM visible_packages v WHERE v.id = p.id) AS visible
    FROM packages p
    WHERE p.account_id = %(scope_account)s AND p.engine = 'oci'
      AND (p.key = ANY(%(keys)s::text[]) OR p.id = %(id)s::uuid) AND {_OF_ENVIRONMENT.format("p")}
    ORDER BY array_position(%(keys)s::text[], p.key) NULLS LAST LIMIT 1
)
"""

REPOSITORY = Query(
    "repository and whether anything in it may be read",
    _REPOSITORY
    + """SELECT p.id AS package_id, p.key, p.visible,
        EXISTS (SELECT 1 FROM visible_releases r WHERE r.package_id = p.id) AS inhabited,
        EXISTS (SELECT 1 FROM visible_releases r WHERE r.package_id = p.id AND r.permitted) AS permitted
    FROM repository p""",
)

# What the public could know of: published and complete. Whoever may not read it is told so instead of "not found".
_KNOWN = f"""r.status = 'PUBLISHED' AND a.status = 'UPLOADED' AND {_OF_ENVIRONMENT.format("r")}"""
# Whether the caller is a license whose time starts with its first download.
_UNTIMED = """EXISTS (
    SELECT 1 FROM licenses own JOIN policies terms ON terms.id = own.policy_id
    WHERE own.id = %(scope_bearer)s::uuid AND own.expiry IS NULL AND terms.duration IS NOT NULL
      AND terms.expiration_basis = 'FROM_FIRST_DOWNLOAD') AS untimed"""
_CONTENT = "m.id AS manifest_id, m.content, m.content_type, m.content_digest, m.content_length, m.updated"
# Of uploads the reader has put all it found into metadata; what imports bring is in facts. Either may be anything.
_FACTS = "(m.facts || m.metadata)"

# The first branch ends at the first row that the caller may read; only without one the second is looked at.
MANIFEST_BY_DIGEST = Query(
    "manifest by digest",
    _REPOSITORY
    + f"""SELECT p.id AS package_id, p.key, p.visible, {_UNTIMED}, found.* FROM repository p LEFT JOIN LATERAL (
        (SELECT {_CONTENT}, true AS readable FROM manifests m
         JOIN visible_artifacts a ON a.id = m.artifact_id
         WHERE m.content_digest = %(reference)s AND a.package_id = p.id AND a.permitted LIMIT 1)
        UNION ALL
        (SELECT {_CONTENT}, false FROM manifests m JOIN artifacts a ON a.id = m.artifact_id
         JOIN releases r ON r.id = m.release_id
         WHERE m.content_digest = %(reference)s AND r.package_id = p.id AND {_KNOWN} LIMIT 1)
        LIMIT 1
    ) found ON p.visible""",
)

# Which release a tag means: its own tag, its version, a tag of the layout (of the highest version that has it).
_MEANT = """
    SELECT 1 AS rank, r.id FROM releases r JOIN visible_packages seen ON seen.id = r.package_id
    WHERE r.package_id = p.id AND r.tag = %(reference)s
    UNION ALL
    SELECT 2, r.id FROM releases r WHERE r.package_id = p.id AND r.version = ANY(%(versions)s::text[])
    UNION ALL
    SELECT DISTINCT 4, m.release_id FROM manifests m JOIN releases r ON r.id = m.release_id
    WHERE r.package_id = p.id
      AND (m.metadata ? 'tags' AND m.metadata -> 'tags' @> to_jsonb(%(reference)s::text)
           OR m.facts ? 'tags' AND m.facts -> 'tags' @> to_jsonb(%(reference)s::text))"""

# ``latest`` is also the highest stable release that the caller may read; without one, any that is known.
_LATEST = f"""{_MEANT}
    UNION ALL
    (SELECT 3, a.release_id FROM visible_artifacts a
     WHERE a.package_id = p.id AND a.permitted AND a.channel = 'stable' AND a.release_status = 'PUBLISHED'
       AND EXISTS (SELECT 1 FROM manifests m WHERE m.artifact_id = a.id)
     ORDER BY a.version_key DESC LIMIT 1)
    UNION ALL
    (SELECT 5, r.id FROM releases r JOIN artifacts a ON a.release_id = r.id
     WHERE r.package_id = p.id AND r.channel = 'stable' AND {_KNOWN}
       AND EXISTS (SELECT 1 FROM manifests m WHERE m.artifact_id = a.id) LIMIT 1)"""

_HAS_TAG = _FACTS + " -> 'tags' @> to_jsonb({}::text)"

# Within a release: what the layout itself tags so, images before what is attached to them, what the client accepts,
# what the layout lists at its top, indexes before manifests, and the usual platform before others.
def _by_tag(name: str, meant: str) -> Query:
    return Query(
        name,
        _REPOSITORY
        + f"""SELECT p.id AS package_id, p.key, p.visible, {_UNTIMED}, found.* FROM repository p LEFT JOIN LATERAL (
        SELECT {_CONTENT}, v.id IS NOT NULL AS readable
        FROM ({meant}) meant
        JOIN releases r ON r.id = meant.id
        JOIN manifests m ON m.release_id = meant.id
        JOIN artifacts a ON a.id = m.artifact_id
        LEFT JOIN visible_artifacts v ON v.id = a.id AND v.permitted
        WHERE (v.id IS NOT NULL OR ({_KNOWN})) AND (meant.rank <> 4 OR {_HAS_TAG.format("%(reference)s")})
        ORDER BY meant.rank, v.id IS NULL, r.version_key DESC,
            {_HAS_TAG.format("%(reference)s")} IS NOT TRUE, {_HAS_TAG.format("r.version")} IS NOT TRUE,
            {_FACTS} -> 'aside' = 'true' IS TRUE,
            CASE WHEN %(accepted)s::text[] IS NULL THEN false ELSE m.content_type <> ALL(%(accepted)s::text[]) END,
            {_HAS_TAG.format("'latest'")} IS NOT TRUE,
            {_FACTS} -> 'root' = '0' IS NOT TRUE, {_FACTS} -> 'root' = '1' IS NOT TRUE,
            array_position(%(preference)s::text[], m.content_type) NULLS LAST,
            {_FACTS} ->> 'platform' = 'linux/amd64' IS NOT TRUE,
            m.created, m.ordinal
        LIMIT 1
    ) found ON p.visible""",
    )


MANIFEST_BY_TAG = _by_tag("manifest by tag or version", _MEANT)
MANIFEST_LATEST = _by_tag("latest manifest", _LATEST)

_BLOB = """d.blob_sha256, d.content_digest,
            coalesce(d.content_length, (SELECT b.size FROM blobs b WHERE b.sha256 = d.blob_sha256)) AS content_length"""
BLOB = Query(
    "blob by digest",
    _REPOSITORY
    + f"""SELECT p.id AS package_id, p.key, p.visible, {_UNTIMED}, found.* FROM repository p LEFT JOIN LATERAL (
        (SELECT {_BLOB}, true AS readable FROM descriptors d
         JOIN visible_artifacts a ON a.id = d.artifact_id
         WHERE d.content_digest = %(reference)s AND d.blob_sha256 IS NOT NULL AND a.package_id = p.id AND a.permitted
         LIMIT 1)
        UNION ALL
        (SELECT {_BLOB}, false FROM descriptors d JOIN artifacts a ON a.id = d.artifact_id
         JOIN releases r ON r.id = d.release_id
         WHERE d.content_digest = %(reference)s AND d.blob_sha256 IS NOT NULL AND r.package_id = p.id AND {_KNOWN}
         LIMIT 1)
        LIMIT 1
    ) found ON p.visible""",
)

TAGS = Query(
    "tags of a repository",
    f"""SELECT tag FROM (
        SELECT r.tag FROM visible_releases r WHERE r.package_id = %(package)s AND r.permitted
        UNION
        SELECT replace(r.version, '+', '_') FROM visible_releases r WHERE r.package_id = %(package)s AND r.permitted
        UNION
        SELECT listed.tag FROM manifests m JOIN visible_artifacts a ON a.id = m.artifact_id
        CROSS JOIN LATERAL jsonb_array_elements_text(CASE jsonb_typeof({_FACTS} -> 'tags')
            WHEN 'array' THEN {_FACTS} -> 'tags' ELSE '[]' END) AS listed (tag)
        WHERE a.package_id = %(package)s AND a.permitted AND (m.metadata ? 'tags' OR m.facts ? 'tags')
    ) tags
    WHERE tag ~ '^[0-9A-Za-z_][0-9A-Za-z._-]{{0,127}}$' AND tag COLLATE "C" > %(last)s
    ORDER BY tag COLLATE "C" LIMIT %(limit)s""",
)

# A repository in which the caller may read nothing of what there is, is none of the caller's.
CATALOG = Query(
    "repositories of an account",
    """SELECT listed.name FROM (
        SELECT %(prefix)s::text || p.key AS name FROM visible_packages p
        WHERE p.engine = 'oci' AND (
            EXISTS (SELECT 1 FROM visible_releases r WHERE r.package_id = p.id AND r.permitted)
            OR NOT EXISTS (SELECT 1 FROM releases r WHERE r.package_id = p.id))
    ) listed
    WHERE listed.name COLLATE "C" > %(last)s
    ORDER BY listed.name COLLATE "C" LIMIT %(limit)s""",
)

# The same document in several releases counts once.
REFERRERS = Query(
    "referrers of a digest",
    f"""SELECT DISTINCT ON (m.content_digest COLLATE "C")
        m.content_digest, m.content_type, m.content_length, m.content, {_FACTS} ->> 'artifact_type' AS artifact_type
    FROM manifests m JOIN visible_artifacts a ON a.id = m.artifact_id
    WHERE (m.metadata ? 'subject' AND m.metadata ->> 'subject' = %(subject)s
           OR m.facts ? 'subject' AND m.facts ->> 'subject' = %(subject)s)
      AND a.package_id = %(package)s AND a.permitted
      AND (%(types)s::text[] IS NULL OR {_FACTS} ->> 'artifact_type' = ANY(%(types)s::text[]))
      AND m.content_digest COLLATE "C" > %(last)s
    ORDER BY m.content_digest COLLATE "C" LIMIT %(limit)s""",
)
SUBJECT_BY_PREFIX = Query(
    "digest whose referrers a fallback tag lists",
    f"""SELECT {_FACTS} ->> 'subject' AS subject
    FROM manifests m JOIN visible_artifacts a ON a.id = m.artifact_id
    WHERE (m.metadata ? 'subject' AND m.metadata ->> 'subject' LIKE %(pattern)s
           OR m.facts ? 'subject' AND m.facts ->> 'subject' LIKE %(pattern)s)
      AND a.package_id = %(package)s AND a.permitted LIMIT 1""",
)

_LOGIN = "finds the account whose credentials were sent, where no path names one"
ACCOUNTS_OF_KEY = Query(
    "accounts with a license key",
    """SELECT account_id FROM licenses WHERE key_digest = license_key_digest(%(key)s) AND key = %(key)s
    ORDER BY created, ordinal LIMIT 10""",
    unscoped=_LOGIN,
)
SECRETS = Query(
    "secrets of accounts",
    "SELECT id, secret_key FROM accounts WHERE id > %(after)s ORDER BY id LIMIT %(limit)s",
    unscoped=_LOGIN,
)
SECRET = Query(
    "secret of an account", "SELECT id, secret_key FROM accounts WHERE id = %(id)s", unscoped=_LOGIN
)
ACCOUNTS_OF_TOKEN = Query(
    "accounts with a token",
    """SELECT t.account_id FROM unnest(%(accounts)s::uuid[], %(digests)s::text[]) AS asked (account_id, digest)
    JOIN tokens t ON t.account_id = asked.account_id AND t.digest = asked.digest LIMIT 1""",
    unscoped=_LOGIN,
)
