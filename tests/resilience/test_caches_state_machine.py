"""
No stale and no foreign answer, whatever is changed, asked, killed or cut off, in any order: a state machine over a real
daemon with two web processes, judged by another daemon that remembers nothing.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import wraps
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.daemon_fixtures import Answer
from tests.resilience.remembering_registry import (
    Twins,
    Vendor,
    by_key,
    by_token,
    registry_token,
    request_of,
)

FULL = bool(os.environ.get("KEYGENREG_TEST_FULL"))
EXAMPLES, STEPS = (40, 60) if FULL else (3, 10)
#: How often web processes are killed or replaced in one run: each time takes seconds.
KILLS = 20 if FULL else 1
REQUESTS_AT_ONCE = 7
SEEDS = st.integers(0, 2**20)
_CONDITIONS: tuple[dict[str, str], ...] = (
    {}, {}, {}, {"Range": "bytes=1-5"}, {"Range": "bytes=999999-"}, {"If_None_Match": "*"},
    {"If_Modified_Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, {"Range": "bytes=-2", "If_Range": '"x"'},
)  # fmt: skip
_STRATEGIES = ("LICENSED", "LICENSED", "OPEN", "CLOSED")
_EXPIRATIONS = ("RESTRICT_ACCESS", "REVOKE_ACCESS", "MAINTAIN_ACCESS", "ALLOW_ACCESS")
_AUTHENTICATIONS = ("MIXED", "MIXED", "LICENSE", "TOKEN", "NONE")


class Market:
    """Two vendors with the same names for everything, and customers of the first with rights of many kinds."""

    def __init__(self, twins: Twins) -> None:
        self.twins = twins
        self.kills = 0
        self.steps: list[tuple[str, dict[str, Any]]] = []
        self.failure: Exception | None = None
        self.vendor = Vendor(twins.new_account(), "LICENSED", ("1.0.0", "1.1.0"))
        self.other = Vendor(twins.new_account(), "OPEN", ("1.0.0",))
        admin = self.admin = self.vendor.admin
        self.extra = admin.make("/entitlements", "entitlements", {"name": "Extra", "code": "EXTRA"})
        self.policies = [
            admin.make_policy(self.vendor.product),
            admin.make_policy(self.vendor.product, expirationStrategy="REVOKE_ACCESS"),
        ]
        user = self.user = admin.make("/users", "users", {"email": f"{uuid4()}@example.com"})
        self.tokens = [self.new_token()]
        self.licenses = [admin.make_license(self.policies[number]) for number in (0, 0, 1, 1)]
        self.licenses.append(
            admin.make("/licenses", "licenses", {}, policy=("policies", self.policies[0]["id"]),
                       owner=("users", user["id"]))  # fmt: skip
        )
        self.added: list[dict] = []
        self.patches = count()
        keys = [license["attributes"]["key"] for license in self.licenses]
        self.credentials: list[str | None] = [None, None, *map(by_key, keys), f"Bearer {self.vendor.account.token}"]
        self.credentials += [by_key("unknown"), "Bearer unknown", f"License {keys[0]}"]
        repository = f"{self.vendor.account.slug}/app"
        self.docker = [registry_token(twins.main, by_key(key), repository) for key in keys[:3]]

    def new_token(self) -> dict:
        answer = self.admin.post(f"/users/{self.user['id']}/tokens")
        if answer.status == 403:  # banned
            self.admin.post(f"/users/{self.user['id']}/actions/unban")
            answer = self.admin.post(f"/users/{self.user['id']}/tokens")
        return answer.data

    def requests(self, chosen: random.Random) -> list[bytes]:
        """Some of all that can be asked, several of them for the same thing by others."""
        found = []
        for _ in range(REQUESTS_AT_ONCE // 2):
            vendor = chosen.choice((self.vendor, self.vendor, self.vendor, self.other))
            path, accept = chosen.choice(vendor.paths())
            for _ in range(2):
                method = chosen.choice(("GET", "GET", "HEAD"))
                more = chosen.choice(_CONDITIONS)
                found.append(request_of(path, accept, self._credential(chosen, path), method, **more))
        return found

    def _credential(self, chosen: random.Random, path: str) -> str | None:
        if path.startswith("/v2/") and chosen.random() < 0.3:
            return chosen.choice(self.docker)
        if chosen.random() < 0.25:
            token = chosen.choice(self.tokens)["attributes"]["token"]
            return chosen.choice((f"Bearer {token}", by_token(token)))
        return chosen.choice(self.credentials)


class Changes:
    """Everything that a vendor may do to what customers see; each through one web process of one daemon."""

    def __init__(self, market: Market, chosen: random.Random, api: Any) -> None:
        self.market, self.chosen, self.api = market, chosen, api
        self.license = chosen.choice(market.licenses)["id"]
        self.policy = chosen.choice(market.policies)["id"]
        self.release = chosen.choice(list(market.vendor.releases.values()))["id"]

    def suspend(self) -> Answer:
        return self.api.post(f"/licenses/{self.license}/actions/{self.chosen.choice(('suspend', 'reinstate'))}")

    def expire(self) -> Answer:
        now = datetime.now(UTC)
        then = self.chosen.choice((None, *(now + timedelta(seconds=seconds) for seconds in (-86_400, -1, 86_400))))
        return self._patch("licenses", self.license, expiry=then and then.isoformat())

    def hold(self) -> Answer:
        """Entitlements of a license or of its policy."""
        path = self.chosen.choice((f"/licenses/{self.license}", f"/policies/{self.policy}"))
        return self._link(f"{path}/entitlements", {"type": "entitlements", "id": self.market.extra["id"]})

    def demand(self) -> Answer:
        """A release comes to need an entitlement, or no longer does."""
        path = f"/releases/{self.release}/constraints"
        found = self.api.get(path).data
        if found:
            return self.api.delete(path, {"data": [{"type": "constraints", "id": found[0]["id"]}]})
        entitlement = {"data": {"type": "entitlements", "id": self.market.extra["id"]}}
        return self.api.post(path, {"data": [{"type": "constraints", "relationships": {"entitlement": entitlement}}]})

    def ban(self) -> Answer:
        return self.api.post(f"/users/{self.market.user['id']}/actions/{self.chosen.choice(('ban', 'unban'))}")

    def share(self) -> Answer:
        """A user joins a license or leaves it."""
        return self._link(f"/licenses/{self.license}/users", {"type": "users", "id": self.market.user["id"]})

    def yank(self) -> Answer:
        return self.api.post(f"/releases/{self.release}/actions/{self.chosen.choice(('yank', 'publish', 'publish'))}")

    def tag(self) -> Answer:
        return self._patch("releases", self.release, tag=self.chosen.choice((None, "latest", "lts", uuid4().hex[:8])))

    def describe(self) -> Answer:
        """Facts that documents tell."""
        return self._patch("releases", self.release, metadata={"note": uuid4().hex}, name=uuid4().hex)

    def distribute(self) -> Answer:
        vendor = self.chosen.choice((self.market.vendor, self.market.vendor, self.market.other))
        api = self.api if vendor is self.market.vendor else vendor.admin
        document = {"data": {"type": "products", "attributes": {
            "distributionStrategy": self.chosen.choice(_STRATEGIES)}}}  # fmt: skip
        return api.patch(f"/products/{vendor.product['id']}", document)

    def rename(self) -> Answer:
        """A package gets another key, and its own back at the next chance."""
        engine = self.chosen.choice(list(self.market.vendor.packages))
        package = self.market.vendor.packages[engine]
        own = package["attributes"]["key"]
        now = self.api.get(f"/packages/{package['id']}").data["attributes"]["key"]
        return self._patch("packages", package["id"], key=own if now != own else f"other{uuid4().hex[:6]}")

    def rule_differently(self) -> Answer:
        """A policy changes what expiry means, or which credentials count."""
        attributes = self.chosen.choice((
            {"expirationStrategy": self.chosen.choice(_EXPIRATIONS)},
            {"authenticationStrategy": self.chosen.choice(_AUTHENTICATIONS)},
        ))  # fmt: skip
        return self._patch("policies", self.policy, **attributes)

    def revoke_token(self) -> Answer:
        """The user's token; and there is a new one."""
        answer = self.api.delete(f"/tokens/{self.market.tokens[-1]['id']}")
        self.market.tokens = [*self.market.tokens[-2:], self.market.new_token()]
        return answer

    def regenerate_token(self) -> Answer:
        """The same token gets another secret; the old one is worth nothing."""
        answer = self.api.put(f"/tokens/{self.market.tokens[-1]['id']}")
        if answer.status == 200:
            self.market.tokens = [*self.market.tokens[-2:], answer.data]
        return answer

    def publish(self) -> Answer:
        """A new version, with its bytes."""
        # A number of its own: the same seed may come again, the same version may not.
        version, engine = f"2.0.{next(self.market.patches)}", self.chosen.choice(list(self.market.vendor.packages))
        self.market.added.append(self.market.vendor.publish(engine, version))
        return self.api.get(f"/artifacts/{self.market.added[-1]['id']}", Prefer="no-download")

    def withdraw(self) -> Answer:
        """An artifact goes, or the whole release."""
        if not self.market.added:
            return self.describe()
        artifact = self.market.added.pop(0)
        release = artifact["relationships"]["release"]["data"]["id"]
        gone = self.chosen.choice((f"/artifacts/{artifact['id']}", f"/releases/{release}"))
        if gone.startswith("/releases"):
            kept = {name: one for name, one in self.market.vendor.releases.items() if one["id"] != release}
            self.market.vendor.releases = kept
        return self.api.delete(gone)

    def replace(self) -> Answer:
        """A file goes, and another of its name comes in its place."""
        vendor = self.market.vendor
        found = self.api.get(f"/releases/{vendor.raw['id']}/artifacts").data
        if found:
            self.api.delete(f"/artifacts/{found[0]['id']}")
        if self.chosen.random() < 0.7:
            vendor.admin.make_artifact(vendor.raw, "tool.txt", uuid4().hex.encode())
        return self.api.get("/products")

    def _patch(self, kind: str, identifier: str, **attributes: Any) -> Answer:
        return self.api.patch(f"/{kind}/{identifier}", {"data": {"type": kind, "attributes": attributes}})

    def _link(self, path: str, linked: dict) -> Answer:
        attach = self.chosen.random() < 0.6
        return self.api.post(path, {"data": [linked]}) if attach else self.api.delete(path, {"data": [linked]})

    def make(self, name: str) -> Answer:
        """One of them, by name; a refusal is as good as a change, a failure is not."""
        answer = getattr(self, name)()
        if answer.status >= 500 or answer.status in (400, 401, 404, 405):
            raise AssertionError(f"{name}: {answer}")
        return answer


