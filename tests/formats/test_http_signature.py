"""Signatures of answers (GEN-25 to GEN-27)."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.failures import BadRequest
from keygenreg.formats import http_signature as signatures

ACCOUNT = "5b0e7c1a-3f52-4d0e-9c57-0c1d8e2f7a10"
#: RFC 8032, 7.1, test 1.
SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def sample(**changes) -> bytes:
    parts = {
        "method": "GET",
        "target": "/v1/releases?limit=1",
        "host": "dl.example.net:8443",
        "date": "Tue, 06 May 2031 07:08:09 GMT",
        "digest": signatures.digest_header(b"{}"),
    }
    return signatures.signing_string(**(parts | changes))


def test_the_digest_is_that_of_the_body():
    assert signatures.digest_header(b"") == "sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    body = b'{"data":[]}'
    assert base64.b64decode(signatures.digest_header(body).removeprefix("sha-256=")) == hashlib.sha256(body).digest()


def test_what_is_signed():
    assert sample() == (
        b"(request-target): get /v1/releases?limit=1\n"
        b"host: dl.example.net:8443\n"
        b"date: Tue, 06 May 2031 07:08:09 GMT\n"
        b"digest: sha-256=RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="
    )


def test_clients_can_verify_the_header_with_the_public_key():
    key = signatures.load_private_key(SEED)
    assert signatures.public_key_hex(key) == PUBLIC
    header = signatures.signature_header(key, ACCOUNT, sample())
    members = dict(re.findall(r'(\w+)="([^"]*)"', header))
    assert members["keyid"] == ACCOUNT
    assert members["algorithm"] == "ed25519"
    assert members["headers"] == "(request-target) host date digest"
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(PUBLIC))
    public.verify(base64.b64decode(members["signature"]), sample())
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(members["signature"]), sample(host="dl.example.net"))


@pytest.mark.parametrize("seed", ["", "zz", "00", SEED + "00"])
def test_a_key_that_is_none(seed):
    with pytest.raises(ValueError):
        signatures.load_private_key(seed)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        'algorithm="ed25519"',
        'algorithm="Ed25519"',
        f'keyid="{ACCOUNT}", algorithm="ed25519"',
        f'keyid="{ACCOUNT.upper()}"',
        'algorithm="ed25519",headers="x"',
    ],
)
def test_demands_we_can_meet(header):
    signatures.require_signable(header, ACCOUNT)


@pytest.mark.parametrize(
    "header",
    [
        'algorithm="rsa-sha256"',
        'keyid="5b0e7c1a-3f52-4d0e-9c57-0c1d8e2f7a11", algorithm="ed25519"',
        'keyid="northwind"',
        "ed25519",
        "algorithm=ed25519",
        'algorithm="ed25519"; x',
        'algorithm="ed25519", algorithm="ed25519"',
        ",",
    ],
)
def test_demands_we_refuse(header):
    with pytest.raises(BadRequest):
        signatures.require_signable(header, ACCOUNT)


@given(st.one_of(st.text(), st.text('keyidalgorithm=", ', max_size=60)))
def test_any_header_is_read_or_a_bad_request(header):
    try:
        signatures.require_signable(header, ACCOUNT)
    except BadRequest as failure:
        assert failure.detail


@given(st.text(), st.text())
def test_any_request_can_be_signed(target, host):
    assert sample(target=target, host=host).count(b"\n") >= 3
