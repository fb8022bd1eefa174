"""Credentials in all their forms, and what is said about wrong ones (api.md 3.1 to 3.4, 7.3)."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account, Answer, Api, basic
from tests.management.customers import License, days, token_of, user


def using(account: Account, authorization: str | None = None, query: str = "", path: str = "/me") -> Answer:
    """GET as whoever the header or the query stands for."""
    return Api(account.daemon.url, account.id, authorization).get(path + query)


def outcome(answer: Answer) -> tuple[int, str | None]:
    return answer.status, answer.error.get("code")


def challenge(answer: Answer) -> str:
    return answer.headers["WWW-Authenticate"]


def test_AUT_01_AUT_03_forms_of_a_token(account: Account) -> None:
    token = account.token
    me = account.admin.get("/me").data["id"]
    for header in (
        f"Bearer {token}", f"bearer {token}", f"Token {token}", f"TOKEN {token}", basic("token", token),
        basic(token, ""), basic(token, "anything"), basic("token", token).replace("Basic", "bAsIc"),
    ):  # fmt: skip
        assert using(account, header).data["id"] == me, header
    for query in (f"?token={token}", f"?auth={token}", f"?auth=token:{token}", f"?token=token:{token}"):
        assert using(account, query=query).data["id"] == me, query


@pytest.mark.parametrize("strategy", ["LICENSE", "MIXED"])
def test_AUT_02_forms_of_a_license_key(account: Account, strategy: str) -> None:
    license = License(account, account.admin.make_product(), authentication_strategy=strategy)
    key = license.secret
    for header in (f"License {key}", f"license {key}", basic("license", key)):
        assert using(account, header).data["id"] == license.id
    for query in (f"?auth=license:{key}", f"?token=license:{key}"):
        assert using(account, query=query).data["id"] == license.id


def test_AUT_04_header_before_query(account: Account) -> None:
    other = token_of(account, "users", user(account))
    assert using(account, f"Bearer {account.token}", f"?token={other.authorization[7:]}").data["id"] == (
        account.admin.get("/me").data["id"]
    )
    assert outcome(using(account, "Bearer wrong", f"?token={account.token}")) == (401, "TOKEN_INVALID")
    # A scheme that nobody knows is as if there were no header.
    assert using(account, "Negotiate abc", f"?token={account.token}").status == 200


def test_AUT_05_AUT_06_no_credentials(account: Account) -> None:
    answer = using(account, path="/products")
    assert outcome(answer) == (401, "TOKEN_MISSING")
    assert challenge(answer) == 'Bearer realm="keygen"'
    assert using(account, path="/releases").status == 200


@pytest.mark.parametrize("path", ["/releases", "/products"])
def test_AUT_07_unknown_token(account: Account, path: str) -> None:
    for token in ("nope", "prod-123v3", "\N{SNOWMAN}", "x" * 5000):
        answer = using(account, f"Bearer {token}".encode().decode("latin-1"), path=path)
        assert outcome(answer) == (401, "TOKEN_INVALID")


def test_AUT_08_id_instead_of_a_token(account: Account) -> None:
    for value in (str(uuid4()), uuid4().hex.upper()):
        assert outcome(using(account, f"Bearer {value}", path="/releases")) == (401, "TOKEN_FORMAT_INVALID")


def test_AUT_09_expired_token(account: Account) -> None:
    api = token_of(account, "users", user(account))
    account.sql("UPDATE tokens SET expiry = now() - interval '1 second' WHERE account_id = %s AND name IS NULL",
                account.id)  # fmt: skip
    for path in ("/releases", "/licenses"):
        assert outcome(api.get(path)) == (401, "TOKEN_EXPIRED")


def test_AUT_10_token_of_another_account(account: Account) -> None:
    """Even where both have the same secret, as after a copy of a registry."""
    other = str(uuid4())
    account.sql(
        """INSERT INTO accounts (id, slug, name, secret_key, ed25519_private_key, rsa_private_key, ecdsa_private_key)
        SELECT %s, slug || '-2', name, secret_key, ed25519_private_key, rsa_private_key, ecdsa_private_key
        FROM accounts WHERE id = %s""",
        other, account.id,
    )  # fmt: skip
    answer = Api(account.daemon.url, other, f"Bearer {account.token}").get("/releases")
    assert outcome(answer) == (401, "TOKEN_INVALID")


def test_AUT_11_unknown_key(account: Account) -> None:
    for header in ("License NOPE-NOPE", basic("license", "NOPE")):
        assert outcome(using(account, header, path="/releases")) == (401, "LICENSE_INVALID")


@pytest.mark.parametrize("strategy", ["TOKEN", "SESSION", "NONE"])
def test_AUT_12_key_not_allowed(account: Account, strategy: str) -> None:
    license = License(account, account.admin.make_product("OPEN"), authentication_strategy=strategy)
    assert outcome(license.key.get("/releases")) == (403, "LICENSE_NOT_ALLOWED")


@pytest.mark.parametrize("strategy", ["LICENSE", "SESSION", "NONE"])
def test_AUT_13_token_not_allowed(account: Account, strategy: str) -> None:
    license = License(account, account.admin.make_product("OPEN"), authentication_strategy=strategy)
    assert outcome(license.token.get("/releases")) == (403, "TOKEN_NOT_ALLOWED")


def test_AUT_14_suspended_key(account: Account) -> None:
    license = License(account, account.admin.make_product("OPEN"), suspended=True)
    assert outcome(license.key.get("/releases")) == (403, "LICENSE_SUSPENDED")
    assert license.token.get("/releases").status == 200


@pytest.mark.parametrize("strategy", ["RESTRICT_ACCESS", "MAINTAIN_ACCESS", "ALLOW_ACCESS", "REVOKE_ACCESS"])
def test_AUT_15_expired_key(account: Account, strategy: str) -> None:
    license = License(account, account.admin.make_product(), expiry=days(-1), expiration_strategy=strategy)
    answer = license.key.get("/releases")
    if strategy == "REVOKE_ACCESS":
        assert outcome(answer) == (403, "LICENSE_EXPIRED")
    else:
        assert answer.status == 200


def test_AUT_16_banned_owner(account: Account) -> None:
    owner = user(account)
    license = License(account, account.admin.make_product(), owner=owner)
    person = token_of(account, "users", owner)
    assert person.get("/releases").status == license.token.get("/releases").status == 200
    account.admin.post(f"/users/{owner}/actions/ban")
    assert outcome(license.key.get("/releases")) == (403, "LICENSE_BANNED")
    assert outcome(license.token.get("/releases")) == (403, "USER_BANNED")
    assert outcome(person.get("/releases")) == (403, "USER_BANNED")


def test_AUT_14_to_16_order_of_the_checks(account: Account) -> None:
    """Banned before suspended before expired before the policy's word."""
    owner = user(account)
    license = License(
        account, account.admin.make_product(), owner=owner, suspended=True, expiry=days(-1),
        expiration_strategy="REVOKE_ACCESS", authentication_strategy="NONE",
    )  # fmt: skip
    account.sql("UPDATE users SET banned = now() WHERE id = %s", owner)
    assert outcome(license.key.get("/releases"))[1] == "LICENSE_BANNED"
    account.sql("UPDATE users SET banned = NULL WHERE id = %s", owner)
    assert outcome(license.key.get("/releases"))[1] == "LICENSE_SUSPENDED"
    license.set(suspended=False)
    assert outcome(license.key.get("/releases"))[1] == "LICENSE_EXPIRED"
    license.set(expiry=None)
    assert outcome(license.key.get("/releases"))[1] == "LICENSE_NOT_ALLOWED"


