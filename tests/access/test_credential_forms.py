"""From a request's header and query to the bearer: every form of api.md 3.1 leads to the same one."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from keygenreg.domain.failures import Unauthenticated
from keygenreg.formats.authorization import read_credentials
from keygenreg.formats.jsonapi_query import QueryParameters
from tests.access.door import fresh_scene

KEY_PREFIXES = ("", "a:b/c d-", "50%+1&x=y#-", "schlüssel-")


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


def enter(door, scene, header: bytes | None = None, query: str = ""):
    """Sign in with what a request carries, anywhere but at ``POST /tokens``."""
    credential = read_credentials(header, QueryParameters.parse(query.encode()))
    return door.sign_in(scene, credential)


@pytest.fixture
def scene():
    return fresh_scene()


def test_every_form_of_a_token(door, scene):
    """AUT-01, AUT-03: Bearer, Token, Basic with the token as password or as user name, and both parameters."""
    record = scene.token(scene.user("admin"))
    door.build(scene)
    secret = record.secret
    headers = [
        f"Bearer {secret}".encode(),
        f"bEARER {secret}".encode(),
        f"Token {secret}".encode(),
        basic(f"token:{secret}"),
        basic(f"{secret}:"),
        basic(f"{secret}:anything"),
    ]
    for header in headers:
        assert enter(door, scene, header).token_id == record.id, header
    for query in (f"token={secret}", f"auth={secret}", f"auth=token:{secret}"):
        assert enter(door, scene, query=query).token_id == record.id, query


@pytest.mark.parametrize("prefix", KEY_PREFIXES)
def test_every_form_of_a_license_key(door, scene, prefix):
    """AUT-02, AUT-17: License, Basic with user "license", both parameters, whatever characters the key has."""
    license = scene.license(scene.product(), key_prefix=prefix)
    door.build(scene)
    headers = [f"License {license.key}".encode(), f"license {license.key}".encode(), basic(f"license:{license.key}")]
    for header in headers:
        assert enter(door, scene, header).bearer.id == license.id, header
    for parameter in ("auth", "token"):
        assert enter(door, scene, query=f"{parameter}=license:{quote(license.key)}").bearer.id == license.id


def test_a_bad_header_is_not_saved_by_a_good_query(door, scene):
    """AUT-04."""
    record = scene.token(scene.user("admin"))
    door.build(scene)
    with pytest.raises(Unauthenticated) as caught:
        enter(door, scene, b"Bearer wrong", f"token={record.secret}")
    assert caught.value.code == "TOKEN_INVALID"


def test_a_password_is_good_for_one_path_only(door, scene):
    """AUT-18: with e-mail and password elsewhere, the address is taken for a token that nobody has."""
    user = scene.user("admin", password_hash="hash:x")
    door.build(scene)
    with pytest.raises(Unauthenticated) as caught:
        enter(door, scene, basic(f"{user.email}:x"))
    assert caught.value.code == "TOKEN_INVALID"
    credential = read_credentials(basic(f"{user.email}:x"), None, password_login=True)
    assert door.sign_in(scene, credential).bearer.id == user.id
