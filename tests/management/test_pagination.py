"""Slices of lists in all three styles (api.md 2.7, 7.2)."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.daemon_fixtures import Account


def entitlements(account: Account, count: int, *, created: str = "now()") -> list[str]:
    """Ids of new entitlements, in the order of their making."""
    found = []
    for n in range(count):
        identifier = str(uuid4())
        account.sql(
            "INSERT INTO entitlements (id, account_id, name, code, created) "
            f"VALUES (%s, %s, %s, %s, {created} + make_interval(secs => %s))",
            identifier, account.id, f"n{n}", f"c{n}-{identifier}", 0 if "timestamp" in created else n,
        )  # fmt: skip
        found.append(identifier)
    return found


def listed(answer) -> list[str]:
    assert answer.status == 200, answer
    return [item["id"] for item in answer.data]


def query_of(link: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(link).query, keep_blank_values=True)


def test_PAG_01_default(account: Account) -> None:
    made = entitlements(account, 12)
    answer = account.admin.get("/entitlements")
    assert listed(answer) == made[:1:-1]
    assert answer.json["links"] == {}


def test_PAG_02_limit(account: Account) -> None:
    made = entitlements(account, 12)
    assert listed(account.admin.get("/entitlements?limit=1")) == made[-1:]
    assert listed(account.admin.get("/entitlements?limit=100")) == made[::-1]
    for bad in ("0", "101", "x", "", "-1", "1.5", "9" * 400, "%EF%BC%91"):
        answer = account.admin.get(f"/entitlements?limit={bad}")
        assert (answer.status, answer.error["source"]) == (400, {"parameter": "limit"})


def test_PAG_03_PAG_04_pages(account: Account) -> None:
    made = entitlements(account, 8)[::-1]
    path = "/entitlements?page[number]={}&page[size]=3"
    first, second, last = (account.admin.get(path.format(n)) for n in (1, 2, 3))
    assert [listed(page) for page in (first, second, last)] == [made[:3], made[3:6], made[6:]]
    links = second.json["links"]
    assert links["meta"] == {"pages": 3, "count": 8}
    numbers = {name: query_of(links[name])["page[number]"] for name in ("self", "prev", "next", "first", "last")}
    assert numbers == {"self": ["2"], "prev": ["1"], "next": ["3"], "first": ["1"], "last": ["3"]}
    assert first.json["links"]["prev"] is None
    assert last.json["links"]["next"] is None
    assert listed(account.admin.get(account.daemon.url + links["next"])) == made[6:]
    assert listed(account.admin.get(path.format(9))) == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("page[number]=101", "page[number]"),
        ("page[number]=0", "page[number]"),
        ("page[number]=x", "page[number]"),
        ("page[number]=1&page[size]=101", "page[size]"),
        ("page[number]=1&page[size]=0", "page[size]"),
        ("page[cursor]=&page[size]=0", "page[size]"),
        ("page[cursor]=kestrel", "page[cursor]"),
        ("page=3", "page"),
        ("page[]=3", "page"),
        ("page[size]=3", "page"),
        ("page[number]=1&page[cursor]=", "page"),
        ("order=up", "order"),
        ("order=", "order"),
    ],
)
def test_PAG_05_PAG_07_PAG_08_PAG_09_malformed(account: Account, query: str, parameter: str) -> None:
    answer = account.admin.get(f"/entitlements?{query}")
    assert (answer.status, answer.error["source"]) == (400, {"parameter": parameter})


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_PAG_06_keyset(account: Account, order: str) -> None:
    """Following the links visits every record once, and then there is no next one."""
    made = entitlements(account, 7)
    link, seen, pages = f"/v1/accounts/{account.id}/entitlements?page[cursor]=&page[size]=3&order={order}", [], 0
    while link:
        answer = account.admin.get(account.daemon.url + link)
        seen += listed(answer)
        link, pages = answer.json["links"]["next"], pages + 1
        if link:
            assert query_of(link)["page[cursor]"] == [seen[-1]]
    assert seen == (made if order == "asc" else made[::-1])
    assert pages == 3


def test_PAG_06_keyset_that_ends_with_a_full_page(account: Account) -> None:
    entitlements(account, 3)
    answer = account.admin.get("/entitlements?page[cursor]=&page[size]=3")
    assert len(answer.data) == 3
    assert answer.json["links"]["next"] is None


def test_PAG_07_unknown_cursor(account: Account) -> None:
    entitlements(account, 2)
    answer = account.admin.get(f"/entitlements?page[cursor]={uuid4()}&page[size]=3")
    assert listed(answer) == []
    assert answer.json["links"]["next"] is None


def test_PAG_09_order(account: Account) -> None:
    made = entitlements(account, 3)
    assert listed(account.admin.get("/entitlements?order=asc")) == made
    assert listed(account.admin.get("/entitlements?order=desc")) == made[::-1]


@pytest.mark.parametrize("style", ["page[number]=1", "page[cursor]="])
def test_PAG_10_links_keep_filters_and_drop_credentials(account: Account, style: str) -> None:
    for _ in range(3):
        account.admin.make_product()
    secret = account.token
    path = f"/products?order=asc&{style}&page[size]=1&token={secret}&metadata[a%20b]=c%26d"
    answer = account.admin.as_().get(path)
    assert answer.status == 200
    for name in ("self", "next"):
        query = query_of(answer.json["links"][name])
        assert secret not in answer.json["links"][name]
        assert query["order"] == ["asc"] and query["metadata[a b]"] == ["c&d"]
        assert "token" not in query and "auth" not in query


def test_PAG_11_equal_times(account: Account) -> None:
    """Records of one moment are visited once each, in the order of their making."""
    made = entitlements(account, 7, created="timestamptz '2030-01-01'")
    link, seen = f"/v1/accounts/{account.id}/entitlements?page[cursor]=&page[size]=2&order=asc", []
    while link:
        answer = account.admin.get(account.daemon.url + link)
        seen += listed(answer)
        link = answer.json["links"]["next"]
    assert seen == made


_NAMES = st.sampled_from(["page", "page[number]", "page[size]", "page[cursor]", "page[]", "limit", "order", "x[y]"])
_VALUES = st.one_of(st.sampled_from(["1", "3", "asc", "desc", "", "100"]), st.text(max_size=12))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(st.tuples(_NAMES, _VALUES), max_size=5))
def test_any_query_is_answered(account: Account, pairs: list[tuple[str, str]]) -> None:
    """Whatever the query says, a list or a refusal that names a parameter."""
    text = "&".join(f"{name}={quoted(value)}" for name, value in pairs)
    answer = account.admin.get(f"/entitlements?{text}")
    assert answer.status in (200, 400)
    if answer.status == 400:
        assert answer.error.get("source", {}).get("parameter") or answer.error.get("code")


def quoted(value: str) -> str:
    return "".join(f"%{byte:02X}" for byte in value.encode("utf-8", "replace"))
