"""The daemon's settings: one frozen tree, each value with its kind, default and meaning.

``config/keygenreg.toml`` is the reference for people; a test holds it and this module together. Reading files, the
environment and the command line is :mod:`keygenreg.configuration`'s work. Sizes are in bytes, times in seconds; the
names say which.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from keygenreg.setting_kinds import (
    ACCOUNT_REFERENCE,
    DATABASE_URL,
    DOMAIN_NAME,
    Choice,
    Flag,
    HttpUrl,
    Networks,
    Number,
    OrNone,
    PathName,
    Text,
    WholeNumber,
    section,
    setting,
)
from keygenreg.upstream_settings import Upstream

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
HOUR = 3600


_SECONDS = Number("seconds", 0.001, 7 * 24 * HOUR)
_PORT = WholeNumber("", 0, 65535)


@frozen
class Server:
    """Where the registry listens and how its clients call it."""

    host: str = setting(Text(), "0.0.0.0", "Address to listen on; `::` takes IPv6 and IPv4.")
    port: int = setting(_PORT, 8080, "TCP port; 0 takes any free one.")
    public_url: str | None = setting(
        OrNone(HttpUrl()), None, "Scheme, host and port that links in answers use. Empty: those of the request."
    )
    domain: str | None = setting(
        OrNone(DOMAIN_NAME), None, "Base domain of `api.<domain>` and `<engine>.pkg.<domain>`. Empty: no such hosts."
    )
    mode: str = setting(
        Choice("singleplayer", "multiplayer"), "singleplayer", "One account for every path, or many named in paths."
    )
    account: str | None = setting(
        OrNone(ACCOUNT_REFERENCE), None, "Id or slug of the account in singleplayer mode. Empty: the oldest one."
    )
    trusted_proxies: tuple[str, ...] = setting(
        Networks(), ("127.0.0.0/8", "::1/128"), "Peers whose `X-Forwarded-*` headers count: addresses or networks."
    )
    tls_certificate: Path | None = setting(
        OrNone(PathName("the path of a file")), None, "PEM file of the certificate and its chain. Empty: plain HTTP."
    )
    tls_key: Path | None = setting(
        OrNone(PathName("the path of a file")), None, "PEM file of the certificate's private key; may be the same file."
    )
    workers: int = setting(WholeNumber("", 1, 256), 1, "Web processes that share the port; about one for each core.")
    drain_seconds: float = setting(_SECONDS, 30.0, "How long a stop waits for answers and uploads under way.")


@frozen
class Operator:
    """The operator endpoint: `/metrics`, never for customers. Without its port the daemon runs on."""

    host: str = setting(Text(), "127.0.0.1", "Address of the operator endpoint.")
    port: int = setting(_PORT, 9464, "Port of the operator endpoint; 0 turns it off.")


@frozen
class Storage:
    """Where bytes are kept."""

    data_dir: Path = setting(
        PathName(), Path("var"), "Directory of the blobs and of the embedded database; made when missing."
    )


@frozen
class Database:
    """PostgreSQL."""

    url: str | None = setting(
        OrNone(DATABASE_URL), None, "URL of a PostgreSQL server, version 15 or newer. Empty: an embedded one."
    )
    pool_size: int = setting(WholeNumber("", 1, 1000), 8, "Connections of each web process.")
    pool_waiters: int = setting(
        WholeNumber("", 0, 100_000), 512, "Queries of one process that may wait for a connection; 503 beyond."
    )
    statement_timeout_seconds: float = setting(_SECONDS, 30.0, "A statement that runs longer is cancelled.")
    prepared_statements: bool = setting(
        Flag(), True, "Let the server keep the plans of repeated reads. Not with a pooler that shares connections."
    )


@frozen
class Cache:
    """What each web process remembers, in memory. Nothing outlives a change of what it was made from."""

    answers_bytes: int = setting(
        WholeNumber("bytes", 0, 64 * GIB), 64 * MIB, "Answers to repeated requests, given before these are parsed."
    )
    replies_bytes: int = setting(
        WholeNumber("bytes", 0, 64 * GIB), 64 * MIB, "Documents, each kept once for all who see the same."
    )
    bearers_bytes: int = setting(
        WholeNumber("bytes", 0, 64 * GIB), 32 * MIB, "Accounts, and what credentials stand for."
    )


@frozen
class Delivery:
    """How bytes reach clients."""

    mode: str = setting(
        Choice("stream", "redirect"), "stream", "Send the bytes in the answer, or redirect to a signed link."
    )
    redirect_above_bytes: int = setting(
        WholeNumber("bytes", 0), 0, "In stream mode, redirect for blobs larger than this. 0: stream all."
    )
    link_seconds: int = setting(WholeNumber("seconds", 60, 7 * 24 * HOUR), HOUR, "Life of a signed download link.")
    accelerate: str = setting(
        Choice("none", "x-accel-redirect", "x-sendfile"),
        "none",
        "Let a `server.trusted_proxies` in front send files from the same disk: nginx by the first header, Apache and "
        "lighttpd by the second.",
    )
    accelerate_prefix: str = setting(
        Text(), "/-/stored/", "nginx's internal location whose alias is `blobs/sha256/` of the data directory."
    )


@frozen
class Uploads:
    """What vendors send."""

    max_bytes: int = setting(WholeNumber("bytes", 1), 5 * GIB, "Size of the largest artifact.")
    link_seconds: int = setting(WholeNumber("seconds", 60, 7 * 24 * HOUR), HOUR, "Life of a signed upload link.")
    waiting_seconds: int = setting(
        WholeNumber("seconds", 60, 30 * 24 * HOUR), HOUR, "An artifact whose bytes do not come for this long is FAILED."
    )


@frozen
class Limits:
    """Bounds of one connection."""

    head_bytes: int = setting(WholeNumber("bytes", 1024, MIB), 16 * KIB, "Request line and headers (431 beyond).")
    head_fields: int = setting(WholeNumber("", 10, 10_000), 100, "Header fields of a request (431 beyond).")
    target_bytes: int = setting(WholeNumber("bytes", 256, MIB), 8 * KIB, "Length of a request target (414 beyond).")
    body_bytes: int = setting(WholeNumber("bytes", KIB, GIB), MIB, "Bodies that are not uploads (413 beyond).")
    keep_alive_seconds: float = setting(_SECONDS, 75.0, "How long a connection may idle between requests.")
    head_seconds: float = setting(_SECONDS, 20.0, "From a request's first byte to the end of its headers (408 beyond).")
    body_seconds: float = setting(_SECONDS, 30.0, "Time in which the next `body_pace_bytes` of a body must come.")
    body_pace_bytes: int = setting(WholeNumber("bytes", 0, GIB), 4 * KIB, "Bytes of a body due in `body_seconds`.")
    send_seconds: float = setting(_SECONDS, 60.0, "How long a client may take no byte of an answer.")


@frozen
class Security:
    """What strangers may learn, and for how long credentials are good."""

    uniform_password_errors: bool = setting(
        Flag(), False, "Answer every failed sign-in with the same code, so that nobody learns which addresses exist."
    )
    registry_token_seconds: int = setting(
        WholeNumber("seconds", 15 * 60, HOUR), HOUR // 2, "Life of the tokens with which docker and the like pull."
    )


@frozen
class Page:
    """The web page for vendors: `/app/`, and `/` for browsers. It is a client of the API, and can do nothing else."""

    enabled: bool = setting(Flag(), True, "Serve it.")


@frozen
class Processing:
    """Reading of uploaded packages; a larger file is FAILED with the reason."""

    threads: int = setting(WholeNumber("", 1, 64), 2, "Uploads that one process reads at the same time.")
    gem_bytes: int = setting(WholeNumber("bytes", 512), 32 * MIB, "Largest gem.")
    npm_bytes: int = setting(WholeNumber("bytes", 512), 32 * MIB, "Largest npm tarball.")
    image_bytes: int = setting(
        WholeNumber("bytes", 512), GIB, "Largest archive of an OCI image layout, as it is and decompressed."
    )
    image_document_bytes: int = setting(
        WholeNumber("bytes", KIB, 64 * MIB), 4 * MIB, "Largest index or manifest of an image; clients read 4 MiB."
    )
    image_documents: int = setting(WholeNumber("", 1, 100_000), 10_000, "Indexes and manifests of one image layout.")
    image_blobs: int = setting(WholeNumber("", 1, 1_000_000), 50_000, "Blobs of one image layout.")


@frozen
class Logging:
    """What is written down."""

    level: str = setting(Choice("debug", "info", "warn", "error"), "info", "Least grave message of the log.")
    access_log: str | None = setting(
        OrNone(Text()), None, "File that gets a line for each request, `-` for standard output. Empty: none is written."
    )


@frozen
class Settings:
    """All settings of a daemon."""

    server: Server = section(Server)
    operator: Operator = section(Operator)
    storage: Storage = section(Storage)
    database: Database = section(Database)
    cache: Cache = section(Cache)
    delivery: Delivery = section(Delivery)
    uploads: Uploads = section(Uploads)
    limits: Limits = section(Limits)
    upstream: Upstream = section(Upstream)
    security: Security = section(Security)
    page: Page = section(Page)
    processing: Processing = section(Processing)
    logging: Logging = section(Logging)
