"""SQL of the Raw engine."""

from __future__ import annotations

from keygenreg.database.query import Query

# A release without a package is meant where the path names none. Releases of packages of all engines are files too.
_THERE = """r.permitted
    AND r.product_id IN (SELECT p.id FROM visible_products p
        WHERE p.id = %(product_id)s OR lower(p.code) = lower(%(product)s))
    AND CASE WHEN %(package)s::text IS NULL THEN r.package_id IS NULL
        ELSE r.package_id IN (SELECT k.id FROM visible_packages k
            WHERE k.id = %(package_id)s OR k.key = %(package)s
            OR k.pypi_name = lower(regexp_replace(%(package)s, '[-_.]+', '-', 'g'))) END"""
_COLUMNS = """r.id, r.product_id, r.package_id, r.version, r.tag, r.channel, r.status, r.name, r.description, r.created,
        r.updated"""

RELEASES = Query(
    "releases by id, version or tag",
    f"""SELECT {_COLUMNS} FROM visible_releases r WHERE {_THERE}
    AND (r.id = %(release_id)s OR r.version = ANY(%(versions)s::text[]) OR r.tag = %(release)s)
    ORDER BY r.version_key DESC, r.created DESC, r.ordinal DESC LIMIT 20""",
)

# The word means this only where no published release has it as its tag, seen by the caller or not (decision 30).
LATEST = Query(
    "latest release",
    f"""SELECT {_COLUMNS} FROM visible_releases r WHERE {_THERE}
    AND r.channel = 'stable' AND r.status = 'PUBLISHED'
    AND NOT EXISTS (SELECT 1 FROM releases other WHERE other.product_id = r.product_id
        AND other.package_id IS NOT DISTINCT FROM r.package_id AND other.tag = %(release)s
        AND other.status = 'PUBLISHED')
    ORDER BY r.version_key DESC, r.created DESC, r.ordinal DESC LIMIT 1""",
)

# ``literal`` comes before the file that a side file's name is about.
ARTIFACT = Query(
    "artifact of releases by id or file name",
    """SELECT a.id, a.filename, a.status, a.release_status, a.checksum, a.updated, b.sha256, b.sha512, b.sha1, b.md5,
        (a.id IS NOT DISTINCT FROM %(id)s OR a.filename = %(filename)s) AS literal
    FROM visible_artifacts a LEFT JOIN blobs b ON b.sha256 = a.blob_sha256
    WHERE a.release_id = ANY(%(releases)s::uuid[])
    AND (a.id = %(id)s OR a.filename = %(filename)s OR a.id = %(about_id)s OR a.filename = %(about)s)
    ORDER BY literal DESC, a.version_key DESC, a.created DESC, a.ordinal DESC LIMIT 1""",
)

FILES = Query(
    "files of a release",
    """SELECT a.id, a.filename, a.filetype, a.platform, a.arch, a.status, a.checksum, a.signature, a.created,
        a.updated, coalesce(b.size, a.content_length, a.filesize) AS size, b.sha256, b.sha512, b.sha1, b.md5
    FROM visible_artifacts a LEFT JOIN blobs b ON b.sha256 = a.blob_sha256
    WHERE a.release_id = %(release)s AND a.status = 'UPLOADED'
    ORDER BY a.filename COLLATE "C", a.created, a.ordinal""",
)
