"""Where requests may go: whatever a page or a redirect says, only to what the operator has allowed."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.upstream.addresses import AddressRules, is_public, join, parse_target
from keygenreg.upstream.failures import Refused

RULES = AddressRules("https://index.example/simple/", ("files.example", "odd.example:8443"))


class TestUrls:
    @pytest.mark.parametrize(
        "url",
        [
            "https://index.example/simple/a/",
            "https://INDEX.example:443/x",
            "https://index.example./x",
            "https://files.example/a/b.whl",
            "https://files.example/a%2Fb.whl?x=1#sha256=00",
            "https://odd.example:8443/x",
        ],
    )
    def test_allowed(self, url: str):
        assert RULES.check(url).url.startswith("https://")

    @pytest.mark.parametrize(
        "url",
        [
            "http://index.example/simple/",
            "https://index.example:8443/",
            "https://files.example:444/",
            "https://odd.example/",
            "https://evil.example/",
            "https://files.example.evil.example/",
            "https://files.example@evil.example/",
            "https://user:pw@index.example/",
            "https://evil.example\\@index.example/",
            "https://evil.example#@index.example/",
            "https://index.example\t.evil.example/",
            "https:index.example/",
            "https:///index.example/",
            "//index.example/",
            "/simple/",
            "",
            "file:///etc/passwd",
            "ftp://index.example/",
            "HTTPS+unix://index.example/",
            "https://index.example:port/",
            "https://index.example:0/",
            "https://index.example:99999/",
            "https://[::1/",
            "https://index.example/\r\nHost: evil",
            "https://index.example/" + "a" * 5000,
            "https://xn--/..",
            "https://ındex.example/",
        ],
    )
    def test_refused(self, url: str):
        with pytest.raises(Refused):
            RULES.check(url)

    def test_encryption_is_not_left(self):
        plain = AddressRules("http://index.example/", ("files.example",))
        secure = plain.check("https://files.example/a")
        with pytest.raises(Refused):
            plain.check("http://files.example/b", came_from=secure)
        assert plain.check("http://files.example/b", came_from=plain.check("http://index.example/")).port == 80

    def test_what_no_url_holds_is_escaped_once(self):
        assert parse_target("http://a.example/ä b%20c").url == "http://a.example/%C3%A4%20b%20c"

    @given(st.text(max_size=80))
    def test_any_text_is_a_url_of_ours_or_refused(self, text: str):
        for url in (text, f"https://{text}", f"https://index.example/{text}", join("https://index.example/a/", "x")):
            try:
                target = RULES.check(url)
            except Refused:
                continue
            parts = urlsplit(target.url)
            assert target.url.isascii() and " " not in target.url
            assert parts.scheme == "https" and parts.username is None
            assert parts.hostname.rstrip(".") in {"index.example", "files.example", "odd.example"}

    @given(st.text(max_size=40), st.text(max_size=40))
    def test_joining_never_breaks(self, base: str, reference: str):
        with suppress(Refused):
            assert isinstance(join(f"https://index.example/{base}", reference), str)


class TestAddresses:
    @pytest.mark.parametrize("address", ["8.8.8.8", "151.101.0.223", "2606:4700::6810:84e5", "::ffff:8.8.8.8"])
    def test_public(self, address: str):
        assert is_public(ip_address(address))
        assert RULES.admits(address)

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
            "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.5", "224.0.0.1", "240.0.0.1",
            "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1",
            "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe", "fe80::1%eth0", "not an address", "",
        ],
    )  # fmt: skip
    def test_not_public(self, address: str):
        assert not RULES.admits(address)

    def test_unless_the_operator_allows_it(self):
        private = AddressRules("http://10.0.0.5/simple/", (), True)
        assert private.admits("10.0.0.5") and private.admits("127.0.0.1")
        assert not private.admits("nonsense")

    @given(st.ip_addresses())
    def test_private_networks_never_pass(self, address):
        if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
            mapped = getattr(address, "ipv4_mapped", None)
            assert not is_public(address) or (mapped is not None and mapped.is_global)
