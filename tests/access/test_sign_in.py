"""Signing in by password: the order of what is told, what is never told, and how often one may try."""

from __future__ import annotations

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.threadpool import ThreadPool

from keygenreg.access import passwords as passwords_module
from keygenreg.access.authentication import ATTEMPTS
from keygenreg.access.passwords import Passwords, hash_password, verify_password
from keygenreg.domain.failures import Denied, Failure, TooMany, Unauthenticated, Unavailable
from keygenreg.formats.authorization import PasswordCredential
from tests.access.door import fresh_scene

RIGHT = "correct horse"


def user_with_password(scene, **facts):
    return scene.user(password_hash=f"hash:{RIGHT}", **facts)


@pytest.fixture
def told(door):
    """The code that a refused caller is told."""

    def code(scene, email: str, password: str, **options) -> str | None:
        with pytest.raises((Unauthenticated, Denied)) as caught:
            door.sign_in(scene, PasswordCredential(email, password), **options)
        if isinstance(caught.value, Unauthenticated):
            assert caught.value.source.header == "Authorization"
        return caught.value.code

    return code


class TestOutcomes:
    @pytest.mark.parametrize("spell", [str, str.upper, lambda email: f" {email}\t"])
    def test_the_right_password(self, door, spell):
        """TOK-07: whatever the case of the address; the bearer is the user, without a token."""
        scene = fresh_scene()
        user = user_with_password(scene, role="developer")
        door.build(scene)
        found = door.sign_in(scene, PasswordCredential(spell(user.email), RIGHT))
        assert (found.bearer.type, found.bearer.id, found.bearer.role) == ("users", user.id, "developer")
        assert found.token_id is None

    def test_faults_in_order(self, door, told):
        """TOK-06: the first fault is told: address, user, password at all, password given, password right, ban."""
        scene = fresh_scene()
        managed, banned = scene.user(banned=True), user_with_password(scene, banned=True)
        door.build(scene)
        assert told(scene, "someone@", "") == "EMAIL_REQUIRED"
        assert told(scene, "nobody@example.com", "") == "EMAIL_INVALID"
        assert told(scene, managed.email, "") == "PASSWORD_NOT_SUPPORTED"
        assert told(scene, banned.email, "") == "PASSWORD_REQUIRED"
        assert told(scene, banned.email, "wrong") == "PASSWORD_INVALID"
        assert told(scene, banned.email, RIGHT) == "USER_BANNED"

    @pytest.mark.parametrize("email", ["", "@", "no address", "a@b\0", "ü@example.com", "\ud800@b.com", "a" * 300])
    def test_what_is_no_address_never_reaches_the_database(self, told, empty_scene, email):
        """EMAIL_REQUIRED for any text that is not an address."""
        assert told(empty_scene, email, RIGHT) == "EMAIL_REQUIRED"

    def test_a_user_of_another_account_is_unknown(self, door, told):
        """The same address may exist there with the same password."""
        scene, elsewhere = fresh_scene(), fresh_scene()
        user = user_with_password(elsewhere)
        door.build(scene)
        door.build(elsewhere)
        assert told(scene, user.email, RIGHT) == "EMAIL_INVALID"

    @pytest.fixture
    def empty_scene(self, door):
        scene = fresh_scene()
        door.build(scene)
        return scene


class TestSilence:
    @pytest.fixture
    def uniform(self, door):
        return evolve(door, authenticator=evolve(door.authenticator, uniform_errors=True))

    def test_uniform_mode_tells_one_thing_only(self, uniform):
        """TOK-05: which addresses exist cannot be learned: every fault reads alike, until the password is right."""
        scene = fresh_scene()
        managed, user, banned = scene.user(), user_with_password(scene), user_with_password(scene, banned=True)
        uniform.build(scene)
        attempts = [
            ("no address", RIGHT),
            ("nobody@example.com", RIGHT),
            (managed.email, RIGHT),
            (user.email, ""),
            (user.email, "wrong"),
            (banned.email, "wrong"),
        ]
        failures = []
        for email, password in attempts:
            with pytest.raises(Unauthenticated) as caught:
                uniform.sign_in(scene, PasswordCredential(email, password))
            failures.append(caught.value)
        assert {failure.code for failure in failures} == {"CREDENTIALS_INVALID"}
        assert len({(failure.detail, failure.source) for failure in failures}) == 1
        with pytest.raises(Denied):
            uniform.sign_in(scene, PasswordCredential(banned.email, RIGHT))

    def test_every_address_costs_one_comparison(self, door, told, passwords):
        """Unknown, without a password, known: the time an answer takes tells nothing, because each hashes once."""
        scene = fresh_scene()
        managed, user = scene.user(), user_with_password(scene)
        door.build(scene)
        for email in ("nobody@example.com", managed.email, user.email):
            for password in ("wrong", ""):
                passwords.compared.clear()
                told(scene, email, password)
                assert len(passwords.compared) == 1, (email, password)


