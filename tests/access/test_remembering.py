"""Accounts and bearers that are remembered: asked for once, and again after whatever may have changed them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st

from keygenreg.access.authentication import Authenticated, RecognisedCredential, proof_of
from keygenreg.access.remembering import RememberedAccounts, RememberedBearers, _secret
from keygenreg.caches.generations import Generations
from keygenreg.domain.account import Account, Environment
from keygenreg.domain.failures import Denied, Failure, NotFound, TooMany, Unauthenticated
from keygenreg.domain.token import digest_of
from keygenreg.formats.authorization import LicenseKeyCredential, PasswordCredential, TokenCredential
from tests.access.door import Door, fresh_scene
from tests.access.loading import ACCOUNT_SECRET, slug_of
from tests.access.scenes import Scene, hours


@define
class Desk:
    """The door with a memory behind it; ``asked`` counts what it did not know."""

    door: Door
    limit: int = 1_000_000
    now: Callable[[], float] = time.time
    asked: int = field(default=0, init=False)
    generations: Generations = field(factory=Generations, init=False)
    accounts: RememberedAccounts = field(init=False)
    bearers: RememberedBearers = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.generations.begin_hearing()
        desk = self

        class Counting:
            singleplayer = False

            async def find(self, *arguments: Any) -> Account:
                desk.asked += 1
                return await desk.door.accounts.find(*arguments)

            async def authenticate(self, *arguments: Any, **options: Any) -> Authenticated:
                desk.asked += 1
                return await desk.door.authenticator.authenticate(*arguments, **options)

        self.accounts = RememberedAccounts(Counting(), self.generations, self.limit)
        self.bearers = RememberedBearers(Counting(), self.generations, self.limit, lambda: self.now())

    def find(self, scene: Scene, host: str = "localhost") -> Account:
        return self.door.run(self.accounts.find(slug_of(scene.account), host))

    def sign_in(self, scene: Scene, credential: Any, environment: Environment | None = None) -> Authenticated:
        account = self.door.account(scene.account)
        guard = self.generations.guard()
        self.generations.watch(guard, account.id)
        return self.door.run(self.bearers.authenticate(account, environment, credential, guard=guard))

    def asked_for(self, work: Callable[[], Any]) -> int:
        before = self.asked
        work()
        return self.asked - before


@pytest.fixture
def desk(door: Door) -> Desk:
    return Desk(door)


@pytest.fixture
def scene(door: Door) -> Scene:
    """An account with a license and a token."""
    made = fresh_scene()
    made.token(made.license(made.product(), key_prefix="key-"))
    door.build(made)
    return made


def credentials(scene: Scene) -> list[Any]:
    """Of every kind that is remembered."""
    (license,), (token,) = scene.world.licenses, scene.world.tokens
    proof = proof_of(digest_of(ACCOUNT_SECRET, token.secret))
    return [
        LicenseKeyCredential(license.key),
        TokenCredential(token.secret),
        RecognisedCredential(license_id=license.id),
        RecognisedCredential(token_id=token.id, proof=proof),
    ]


def test_each_is_asked_for_once(desk, scene):
    """And is the same as without a memory; one never stands for another."""
    for credential in credentials(scene):
        plain = desk.door.sign_in(scene, credential)
        assert desk.asked_for(lambda c=credential: [desk.sign_in(scene, c) for _ in range(3)]) == 1
        assert desk.sign_in(scene, credential) == plain


@pytest.mark.parametrize("message", ["bearers {}", "account {}", "everything", "nonsense"])
def test_and_again_after_a_change(desk, scene, message):
    for credential in credentials(scene):
        desk.sign_in(scene, credential)
        desk.generations.move(message.format(scene.account))
        assert desk.asked_for(lambda c=credential: desk.sign_in(scene, c)) == 1


def test_the_catalogue_does_not_matter(desk, scene):
    (credential, *_) = credentials(scene)
    desk.sign_in(scene, credential)
    desk.generations.move(f"catalogue {scene.account}")
    assert desk.asked_for(lambda: desk.sign_in(scene, credential)) == 0


def test_while_deaf_nothing_is_remembered(desk, scene):
    (credential, *_) = credentials(scene)
    desk.sign_in(scene, credential)
    desk.generations.end_hearing()
    assert desk.asked_for(lambda: [desk.sign_in(scene, credential) for _ in range(3)]) == 3
    assert desk.asked_for(lambda: [desk.find(scene) for _ in range(3)]) == 3
    desk.generations.begin_hearing()
    assert desk.asked_for(lambda: [desk.sign_in(scene, credential) for _ in range(3)]) == 1


def test_what_changes_while_it_is_read_is_not_remembered(desk, scene):
    """The number moves between the guard and the end of reading."""
    (credential, *_) = credentials(scene)
    account = desk.door.account(scene.account)
    guard = desk.generations.guard()
    desk.generations.watch(guard, account.id)
    desk.generations.move(f"bearers {account.id}")
    desk.door.run(desk.bearers.authenticate(account, None, credential, guard=guard))
    assert desk.asked_for(lambda: desk.sign_in(scene, credential)) == 1


@pytest.mark.parametrize("change", [
    "UPDATE licenses SET suspended = true WHERE account_id = %s",
    "UPDATE policies SET authentication_strategy = 'NONE' WHERE account_id = %s",
    "DELETE FROM tokens WHERE account_id = %s",
    "UPDATE tokens SET expiry = now() - interval '1 hour' WHERE account_id = %s",
    "UPDATE tokens SET digest = 'other' WHERE account_id = %s",
    "DELETE FROM licenses WHERE account_id = %s",
])  # fmt: skip
def test_what_is_worth_nothing_any_more(desk, scene, change):
    """With its message each change counts in the next request, for each credential as without a memory."""
    for credential in credentials(scene):
        desk.sign_in(scene, credential)
    desk.door.change(change, str(scene.account))
    desk.generations.move(f"bearers {scene.account}")
    for credential in credentials(scene):
        assert _outcome(lambda c=credential: desk.sign_in(scene, c)) == _outcome(
            lambda c=credential: desk.door.sign_in(scene, c)
        )


def _outcome(sign_in: Callable[[], Authenticated]) -> Any:
    try:
        return sign_in()
    except Failure as failure:
        return type(failure), failure.code


def test_refusals_are_not_remembered(desk, scene):
    """Not even for a moment: the same words may be good a moment later."""
    unknown = RecognisedCredential(token_id=scene.account)
    for credential in (LicenseKeyCredential("none"), TokenCredential("none"), unknown):
        for _ in range(2):
            with pytest.raises((Unauthenticated, Denied)):
                desk.sign_in(scene, credential)
    assert desk.asked == 6
    with pytest.raises(NotFound):
        desk.door.run(desk.accounts.find("nobody", "localhost"))
    assert len(desk.accounts._kept) == len(desk.bearers._kept) == 0


def test_passwords_are_judged_each_time(desk, door):
    """They are never remembered, good or wrong, and each attempt is counted."""
    scene = fresh_scene()
    user = scene.user("admin", password_hash="hash:right")
    door.build(scene)
    for _ in range(3):
        desk.sign_in(scene, PasswordCredential(user.email, "right"))
    assert desk.asked == 3 and len(desk.bearers._kept) == 0
    with pytest.raises(TooMany):
        for _ in range(10):
            desk.sign_in(scene, PasswordCredential(user.email, "right"))


def test_nothing_outlives_its_own_time(desk, door):
    """A token's expiry, and that of a license whose access ends with it."""
    scene = fresh_scene()
    license = scene.license(scene.product(), expiration="REVOKE_ACCESS", expiry=hours(1))
    token = scene.token(license, expiry=hours(2))
    door.build(scene)
    desk.now = lambda: time.time() + shift
    for credential, lasting in ((LicenseKeyCredential(license.key), 3500), (TokenCredential(token.secret), 7100)):
        shift = 0.0
        desk.sign_in(scene, credential)
        shift = lasting
        assert desk.asked_for(lambda c=credential: desk.sign_in(scene, c)) == 0
        shift = lasting + 200
        assert desk.asked_for(lambda c=credential: [desk.sign_in(scene, c) for _ in range(2)]) == 2


