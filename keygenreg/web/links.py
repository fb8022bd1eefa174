"""Absolute URLs in answers: where this registry is, as the client sees it (ARCHITECTURE.md 6, decision 1)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from urllib.parse import quote

from attrs import frozen

#: Hosts below the domain that belong to one engine each: ``pypi.pkg.<domain>``.
PACKAGE_LABEL = "pkg"


def engine_of_host(host: str, domain: str | None) -> str | None:
    """The engine of a package host (``pypi`` for ``pypi.pkg.example.com``), ``None`` for every other host."""
    if domain and host.endswith(f".{PACKAGE_LABEL}.{domain}"):
        label = host[: -len(f".{PACKAGE_LABEL}.{domain}")]
        return label if label and "." not in label else None
    return None


@frozen
class Proxies:
    """The peers whose ``X-Forwarded-*`` headers count: addresses or networks."""

    trusted: tuple[str, ...] = ("127.0.0.0/8", "::1/128")

    def trusts(self, address: str) -> bool:
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(peer, "ipv4_mapped", None)
        peer = mapped or peer
        return any(peer in ip_network(network, strict=False) for network in self.trusted)


@frozen
class Origin:
    """Scheme, host and port as the client sees them."""

    scheme: str
    host: str
    port: int | None = None

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"http": 80, "https": 443}.get(self.scheme)
        return host if self.port in (None, default) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def split_authority(text: str) -> tuple[str, int | None]:
    """
    ``host[:port]`` of a Host header, the host in lower case and without brackets.

    :raises ValueError: it is neither a name nor an address.
    """
    text = text.strip()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(text)
        port = rest[1:]
    else:
        host, _, port = text.partition(":")
    allowed = "abcdefghijklmnopqrstuvwxyz0123456789.-_:"
    if not host or any(c not in allowed for c in host.lower()):
        raise ValueError(text)
    if not port:
        return host.lower().rstrip("."), None
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(text)
    return host.lower().rstrip("."), int(port)


@frozen
class Addresses:
    """
    How the registry is reached.

    :param public_url: scheme, host and optional port that all links use, without trailing slash.
    :param domain: the base domain: the API is at ``api.<domain>``, engines at ``<engine>.pkg.<domain>``.
    """

    public_url: str | None = None
    domain: str | None = None

    def base(self, origin: Origin) -> str:
        """The start of every absolute URL in the answer to a request that came to ``origin``."""
        if engine_of_host(origin.host, self.domain):
            # Package managers send credentials to the host of their index only: stay on it.
            return str(origin)
        if self.public_url:
            return self.public_url
        below = origin.host == self.domain or (self.domain and origin.host.endswith(f".{self.domain}"))
        if below and origin.scheme == "https":
            return f"https://api.{self.domain}"
        return str(origin)


def artifact_url(base: str, account_id: object, artifact_id: object, filename: str) -> str:
    """The vanity URL of an artifact: its file name is one path segment (engines.md 1.11)."""
    return f"{base}/v1/accounts/{account_id}/artifacts/{artifact_id}/{quote(filename, safe='')}"
