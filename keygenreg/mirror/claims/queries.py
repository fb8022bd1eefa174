"""SQL of claimed names and what upstreams have under them."""

from __future__ import annotations

from keygenreg.database.query import Query

_OURS = "told to the operator, of all accounts alike"
_OF_GROUP = """engine = %(engine)s AND (CASE WHEN %(only)s::uuid IS NULL THEN NOT account_id = ANY (%(but)s::uuid[])
    ELSE account_id = %(only)s END)"""

ACCOUNTS = Query(
    "accounts that settings speak of",
    "SELECT id, slug FROM accounts WHERE slug = ANY (%(names)s::text[]) OR id::text = ANY (%(names)s::text[])",
    unscoped=_OURS,
)
# A name that was written with capitals is asked for as it was written, where the protocol tells them apart.
TAKEN = Query(
    "claimed name that upstream is to be asked for",
    f"""UPDATE claims_upstream u SET due = now() + make_interval(secs => %(lease)s)
    FROM (SELECT account_id, engine, name FROM claims_upstream WHERE due <= now() AND {_OF_GROUP}
        ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED) t JOIN accounts a ON a.id = t.account_id
    WHERE u.account_id = t.account_id AND u.engine = t.engine AND u.name = t.name
    RETURNING u.account_id, u.name, u.upstream, u.since, a.slug, (SELECT p.key FROM packages p
        WHERE p.account_id = u.account_id AND p.engine = u.engine AND p.pypi_name IS NULL AND lower(p.key) = u.name
        LIMIT 1) AS key""",
    unscoped=_OURS,
)
# A tenth more or less than a day, so that what began at once does not go on so.
ANSWERED = Query(
    "what upstream has under a claimed name",
    """UPDATE claims_upstream SET upstream = %(upstream)s, asked = now(),
        due = now() + (0.9 + random() * 0.2) * make_interval(secs => %(pause)s),
        since = CASE WHEN NOT %(exists)s THEN NULL WHEN upstream = %(upstream)s THEN coalesce(since, now())
            ELSE now() END
    WHERE account_id = %(account)s AND engine = %(engine)s AND name = %(name)s""",
    unscoped=_OURS,
)
NOT_ASKED = Query(
    "claimed name that upstream is not asked for",
    """UPDATE claims_upstream SET upstream = NULL, asked = NULL, since = NULL,
        due = now() + make_interval(secs => %(pause)s)
    WHERE account_id = %(account)s AND engine = %(engine)s AND name = %(name)s""",
    unscoped=_OURS,
)
POSTPONED = Query(
    "claimed name that upstream does not tell of",
    """UPDATE claims_upstream SET due = now() + make_interval(secs => %(pause)s)
    WHERE account_id = %(account)s AND engine = %(engine)s AND name = %(name)s""",
    unscoped=_OURS,
)
MOVED = Query(
    "claimed names whose upstream was another one",
    f"UPDATE claims_upstream SET due = now() WHERE {_OF_GROUP} AND upstream <> %(upstream)s AND due > now()",
    unscoped=_OURS,
)
FORGOTTEN = Query(
    "claimed names that upstream is not asked for any more",
    f"""UPDATE claims_upstream SET upstream = NULL, asked = NULL, since = NULL, due = now()
    WHERE {_OF_GROUP} AND upstream IS NOT NULL""",
    unscoped=_OURS,
)
COLLIDING = Query(
    "how many claimed names exist upstream",
    "SELECT engine, count(*) AS names FROM claims_upstream WHERE since IS NOT NULL GROUP BY engine",
    unscoped=_OURS,
)
COLLISIONS = Query(
    "claimed names that exist upstream",
    """SELECT u.engine, a.slug, u.name, u.upstream, u.since, u.asked
    FROM claims_upstream u JOIN accounts a ON a.id = u.account_id
    WHERE u.since IS NOT NULL ORDER BY a.slug, u.engine, u.name""",
    unscoped=_OURS,
)
