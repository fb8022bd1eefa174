"""SQL of admission: accounts, environments and the bearers behind credentials."""

from __future__ import annotations

from keygenreg.database.query import Query

_WHO = "decides who is asking, before there is a scope"

_ACCOUNT = """SELECT id, slug, name, status, protected, api_version, settings, secret_key, ed25519_private_key
FROM accounts """

ACCOUNT_BY_ID = Query("account by id", _ACCOUNT + "WHERE id = %(id)s", unscoped=_WHO)
ACCOUNT_BY_SLUG = Query("account by slug", _ACCOUNT + "WHERE slug = %(slug)s", unscoped=_WHO)
ACCOUNT_BY_HOST = Query(
    "account by host name",
    _ACCOUNT + "WHERE lower(cname) = %(host)s OR lower(domain) = %(host)s ORDER BY created, ordinal LIMIT 1",
    unscoped=_WHO,
)
OLDEST_ACCOUNT = Query("oldest account", _ACCOUNT + "ORDER BY created, ordinal LIMIT 1", unscoped=_WHO)

ENVIRONMENT = Query(
    "environment by id or code",
    """SELECT id, code, isolation_strategy FROM environments
    WHERE account_id = %(account)s AND (id = %(id)s OR lower(code) = lower(%(code)s))
    ORDER BY created, ordinal LIMIT 1""",
    unscoped=_WHO,
)

# One row tells all that the outcomes table of api.md 3.3 asks for.
_TOKEN = """SELECT t.id AS token_id, t.digest, t.environment_id, t.permissions AS token_permissions,
        (t.expiry IS NOT NULL AND t.expiry <= now()) AS expired, t.expiry AS expires,
        t.bearer_user_id, t.bearer_license_id, t.bearer_product_id, t.bearer_environment_id,
        u.role AS user_role, (u.banned IS NOT NULL) AS user_banned, u.permissions AS user_permissions,
        l.permissions AS license_permissions, po.authentication_strategy,
        (o.banned IS NOT NULL) AS owner_banned, o.id AS owner_id, o.role AS owner_role,
        o.permissions AS owner_permissions, p.permissions AS product_permissions,
        coalesce(u.environment_id, l.environment_id, p.environment_id, t.bearer_environment_id)
            AS bearer_environment
    FROM tokens t
    LEFT JOIN users u ON u.id = t.bearer_user_id
    LEFT JOIN licenses l ON l.id = t.bearer_license_id
    LEFT JOIN policies po ON po.id = l.policy_id
    LEFT JOIN users o ON o.id = l.owner_id
    LEFT JOIN products p ON p.id = t.bearer_product_id
    WHERE t.account_id = %(account)s AND """
TOKEN = Query("token by digest", _TOKEN + "t.digest = %(digest)s", unscoped=_WHO)
TOKEN_BY_ID = Query("token by id", _TOKEN + "t.id = %(id)s", unscoped=_WHO)

_LICENSE = """SELECT l.id, l.environment_id, l.suspended, l.permissions, po.authentication_strategy,
        (po.expiration_strategy = 'REVOKE_ACCESS' AND l.expiry IS NOT NULL AND l.expiry < now()) AS revoked,
        CASE WHEN po.expiration_strategy = 'REVOKE_ACCESS' THEN l.expiry END AS expires,
        (o.banned IS NOT NULL) AS owner_banned, o.id AS owner_id, o.role AS owner_role,
        o.permissions AS owner_permissions
    FROM licenses l
    JOIN policies po ON po.id = l.policy_id
    LEFT JOIN users o ON o.id = l.owner_id
    WHERE l.account_id = %(account)s AND """
LICENSE = Query(
    "license by key", _LICENSE + "l.key_digest = license_key_digest(%(key)s) AND l.key = %(key)s", unscoped=_WHO
)
LICENSE_BY_ID = Query("license by id", _LICENSE + "l.id = %(id)s", unscoped=_WHO)

USER_BY_EMAIL = Query(
    "user by e-mail",
    """SELECT id, role, password_hash, permissions, environment_id, (banned IS NOT NULL) AS banned FROM users
    WHERE account_id = %(account)s AND lower(email) = lower(%(email)s)""",
    unscoped=_WHO,
)

QUEUE_ATTEMPT = Query(
    "queue for counting a password attempt", "SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))", unscoped=_WHO
)
COUNT_ATTEMPT = Query(
    "count a password attempt",
    """WITH recent AS (SELECT count(*) AS n FROM password_attempts
        WHERE key = %(key)s AND attempted > now() - make_interval(secs => %(seconds)s)),
    added AS (INSERT INTO password_attempts (key) SELECT %(key)s FROM recent WHERE n < %(limit)s RETURNING 1)
    SELECT n < %(limit)s AS allowed FROM recent""",
    unscoped=_WHO,
)
SWEEP_ATTEMPTS = Query(
    "forget old password attempts",
    "DELETE FROM password_attempts WHERE attempted < now() - interval '1 hour'",
    unscoped=_WHO,
)
