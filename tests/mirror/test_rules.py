"""The mirror's own small rules, without any registry: globs, freshness, single flight, what is remembered briefly."""

from __future__ import annotations

import fnmatch
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred

from keygenreg.engines.pypi.upstream import PypiUpstream
from keygenreg.mirror.adapter import Listing, RemoteFile
from keygenreg.mirror.briefly import Briefly
from keygenreg.mirror.documents.freshness import lifetime
from keygenreg.mirror.documents.readings import Readings
from keygenreg.mirror.policy import Names, policy_of
from keygenreg.mirror.single_flight import Background, SingleFlight
from keygenreg.upstream_settings import Pypi, Upstream

NAME = st.text("abc-_.[]!*?\n", max_size=8)


class TestGlobs:
    @given(st.lists(st.text("abc*?", max_size=6), max_size=3), st.text("abc", max_size=8))
    def test_they_mean_what_a_shell_means(self, globs: list[str], name: str):
        assert (name in Names.of(tuple(globs))) == any(fnmatch.fnmatchcase(name, glob) for glob in globs)

    @given(NAME, NAME)
    def test_nothing_else_is_special(self, glob: str, name: str):
        plain = glob.replace("*", "x").replace("?", "x")
        assert (name in Names.of((plain,))) == (name.lower() == plain.lower())

    @given(st.lists(NAME, min_size=1), NAME)
    def test_a_star_is_everything(self, others: list[str], name: str):
        assert name in Names.of((*others, "*"))

    @pytest.mark.timeout(20)
    def test_many_stars_take_no_time(self):
        assert "a" * 200 + "b" not in Names.of(("*****" * 50 + "c",))


class TestPolicies:
    def test_settings_of_an_account_by_slug_and_id(self):
        """Both count; the id, which does not change, counts more."""
        account = str(uuid4())
        settings = Upstream(
            pypi=Pypi(mode="mirror", deny=("x",)),
            accounts={"acme": {"pypi": {"mode": "deny", "fresh_seconds": 5}}, account: {"pypi": {"mode": "redirect"}}},
        )
        adapter = PypiUpstream()
        assert policy_of(settings, adapter, "other", "id").mode == "mirror"
        assert policy_of(settings, adapter, "acme", "id").mode == "deny"
        own = policy_of(settings, adapter, "acme", account)
        assert (own.mode, own.fresh, own.deny.patterns) == ("redirect", 5, ("x",))

    def test_credentials_are_in_no_message(self):
        policy = policy_of(Upstream(pypi=Pypi(authorization="Bearer secret-token")), PypiUpstream(), "a", "b")
        assert "secret-token" not in repr(policy)


class TestFreshness:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, 600),
            ({"cache-control": "max-age=100"}, 100),
            ({"cache-control": "public, MAX-AGE=100, x"}, 100),
            ({"cache-control": "max-age=100", "age": "40"}, 60),
            ({"cache-control": "max-age=100", "age": "99"}, 30),
            ({"cache-control": "max-age=0"}, 30),
            ({"cache-control": "no-store"}, 30),
            ({"cache-control": "no-cache, max-age=1000"}, 30),
            ({"cache-control": "max-age=99999"}, 600),
            ({"cache-control": "s-maxage=5"}, 600),
        ],
    )
    def test_what_upstream_says_within_bounds(self, headers: dict[str, str], seconds: int):
        assert lifetime(headers, 600) == seconds

    @given(st.text(), st.text(), st.integers(0, 10_000))
    def test_whatever_it_says(self, control: str, age: str, longest: int):
        assert 0 <= lifetime({"cache-control": control, "age": age}, longest) <= longest


class TestRemembering:
    def test_for_a_while(self):
        now = [0.0]
        briefly = Briefly(lambda: now[0])
        briefly.remember("a", 10)
        assert "a" in briefly and "b" not in briefly
        now[0] = 10.0
        assert "a" not in briefly

    def test_within_a_bound(self):
        """A flood of random names pushes out the longest unused ones, and memory stays as it is."""
        briefly = Briefly(lambda: 0.0, most=3)
        for key in range(3):
            briefly.remember(key, 10)
        assert 0 in briefly
        briefly.remember(3, 10)
        assert [key in briefly for key in range(4)] == [True, False, True, True]

    def test_readings_within_their_bytes(self):
        readings = Readings(most_bytes=20_000)
        revisions = [uuid4() for _ in range(4)]
        for place, revision in enumerate(revisions):
            readings.keep(place, revision, Listing(document=place), 8000)
        assert [readings.get(place, revision) is not None for place, revision in enumerate(revisions)] == [
            False, False, True, True
        ]  # fmt: skip
        assert readings.get(3, uuid4()) is None


class TestSingleFlight:
    def test_one_run_for_all_who_ask_meanwhile(self):
        flights, runs = SingleFlight(Background()), []

        async def work() -> str:
            runs.append(Deferred())
            return await runs[-1]

        first, second = flights.run("key", work), flights.run("key", work)
        other = flights.run("other", work)
        assert len(runs) == 2 and "key" in flights
        runs[0].callback("result")
        runs[1].callback("another")
        assert (first.result, second.result, other.result) == ("result", "result", "another")
        assert "key" not in flights

    def test_one_who_leaves_stops_nothing(self):
        flights, gate = SingleFlight(Background()), Deferred()

        async def work() -> str:
            return await gate

        first, second = flights.run("key", work), flights.run("key", work)
        gone = []
        first.addErrback(lambda reason: gone.append(reason.type))
        first.cancel()
        assert gone == [CancelledError]
        gate.callback("result")
        assert second.result == "result"

    def test_all_are_told_of_a_failure(self):
        flights, gate = SingleFlight(Background()), Deferred()

        async def work() -> str:
            return await gate

        told = []
        for _ in range(3):
            flights.run("key", work).addErrback(lambda reason: told.append(reason.type))
        gate.errback(CancelledError())
        assert told == [CancelledError] * 3

    def test_work_that_ends_at_once(self):
        flights = SingleFlight(Background())

        async def work() -> int:
            return 5

        assert flights.run("key", work).result == 5
        assert flights.run("key", work).result == 5


class TestDigests:
    @pytest.mark.parametrize(
        ("hashes", "digest"),
        [
            ({"md5": "aa", "sha256": "bb"}, "bb"),
            ({"sha1": "aa", "sha512": "bb"}, "sha512-bb"),
            ({"md5": "aa"}, "md5-aa"),
            ({}, "-"),
        ],
    )
    def test_the_strongest_tells_a_file(self, hashes: dict[str, str], digest: str):
        assert RemoteFile(key="k", url="u", hashes=hashes).digest == digest