KINDS = sorted(name for name in vars(Changes) if not name.startswith("_") and name != "make")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    twins = Twins.start(tmp_path_factory.mktemp("twins"))
    try:
        yield Market(twins)
    finally:
        twins.stop()


def noting(market: Market) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    Decorates a rule: notes that it runs, and its failure. Hypothesis repeats what fails, but the registry has moved on,
    so only the first failure tells what was wrong.
    """

    def decorate(step: Callable[..., None]) -> Callable[..., None]:
        @wraps(step)
        def noted(self: Any, **drawn: Any) -> None:
            market.steps.append((step.__name__, drawn))
            try:
                step(self, **drawn)
            except Exception as failure:
                if market.failure is None:
                    market.failure = failure
                    failure.add_note(f"after {market.steps}")
                raise

        return noted

    return decorate


def machine_of(market: Market) -> type[RuleBasedStateMachine]:
    """The state machine; its state is the registry's, which goes on from example to example."""
    twins = market.twins

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            market.steps = []
            twins.call()

        def teardown(self) -> None:
            twins.hang_up()

        @rule(kind=st.sampled_from(KINDS), seed=SEEDS, storm=st.booleans())
        @noting(market)
        def change(self, kind: str, seed: int, storm: bool) -> None:
            """Once a change is answered, the very next answer of every web process knows of it."""
            chosen = random.Random(seed)
            requests = market.requests(chosen)
            twins.warm(requests)
            with twins.storm(requests, storm):
                Changes(market, chosen, market.admin).make(kind)
                twins.check(requests)
            twins.check(requests)

        @rule(kinds=st.lists(st.sampled_from(KINDS), min_size=2, max_size=4), seed=SEEDS)
        @noting(market)
        def change_much(self, kinds: list[str], seed: int) -> None:
            """Several changes after each other, with and without answers in between."""
            chosen = random.Random(seed)
            requests = market.requests(chosen)
            for kind in kinds:
                if chosen.random() < 0.5:
                    twins.warm(requests)
                Changes(market, chosen, market.admin).make(kind)
            twins.check(requests)
            twins.warm(requests)

        @rule(kind=st.sampled_from(KINDS), seed=SEEDS, storm=st.booleans())
        @noting(market)
        def change_elsewhere(self, kind: str, seed: int, storm: bool) -> None:
            """What another daemon writes is known as soon as its notification is here."""
            chosen = random.Random(seed)
            requests = market.requests(chosen)
            twins.warm(requests)
            with twins.storm(requests, storm):
                Changes(market, chosen, twins.through_the_oracle(market.admin)).make(kind)
                twins.check_soon(requests)
            twins.check(requests)

        @rule(kind=st.sampled_from(KINDS), seed=SEEDS, elsewhere=st.booleans())
        @noting(market)
        def grow_deaf(self, kind: str, seed: int, elsewhere: bool) -> None:
            """The connections for notifications break; something changes before they are back."""
            chosen = random.Random(seed)
            requests = market.requests(chosen)
            twins.warm(requests)
            assert twins.deafen()
            api = twins.through_the_oracle(market.admin) if elsewhere else market.admin
            Changes(market, chosen, api).make(kind)
            (twins.check_soon if elsewhere else twins.check)(requests)
            twins.warm(requests)

        @rule(kind=st.sampled_from(KINDS), seed=SEEDS)
        @noting(market)
        def lose_a_process(self, kind: str, seed: int) -> None:
            """One is killed, or all are replaced; what takes their place knows no more than it should."""
            chosen = random.Random(seed)
            requests = market.requests(chosen)
            twins.warm(requests)
            # No precondition: which rules there are must not depend on what earlier examples did.
            if market.kills < KILLS:
                market.kills += 1
                chosen.choice((twins.kill_one, twins.replace_all))()
            twins.warm(requests)
            Changes(market, chosen, market.admin).make(kind)
            twins.check(requests)

        @rule(seed=SEEDS)
        @noting(market)
        def become_known(self, seed: int) -> None:
            """Credentials that were refused a moment ago are good once they are made, and not a moment after."""
            chosen = random.Random(seed)
            key = f"late-{uuid4()}"
            path, accept = chosen.choice(market.vendor.paths())
            requests = [request_of(path, accept, by_key(key)), request_of(path, accept, f"License {key}")]
            twins.warm(requests)
            made = market.admin.make_license(market.policies[0], key=key)
            twins.check(requests)
            twins.warm(requests)
            assert market.admin.delete(f"/licenses/{made['id']}").status == 204
            twins.check(requests)

        @rule(seed=SEEDS)
        @noting(market)
        def run_out(self, seed: int) -> None:
            """Time passes: what a license gave until now it does not give any longer."""
            chosen = random.Random(seed)
            license = chosen.choice(market.licenses)
            then = datetime.now(UTC) + timedelta(seconds=0.4)
            Changes(market, chosen, market.admin)._patch("licenses", license["id"], expiry=then.isoformat())
            credential = by_key(license["attributes"]["key"])
            asked = chosen.sample(market.vendor.paths(), 2)
            requests = [request_of(path, accept, credential) for path, accept in asked]
            twins.ask(requests)
            # Judged only afterwards: at the very moment credentials may be good and their rights over, in any registry.
            while datetime.now(UTC) <= then:
                twins.ask(requests)
            twins.check(requests)
            twins.warm(requests)

        @rule(seed=SEEDS)
        @noting(market)
        def just_ask(self, seed: int) -> None:
            """Nothing changes, nothing does."""
            requests = market.requests(random.Random(seed))
            twins.warm(requests)
            twins.check(requests)

    return Machine


