"""What the database shows to a viewer: the scope that admission makes, and every ``visible_*`` name read with it."""

from __future__ import annotations

from uuid import UUID

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from keygenreg.database.query import Query
from keygenreg.database.visibility import with_scope
from keygenreg.domain import account as accounts
from keygenreg.domain.grant import Bearer, Grant
from keygenreg.domain.scope import Scope
from tests.access.records import Environment, License, Product, User, Viewer

_WITH_PERMITTED = ("visible_releases", "visible_artifacts")
NAMES = (
    *_WITH_PERMITTED,
    "visible_packages",
    "visible_products",
    "visible_entitlements",
    "visible_policies",
    "visible_licenses",
    "visible_users",
    "visible_tokens",
    "visible_constraints",
)
EVERYTHING = Query(
    "everything visible",
    " UNION ALL ".join(
        f"SELECT '{name}', id, {'permitted' if name in _WITH_PERMITTED else 'true'} FROM {name}" for name in NAMES
    ),
)
_TYPES = {Product: "products", License: "licenses", User: "users", Environment: "environments"}
_ROLES = {Product: "product", License: "license", Environment: "environment"}


def scope_of(viewer: Viewer) -> Scope:
    """The scope of the grant that admission makes for a viewer."""
    return grant_of(viewer).scope


def grant_of(viewer: Viewer) -> Grant:
    """The grant that admission makes for a viewer, without permissions."""
    account = accounts.Account(
        id=viewer.account,
        slug="account",
        name=None,
        status="SUBSCRIBED",
        protected=True,
        api_version=None,
        settings={},
        secret_key="",
        ed25519_private_key="",
    )
    selected = viewer.selected and accounts.Environment(
        viewer.selected.id, "code", "SHARED" if viewer.selected.shared else "ISOLATED"
    )
    if viewer.bearer is None:
        return Grant(account, selected)
    kind = type(viewer.bearer)
    role = viewer.bearer.role if isinstance(viewer.bearer, User) else _ROLES[kind]
    return Grant(account, selected, Bearer(_TYPES[kind], viewer.bearer.id, role, frozenset()))


class Sight:
    """
    Reads all names at once.

    The statements are prepared once in the connection: hundreds of worlds times dozens of viewers would otherwise
    spend their time in the planner.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._prepared: dict[str, str] = {}

    def of(self, cursor: Cursor, viewer: Viewer) -> dict[str, dict[UUID, bool]]:
        """For each name the ids that the viewer sees, with whether each is permitted."""
        sql, values = with_scope(EVERYTHING, scope_of(viewer))
        if sql not in self._prepared:
            name = f"sight_{len(self._prepared)}"
            numbered = {parameter: f"${n}" for n, parameter in enumerate(values, 1)}
            cursor.execute(f"PREPARE {name} (uuid, uuid, uuid) AS " + sql % numbered)
            self._prepared[sql] = name
        cursor.execute(f"EXECUTE {self._prepared[sql]} (%s, %s, %s)", list(values.values()))
        found: dict[str, dict[UUID, bool]] = {name: {} for name in NAMES}
        for name, identifier, permitted in cursor.fetchall():
            if identifier in found[name]:
                raise AssertionError(f"{name} shows {identifier} twice")
            found[name][identifier] = permitted
        return found
