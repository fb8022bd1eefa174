"""The certificate of the settings: what is wrong with it is said in one sentence, before anything else is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from twisted.logger import capturedLogs

from keygenreg.assembly.tls import TlsFiles, tls_files
from keygenreg.configuration import ConfigurationError
from keygenreg.settings import Server, Settings
from tests.web.certificates import new_certificate

CERTIFICATE, KEY = new_certificate()


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """Settings with a certificate and its key."""
    (tmp_path / "chain.pem").write_bytes(CERTIFICATE)
    (tmp_path / "key.pem").write_bytes(KEY)
    return Server(tls_certificate=tmp_path / "chain.pem", tls_key=tmp_path / "key.pem")


def used(server: Server) -> TlsFiles | None:
    return tls_files(Settings(server=server))


def sentence(server: Server) -> str:
    with pytest.raises(ConfigurationError) as caught:
        used(server)
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


class TestUsable:
    def test_none_is_plain_http(self):
        assert used(Server()) is None

    def test_two_files(self, server):
        assert used(server) == TlsFiles(server.tls_certificate, server.tls_key)

    @pytest.mark.parametrize("order", [(CERTIFICATE, KEY), (KEY, CERTIFICATE)], ids=["chain first", "key first"])
    def test_one_file_with_both(self, server, order):
        server.tls_certificate.write_bytes(b"".join(order))
        assert used(evolve(server, tls_key=server.tls_certificate))

    def test_an_rsa_key(self, server):
        certificate, key = new_certificate("rsa")
        server.tls_certificate.write_bytes(certificate)
        server.tls_key.write_bytes(key)
        assert used(server)

    def test_a_chain(self, server):
        server.tls_certificate.write_bytes(CERTIFICATE + new_certificate()[0])
        assert used(server)

    def test_one_that_has_ended_is_used_with_a_warning(self, server):
        """The old one is better than none while somebody gets a new one."""
        certificate, key = new_certificate(days=-1)
        server.tls_certificate.write_bytes(certificate)
        server.tls_key.write_bytes(key)
        with capturedLogs() as logged:
            assert used(server)
        assert any("ended at" in event["log_format"] for event in logged)


class TestSentences:
    def test_no_key(self, server):
        assert "server.tls_key: expected a file" in sentence(evolve(server, tls_key=None))

    def test_no_certificate(self, server):
        assert "server.tls_certificate: expected a file" in sentence(evolve(server, tls_certificate=None))

    @pytest.mark.parametrize("name", ["tls_certificate", "tls_key"])
    def test_a_file_that_is_not_there(self, server, tmp_path, name):
        said = sentence(evolve(server, **{name: tmp_path / "missing.pem"}))
        assert said == f"server.{name}: {tmp_path}/missing.pem cannot be read: No such file or directory."

    @pytest.mark.parametrize("name", ["tls_certificate", "tls_key"])
    def test_a_file_that_is_a_directory(self, server, tmp_path, name):
        assert f"server.{name}: {tmp_path} cannot be read: Is a dir" in sentence(evolve(server, **{name: tmp_path}))

    @pytest.mark.parametrize("content", [b"", b"\x30\x82\x00\x00", b"-----BEGIN CERTIFICATE-----\nAA\n", b"a" * 10_000])
    def test_a_file_that_is_something_else(self, server, content):
        server.tls_certificate.write_bytes(content)
        assert "does not begin with a certificate in PEM form" in sentence(server)
        server.tls_certificate.write_bytes(CERTIFICATE)
        server.tls_key.write_bytes(content)
        assert "does not hold a private key in PEM form" in sentence(server)

    def test_files_in_the_wrong_place(self, server):
        swapped = evolve(server, tls_certificate=server.tls_key, tls_key=server.tls_certificate)
        assert "server.tls_certificate: " in sentence(swapped)

    def test_the_key_of_another_certificate(self, server):
        server.tls_key.write_bytes(new_certificate()[1])
        assert "is not the key of the certificate in" in sentence(server)

    def test_an_encrypted_key(self, server):
        """Nobody is there to be asked for its password."""
        certificate, key = new_certificate(password=b"secret")
        server.tls_certificate.write_bytes(certificate)
        server.tls_key.write_bytes(key)
        assert "is encrypted; it has to be without a password" in sentence(server)

    def test_a_second_certificate_that_is_broken(self, server):
        broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        server.tls_certificate.write_bytes(CERTIFICATE + broken)
        assert "server.tls_certificate: " in sentence(server)