@pytest.mark.parametrize("key", ["a:b:c key", "with space", "dir/ectory/key", "perc%ent%20key", "\N{SNOWMAN}-snowman"])
def test_AUT_17_keys_of_any_characters(account: Account, key: str) -> None:
    product = account.admin.make_product()
    license = account.admin.make_license(account.admin.make_policy(product), key=key)
    header = f"License {key}".encode().decode("latin-1")
    assert using(account, header).data["id"] == license["id"]
    assert using(account, basic("license", key)).data["id"] == license["id"]
    for name in ("auth", "token"):
        assert using(account, query=f"?{name}=license:{quote(key, safe='')}").data["id"] == license["id"]


def test_AUT_18_password_only_where_tokens_are_made(account: Account) -> None:
    login = basic(account.email, account.password)
    assert outcome(using(account, login, path="/products")) == (401, "TOKEN_INVALID")
    assert outcome(using(account, login, path="/tokens")) == (401, "TOKEN_INVALID")
    assert Api(account.daemon.url, account.id, login).post("/tokens").status == 201


@pytest.mark.parametrize("header", ["Bearer ", "Bearer", "Basic Og==", "License ", "Token"])
def test_AUT_19_empty_values(account: Account, header: str) -> None:
    assert using(account, header, path="/releases").status == 200
    assert outcome(using(account, header, path="/products")) == (401, "TOKEN_MISSING")


@pytest.mark.parametrize("header", ["Basic !!!", "Basic /w==", "Bearer \xff", "Basic " + "A" * 9])
def test_garbage_is_not_anonymous(account: Account, header: str) -> None:
    assert using(account, header, path="/releases").status == 401


def test_AUT_20_deleting_the_bearer(account: Account) -> None:
    product = account.admin.make_product()
    license = License(account, product)
    machine = token_of(account, "products", product["id"])
    person_id = user(account)
    person = token_of(account, "users", person_id)
    assert account.admin.delete(f"/users/{person_id}").status == 204
    assert account.admin.delete(f"/licenses/{license.id}").status == 204
    for api in (person, license.token):
        assert outcome(api.get("/releases")) == (401, "TOKEN_INVALID")
    assert account.admin.delete(f"/products/{product['id']}").status == 204
    assert outcome(machine.get("/releases")) == (401, "TOKEN_INVALID")


def test_AUT_21_only_a_digest_is_stored(account: Account) -> None:
    made = account.admin.post("/tokens").data
    [(row, secret_key)] = account.sql(
        "SELECT to_jsonb(t), a.secret_key FROM tokens t JOIN accounts a ON a.id = t.account_id WHERE t.id = %s",
        made["id"],
    )
    raw = made["attributes"]["token"]
    assert raw not in str(row)
    assert row["digest"] == hmac.new(secret_key.encode(), raw.encode(), hashlib.sha256).hexdigest()


def test_AUT_22_challenge_names_the_scheme_used(account: Account) -> None:
    assert challenge(using(account, basic("token", "wrong"))) == 'Basic realm="keygen"'
    assert challenge(using(account, "License wrong")) == 'License realm="keygen"'
    assert challenge(using(account, "Token wrong")) == 'Token realm="keygen"'
    assert challenge(using(account, query="?token=wrong")) == 'Bearer realm="keygen"'


def test_suspended_subscription(account: Account) -> None:
    """Nothing of a paused account is served, whoever asks."""
    account.sql("UPDATE accounts SET status = 'PAUSED' WHERE id = %s", account.id)
    for api in (account.admin, account.admin.as_()):
        answer = api.get("/releases")
        assert answer.status == 403
        assert answer.error["title"] == "Account does not have an active subscription"