def test_environments_and_accounts_are_kept_apart(desk, door):
    """The same credential, asked with in another environment or of another account, is judged there."""
    scene, other = fresh_scene(), fresh_scene()
    here = scene.make_environment(shared=True)
    license = scene.license(scene.product())
    for one in (scene, other):
        door.build(one)
    selected = Environment(here.id, "code", "SHARED")
    isolated = evolve(selected, isolation_strategy="ISOLATED")
    credential = LicenseKeyCredential(license.key)
    assert desk.sign_in(scene, credential) == desk.sign_in(scene, credential, selected)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            desk.sign_in(scene, credential, isolated)
        with pytest.raises(Unauthenticated):
            desk.sign_in(other, credential)


@settings(max_examples=30)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_words_stand_for_others(one, other):
    """Credentials are told apart by kind and by every character; none is kept as it is."""
    forms = [TokenCredential(one), LicenseKeyCredential(one), TokenCredential(other), LicenseKeyCredential(other),
             RecognisedCredential(proof=one), RecognisedCredential(proof=other)]  # fmt: skip
    assert len({_secret(each) for each in forms}) == len(set(forms))


def test_no_secret_stays_in_memory(desk, scene):
    for credential in credentials(scene):
        desk.sign_in(scene, credential)
    (token,) = scene.world.tokens
    assert token.secret not in repr([*desk.bearers._kept.young.items()])


def test_accounts_are_asked_for_once(desk, scene):
    """By the words of the path and by the host, each."""
    assert desk.asked_for(lambda: [desk.find(scene) for _ in range(3)]) == 1
    assert desk.asked_for(lambda: desk.find(scene, "other.example")) == 1
    desk.generations.move(f"account {scene.account}")
    assert desk.asked_for(lambda: desk.find(scene)) == 0, "an account's own row is of everything"
    desk.generations.move("everything")
    assert desk.asked_for(lambda: desk.find(scene)) == 1


def test_without_room_nothing_is_remembered(door, scene):
    """``cache.bearers_bytes = 0``."""
    desk = Desk(door, limit=0)
    (credential, *_) = credentials(scene)
    assert desk.asked_for(lambda: [desk.sign_in(scene, credential) for _ in range(3)]) == 3
    assert desk.asked_for(lambda: [desk.find(scene) for _ in range(3)]) == 3


def test_without_a_guard_nothing_is_remembered(desk, scene):
    (credential, *_) = credentials(scene)
    account = desk.door.account(scene.account)
    for _ in range(3):
        desk.door.run(desk.bearers.authenticate(account, None, credential))
    assert desk.asked == 3
