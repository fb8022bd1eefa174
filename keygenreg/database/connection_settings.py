"""Where a PostgreSQL server is and how to log in there."""

from __future__ import annotations

import psycopg2
from attrs import evolve, field, frozen
from psycopg2.extensions import parse_dsn

APPLICATION_NAME = "keygenreg"

# A peer that vanished without a word is noticed after 10 + 3 * 5 seconds, or when bytes stay unacknowledged that long.
_LIVENESS = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
# A transaction that its process forgot gives its locks back after this many milliseconds.
_IDLE_IN_TRANSACTION = 300_000


@frozen
class ConnectionSettings:
    """Login at one database.

    ``host`` is a name, an address or, when it begins with a slash, the directory of the server's socket.
    ``extra`` holds further libpq keywords, such as ``(("sslmode", "require"),)``.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    dbname: str
    extra: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_url(cls, url: str) -> ConnectionSettings:
        """Read ``postgresql://user:password@host:port/dbname?sslmode=...``, or libpq's ``key=value`` form.

        :raises ValueError: the text is neither, or has several hosts or ports.
        """
        try:
            words = parse_dsn(url)
        except psycopg2.Error as error:
            # libpq repeats the whole text, and so the password, in some of its messages.
            raise ValueError("The database URL is not one that PostgreSQL understands.") from error.with_traceback(None)
        port = words.pop("port", "5432")
        if not port.isdecimal():
            raise ValueError("The database URL must name a single host and port.")
        user = words.pop("user", APPLICATION_NAME)
        return cls(
            host=words.pop("host", "localhost"),
            port=int(port),
            user=user,
            password=words.pop("password", ""),
            dbname=words.pop("dbname", user),
            extra=tuple(sorted(words.items())),
        )

    def database(self, dbname: str) -> ConnectionSettings:
        """The same login at another database of the same server."""
        return evolve(self, dbname=dbname)

    def keywords(self, *, statement_timeout: float, one_plan: bool = False) -> dict[str, object]:
        """Keyword arguments for ``psycopg2.connect``.

        :param statement_timeout: seconds after which the server stops a statement; 0 for never.
        :param one_plan: plan a prepared statement once, for all its executions; it is made for that, see
            ``prepared_text``.
        """
        options = (
            f"-c statement_timeout={int(statement_timeout * 1000)} -c timezone=UTC -c jit=off "
            # Notices tell a writer what it has changed, see schema/0003_changes.sql.
            "-c client_min_messages=notice "
            f"-c idle_in_transaction_session_timeout={_IDLE_IN_TRANSACTION}"
        )
        if one_plan:
            options += " -c plan_cache_mode=force_generic_plan"
        extra = dict(self.extra)
        options = f"{options} {extra.pop('options', '')}".strip()
        login = {"host": self.host, "port": self.port, "user": self.user, "dbname": self.dbname}
        if self.password:
            login["password"] = self.password
        fixed = {"application_name": APPLICATION_NAME, "client_encoding": "UTF8", "options": options}
        return _LIVENESS | fixed | login | extra