class TestAttempts:
    def use_up(self, told, scene, email, **options) -> None:
        for _ in range(ATTEMPTS):
            assert told(scene, email, "wrong", **options) == "PASSWORD_INVALID"

    def test_the_sixth_within_a_minute(self, door, told):
        """TOK-19: refused even with the right password, in whatever spelling of the address, with when to return."""
        scene = fresh_scene()
        user = user_with_password(scene)
        door.build(scene)
        self.use_up(told, scene, user.email)
        for email in (user.email, user.email.upper(), f" {user.email}"):
            with pytest.raises(TooMany) as caught:
                door.sign_in(scene, PasswordCredential(email, RIGHT))
            assert (caught.value.status, caught.value.retry_after) == (429, 60)

    def test_others_are_not_affected(self, door, told):
        """Neither another address, nor another client, nor the same address in another account."""
        scene, elsewhere = fresh_scene(), fresh_scene()
        user, other = user_with_password(scene), user_with_password(scene)
        door.build(scene)
        door.build(elsewhere)
        self.use_up(told, scene, user.email)
        assert door.sign_in(scene, PasswordCredential(other.email, RIGHT)).bearer.id == other.id
        assert door.sign_in(scene, PasswordCredential(user.email, RIGHT), client="2001:db8::1").bearer.id == user.id
        # Not an attempt too many but an unknown address: this one has attempts of its own.
        assert told(elsewhere, user.email, RIGHT) == "EMAIL_INVALID"

    def test_after_the_minute(self, door, told):
        """Attempts older than the window no longer count, and refused ones never did."""
        scene = fresh_scene()
        user = user_with_password(scene)
        door.build(scene)
        self.use_up(told, scene, user.email)
        with pytest.raises(TooMany):
            door.sign_in(scene, PasswordCredential(user.email, RIGHT))
        door.change("UPDATE password_attempts SET attempted = attempted - interval '61 seconds'")
        assert door.sign_in(scene, PasswordCredential(user.email, RIGHT)).bearer.id == user.id

    def test_attempts_at_the_same_moment(self, door, passwords):
        """Twenty at once are twenty: five are looked at."""
        scene = fresh_scene()
        user = user_with_password(scene)
        door.build(scene)
        account = door.account(scene.account)

        async def attempt() -> str | None:
            try:
                await door.authenticator.authenticate(account, None, PasswordCredential(user.email, "wrong"))
            except Failure as failure:
                return failure.code
            return None

        async def many() -> list[str | None]:
            return await gatherResults([Deferred.fromCoroutine(attempt()) for _ in range(20)])

        codes = door.run(many())
        assert sorted(codes) == ["PASSWORD_INVALID"] * ATTEMPTS + ["TOO_MANY_REQUESTS"] * (20 - ATTEMPTS)
        assert len(passwords.compared) == ATTEMPTS


class TestHashing:
    def test_a_hash_fits_its_password_only(self):
        """Argon2id; salted, so that equal passwords look different."""
        stored = hash_password("pässwörd")
        assert stored.startswith("$argon2id$") and stored != hash_password("pässwörd")
        assert verify_password(stored, "pässwörd")
        assert not verify_password(stored, "passwort")

    @pytest.mark.parametrize("password", ["", "\0", "\ud800", "x" * 100_000])
    def test_any_text_can_be_a_password(self, password):
        """Also one with characters that UTF-8 cannot hold, which JSON can spell."""
        assert verify_password(hash_password(password), password)

    @pytest.mark.parametrize("stored", [None, "", "plain", "$argon2id$v=19$m=1,t=1", "$2b$12$abc"])
    def test_what_is_no_hash_fits_nothing(self, stored):
        """An unknown user, or a column with rubbish in it: wrong, not broken."""
        for password in ("", str(stored), "password"):
            assert not verify_password(stored, password)

    def test_an_empty_hash_is_not_the_hash_of_nobody(self, monkeypatch):
        """Even one who knew the password that unknown users are compared with could not use it."""
        known = hash_password("known")
        monkeypatch.setattr(passwords_module, "_nobody", lambda: known)
        assert not verify_password(None, "known")
        assert not verify_password("", "known")

    def test_hashing_leaves_the_reactor_free_and_refuses_a_crowd(self, reactor_thread, monkeypatch):
        """Work goes to threads; more than a bounded number waiting is 503 at once."""
        monkeypatch.setattr(passwords_module, "MOST_WAITING", 3)
        threads = ThreadPool(1, 1)
        passwords = Passwords(reactor_thread.reactor, threads)

        async def crowd() -> list:
            waiting = [Deferred.fromCoroutine(passwords.verify(None, "x")) for _ in range(3)]
            with pytest.raises(Unavailable):
                await passwords.hash("one more")
            for deferred in waiting[1:]:
                deferred.addErrback(lambda _: None).cancel()
            threads.start()
            first = await waiting[0]
            return [first, await passwords.verify(await passwords.hash("x"), "x")]

        try:
            assert reactor_thread.wait(crowd()) == [False, True]
        finally:
            threads.stop()