@pytest.mark.timeout(7200 if FULL else 300)
def test_no_answer_is_stale_or_foreign(market: Market) -> None:
    """Changes, requests, processes and lost connections in any order; see the rules."""
    try:
        run_state_machine_as_test(
            machine_of(market),
            settings=settings(
                max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck), database=None, print_blob=False,
            ),  # fmt: skip
        )
    finally:
        if market.failure is not None:
            raise market.failure


@pytest.mark.parametrize("kind", KINDS)
def test_each_change_counts_in_the_next_answer(market: Market, kind: str) -> None:
    """
    Every kind, in every process of the daemon, although no notification arrives at all: those are for other daemons,
    and might come late.
    """
    twins, chosen = market.twins, random.Random(kind)
    twins.call()
    requests = [request for _ in range(3) for request in market.requests(chosen)]
    twins.warm(requests)
    with twins.without_notifications():
        for _ in range(2):
            Changes(market, chosen, market.admin).make(kind)
            twins.check(requests)
    twins.hang_up()


def test_nothing_is_remembered_while_nothing_is_heard(market: Market) -> None:
    """
    Another daemon's changes show although nobody is told of them, as long as the connections for notifications are
    gone; and what was remembered before counts no longer when they are back.
    """
    twins, chosen = market.twins, random.Random(1)
    twins.call()
    requests = [request for _ in range(2) for request in market.requests(chosen)]
    elsewhere = twins.through_the_oracle(market.admin)
    twins.warm(requests)
    with twins.without_notifications():
        with twins.deaf():
            for kind in ("yank", "suspend", "distribute", "yank", "distribute"):
                Changes(market, chosen, elsewhere).make(kind)
                twins.check_soon(requests)
            Changes(market, chosen, elsewhere).make("describe")
        twins.check_soon(requests)
    twins.warm(requests)
    twins.hang_up()
