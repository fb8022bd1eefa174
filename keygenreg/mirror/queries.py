"""SQL of the mirror. Every look-up says whether the name is claimed here, which comes before all else (decision 17)."""

from __future__ import annotations

from keygenreg.database.query import Query

_OURS = "what upstream publishes is the same for all who may use the mirror"
_CLAIMED = """EXISTS (SELECT 1 FROM claimed_names c
    WHERE c.account_id = %(account)s AND c.engine = %(engine)s AND c.name = lower(%(name)s))"""
_PINNED = "(name ILIKE ANY (%(pinned_names)s::text[]) OR key ILIKE ANY (%(pinned_files)s::text[]))"
_NAME = "account_id = %(account)s AND engine = %(engine)s AND name = %(name)s"

DOCUMENT = Query(
    "mirrored document, and whether its name is claimed",
    f"""SELECT {_CLAIMED} AS claimed, d.revision, d.url, d.content_type, d.size, d.etag, d.last_modified, d.serial,
        d.fetched, d.fresh_until, d.accessed, d.gone
    FROM (VALUES (1)) AS always LEFT JOIN mirrored_documents d ON d.account_id = %(account)s AND d.engine = %(engine)s
        AND d.name = %(name)s AND d.variant = %(variant)s AND d.upstream = %(upstream)s""",
    unscoped=_OURS,
)
DOCUMENT_BODY = Query(
    "a mirrored document's text",
    f"SELECT body FROM mirrored_documents WHERE {_NAME} AND variant = %(variant)s AND revision = %(revision)s",
    unscoped=_OURS,
)
DOCUMENT_STORED = Query(
    "mirrored document stored",
    f"""INSERT INTO mirrored_documents (account_id, engine, name, variant, upstream, revision, url, content_type, body,
        size, etag, last_modified, serial, fetched, fresh_until)
    SELECT %(account)s, %(engine)s, %(name)s, %(variant)s, %(upstream)s, %(revision)s, %(url)s, %(content_type)s,
        %(body)s, %(size)s, %(etag)s, %(last_modified)s, %(serial)s, now(), %(fresh_until)s
    WHERE NOT {_CLAIMED}
    ON CONFLICT (account_id, engine, name, variant) DO UPDATE SET upstream = excluded.upstream,
        revision = excluded.revision, url = excluded.url, content_type = excluded.content_type, body = excluded.body,
        size = excluded.size, etag = excluded.etag, last_modified = excluded.last_modified, serial = excluded.serial,
        fetched = excluded.fetched, fresh_until = excluded.fresh_until, gone = NULL""",
    unscoped=_OURS,
)
DOCUMENT_CONFIRMED = Query(
    "mirrored document is still current",
    f"""UPDATE mirrored_documents SET fetched = now(), fresh_until = %(fresh_until)s, gone = NULL
    WHERE {_NAME} AND variant = %(variant)s AND revision = %(revision)s""",
    unscoped=_OURS,
)
DOCUMENT_MISSED = Query(
    "mirrored document is not there upstream",
    f"""UPDATE mirrored_documents SET gone = coalesce(gone, now()), fresh_until = %(fresh_until)s
    WHERE {_NAME} AND variant = %(variant)s""",
    unscoped=_OURS,
)
DOCUMENT_GONE = Query(
    "mirrored document is gone upstream for good",
    f"""DELETE FROM mirrored_documents
    WHERE {_NAME} AND variant = %(variant)s AND gone <= now() - make_interval(secs => %(seconds)s)""",
    unscoped=_OURS,
)
DOCUMENT_USED = Query(
    "mirrored document was used",
    f"UPDATE mirrored_documents SET accessed = now() WHERE {_NAME} AND variant = %(variant)s",
    unscoped=_OURS,
)
FILE = Query(
    "mirrored file, and whether its name is claimed",
    f"""SELECT {_CLAIMED} AS claimed, f.blob_sha256, f.size, f.content_type, f.uploaded, f.stored, f.accessed,
        f.digest, d.fresh_until
    FROM (VALUES (1)) AS always
    LEFT JOIN LATERAL (SELECT * FROM mirrored_files WHERE {_NAME} AND key = %(key)s AND upstream = %(upstream)s
        AND (digest = %(digest)s OR %(digest)s::text IS NULL) ORDER BY stored DESC LIMIT 1) f ON true
    LEFT JOIN mirrored_documents d ON d.account_id = %(account)s AND d.engine = %(engine)s AND d.name = %(name)s
        AND d.variant = %(variant)s AND d.upstream = %(upstream)s AND d.gone IS NULL""",
    unscoped=_OURS,
)
FILES_KEPT = Query(
    "mirrored files of a name",
    f"SELECT key, digest FROM mirrored_files WHERE {_NAME}",
    unscoped=_OURS,
)
FILE_STORED = Query(
    "mirrored file stored",
    f"""INSERT INTO mirrored_files (account_id, engine, name, key, digest, upstream, url, blob_sha256, size,
        content_type, uploaded)
    SELECT %(account)s, %(engine)s, %(name)s, %(key)s, %(digest)s, %(upstream)s, %(url)s, %(sha256)s, %(size)s,
        %(content_type)s, %(uploaded)s
    WHERE NOT {_CLAIMED}
    ON CONFLICT (account_id, engine, name, key, digest) DO UPDATE SET upstream = excluded.upstream, url = excluded.url,
        blob_sha256 = excluded.blob_sha256, size = excluded.size, content_type = excluded.content_type,
        uploaded = excluded.uploaded, stored = now(), accessed = now()""",
    unscoped=_OURS,
)
FILE_GONE = Query(
    "mirrored file is gone upstream",
    f"DELETE FROM mirrored_files WHERE {_NAME} AND key = %(key)s AND digest = %(digest)s",
    unscoped=_OURS,
)
FILES_GONE = Query(
    "all mirrored files of a name are gone upstream", f"DELETE FROM mirrored_files WHERE {_NAME}", unscoped=_OURS
)
FILE_USED = Query(
    "mirrored file was used",
    f"UPDATE mirrored_files SET accessed = now() WHERE {_NAME} AND key = %(key)s AND digest = %(digest)s",
    unscoped=_OURS,
)

