"""Where requests may go: URLs and network addresses against what the operator has allowed (packages.md 1.9, SSRF)."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote, urljoin, urlsplit

from attrs import field, frozen

from keygenreg.upstream.failures import Refused

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?|\[[0-9a-f:.]+\]", re.ASCII)
_LONGEST = 4096
# What may stand in a URL as it is, the percent sign included; anything else is escaped (RFC 3986, section 2).
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"
_NAT64 = ip_network("64:ff9b::/96")


@frozen
class Target:
    """One URL, taken apart: ``url`` is ASCII, without fragment and credentials."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """Scheme, host and port, as one comparable text."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"


def parse_target(url: str) -> Target:
    """
    Take an absolute http or https URL apart.

    :raises Refused: it is none, is too long, or holds credentials or characters that no URL has.
    """
    if len(url) > _LONGEST or any(ord(character) < 0x20 or character == "\\" for character in url):
        raise Refused("The URL has characters that no URL has, or too many.")
    try:
        # An escape that is there stays: encoding twice would name another file.
        parts = urlsplit(quote(url.strip(" "), safe=_URL_CHARACTERS))
        port = parts.port
    except ValueError:
        raise Refused("The URL cannot be read.") from None
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc.rstrip(":")
    host = host.lower()
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or port == 0:
        raise Refused("The URL is not one of http or https with a plain host.")
    target = parts._replace(netloc=host if port is None else f"{host}:{port}", fragment="", path=parts.path or "/")
    return Target(target.geturl(), parts.scheme, host.strip("[]").rstrip("."), port or _PORTS[parts.scheme])


def join(base: str, reference: str) -> str:
    """
    The absolute URL that ``reference`` means in a document at ``base``.

    :raises Refused: it cannot be joined.
    """
    try:
        return urljoin(base, reference)
    except ValueError:
        raise Refused("The URL cannot be read.") from None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the public internet, whatever it is wrapped in."""
    if isinstance(address, IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
        if any(each is not None and not is_public(each) for each in inner):
            return False
        if address.ipv4_mapped is not None:
            return True
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def _authorities(hosts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(host.lower() for host in hosts)


@frozen
class AddressRules:
    """
    What one upstream's requests may reach.

    :param index: the upstream's own URL; its host and port are allowed.
    :param hosts: further hosts (``files.example.org`` for the default port of its scheme, else ``host:port``).
    :param private: whether addresses that are not public (loopback, private, link-local) may be connected to.
    """

    index: Target = field(converter=parse_target)
    hosts: frozenset[str] = field(converter=_authorities, default=())
    private: bool = False

    def check(self, url: str, came_from: Target | None = None) -> Target:
        """
        The URL, if we may go there.

        :param came_from: where a redirect came from: never from https to http.
        :raises Refused: we may not.
        """
        target = parse_target(url)
        if came_from is not None and came_from.scheme == "https" and target.scheme == "http":
            raise Refused(f"The redirect to {target.origin} would leave encryption.")
        if target.scheme == "http" and self.index.scheme == "https":
            raise Refused(f"{target.origin} is not encrypted, and the upstream is.")
        default = target.port == _PORTS[target.scheme]
        named = target.authority in self.hosts or (default and target.host in self.hosts)
        if not named and target.authority != self.index.authority:
            raise Refused(f"The host {target.authority} is not allowed; `file_hosts` lists those that are.")
        return target

    def admits(self, address: str) -> bool:
        """Whether a connection to this numeric address may be opened."""
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return self.private or is_public(found)