# Housekeeping

OWNERS = Query(
    "accounts with mirrored files or documents",
    """SELECT account_id, engine, a.slug, k.bytes, k.files, d.documents FROM (
        SELECT account_id, engine, sum(size)::bigint AS bytes, count(*) AS files FROM mirrored_files GROUP BY 1, 2
    ) k FULL JOIN (
        SELECT account_id, engine, count(*) AS documents FROM mirrored_documents GROUP BY 1, 2
    ) d USING (account_id, engine) JOIN accounts a ON a.id = account_id""",
    unscoped=_OURS,
)
#: Whoever makes room for one owner holds this until the transaction ends.
LOCK_OWNER = Query(
    "lock of one account's mirrored files",
    "SELECT pg_advisory_xact_lock(hashtextextended('mirror ' || %(engine)s || %(account)s::text, 0))",
    unscoped=_OURS,
)
FILES_SIZE = Query(
    "size of an account's mirrored files",
    f"""SELECT coalesce(sum(size), 0)::bigint AS bytes,
        coalesce(sum(size) FILTER (WHERE {_PINNED}), 0)::bigint AS pinned
    FROM mirrored_files WHERE account_id = %(account)s AND engine = %(engine)s""",
    unscoped=_OURS,
)
#: Pinned ones count first, and stay; those that nothing else would have room beside go first.
FILES_EVICTED = Query(
    "longest unused files beyond the quota",
    f"""DELETE FROM mirrored_files f USING (
        SELECT name, key, digest, {_PINNED} AS pinned, sum(size) OVER (
            ORDER BY {_PINNED} DESC, size > %(room)s, accessed DESC, stored DESC, name, key, digest) AS running
        FROM mirrored_files WHERE account_id = %(account)s AND engine = %(engine)s
    ) r WHERE f.account_id = %(account)s AND f.engine = %(engine)s AND f.name = r.name AND f.key = r.key
        AND f.digest = r.digest AND r.running > %(room)s AND NOT r.pinned
    RETURNING f.blob_sha256, f.size""",
    unscoped=_OURS,
)
DOCUMENTS_EVICTED = Query(
    "longest unused documents beyond their number",
    """DELETE FROM mirrored_documents d USING (
        SELECT name, variant, row_number() OVER (ORDER BY accessed DESC, name, variant) AS place
        FROM mirrored_documents WHERE account_id = %(account)s AND engine = %(engine)s
    ) r WHERE d.account_id = %(account)s AND d.engine = %(engine)s AND d.name = r.name AND d.variant = r.variant
        AND r.place > %(most)s AND NOT d.name ILIKE ANY (%(pinned_names)s::text[])
        AND NOT EXISTS (SELECT 1 FROM mirrored_files f WHERE f.account_id = d.account_id AND f.engine = d.engine
            AND f.name = d.name AND f.key ILIKE ANY (%(pinned_files)s::text[]))""",
    unscoped=_OURS,
)
CLAIMED_DOCUMENTS_SWEPT = Query(
    "documents of names claimed while they were fetched",
    """DELETE FROM mirrored_documents d USING claimed_names c
    WHERE c.account_id = d.account_id AND c.engine = d.engine AND c.name = d.claim""",
    unscoped=_OURS,
)
CLAIMED_FILES_SWEPT = Query(
    "files of names claimed while they were fetched",
    """DELETE FROM mirrored_files f USING claimed_names c
    WHERE c.account_id = f.account_id AND c.engine = f.engine AND c.name = f.claim""",
    unscoped=_OURS,
)
