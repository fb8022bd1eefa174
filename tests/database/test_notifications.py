"""Notifications: delivered after commit and in order; their absence is told."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from keygenreg.database import notifications
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.notifications import LONGEST_PAYLOAD, Listener, notify
from keygenreg.database.session import Session, open_session
from tests.database_fixtures import DatabaseTestCase, on_server

LISTENERS = """SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND query LIKE '%%keygenreg-echo%%'"""


class NotificationTests(DatabaseTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.heard: list[object] = []

    def listen(self, settings: ConnectionSettings | None = None) -> Listener:
        listener = Listener(self.reactor, settings or self.settings)
        listener.watch(connected=lambda: self.heard.append("connected"), lost=lambda: self.heard.append("lost"))
        listener.listen("releases", lambda payload: self.heard.append(("releases", payload)))
        listener.listen('odd "name"', lambda payload: self.heard.append(("odd", payload)))
        self.addCleanup(listener.stop)
        return listener

    async def send(self, channel: str, *payloads: str) -> None:
        async def work(transaction):
            for payload in payloads:
                await notify(transaction, channel, payload)

        await self.database.transact(work)

    async def until_heard(self, *expected: object) -> None:
        while len(self.heard) < len(expected):
            await deferLater(self.reactor, 0.01)
        self.assertEqual(self.heard, list(expected))
        self.heard.clear()

    async def test_messages_arrive_in_order_on_their_channel(self):
        """Payloads reach the callbacks of their channel only, in the order of sending, for any channel name."""
        listener = self.listen()
        listener.start()
        await self.until_heard("connected")
        self.assertTrue(listener.connected)
        numbers = [str(number) for number in range(200)]
        await self.send("releases", *numbers)
        await self.send("elsewhere", "x")
        await self.send('odd "name"', "ü" * (LONGEST_PAYLOAD // 2))
        await self.until_heard(*(("releases", number) for number in numbers), ("odd", "ü" * (LONGEST_PAYLOAD // 2)))

    async def test_message_of_an_undone_transaction_is_not_sent(self):
        """Nobody hears of what did not happen."""
        self.listen().start()
        await self.until_heard("connected")

        async def work(transaction):
            await notify(transaction, "releases", "undone")
            raise KeyError

        await self.assertFailure(Deferred.fromCoroutine(self.database.transact(work)), KeyError)
        await self.send("releases", "done")
        await self.until_heard(("releases", "done"))

    async def test_loss_and_return_are_told(self):
        """When its connection is killed a listener says so, connects again, says so, and hears again."""
        listener = self.listen()
        listener.start()
        await self.until_heard("connected")
        [[pid]] = on_server(self.settings, LISTENERS)
        on_server(self.settings, "SELECT pg_terminate_backend(%s)", pid)
        await self.until_heard("lost", "connected")
        await self.send("releases", "again")
        await self.until_heard(("releases", "again"))

    async def test_failing_callback_harms_no_other(self):
        """Its exception is logged; the others still hear the message, and the next one."""
        listener = Listener(self.reactor, self.settings)
        self.addCleanup(listener.stop)
        listener.watch(connected=lambda: self.heard.append("connected"), lost=lambda: None)

        def fail(payload: str) -> None:
            raise ZeroDivisionError

        listener.listen("releases", fail)
        listener.listen("releases", self.heard.append)
        listener.start()
        await self.until_heard("connected")
        await self.send("releases", "one", "two")
        await self.until_heard("one", "two")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    async def test_stop_at_any_moment(self):
        """A listener stopped before, while or after it connects leaves no connection and says nothing more."""
        for delay in (0, 0.001, 0.003, 0.01, 0.05):
            listener = self.listen()
            listener.start()
            await deferLater(self.reactor, delay)
            listener.stop()
        self.heard.clear()
        while on_server(self.settings, LISTENERS):
            await deferLater(self.reactor, 0.01)
        await self.send("releases", "unheard")
        self.assertEqual(self.heard, [])

    async def test_server_that_is_away(self):
        """A listener that cannot connect keeps trying in silence, as it never said that it was connected."""
        listener = self.listen(ConnectionSettings("/nonexistent", 1, "nobody", "", "nothing"))
        listener.start()
        await deferLater(self.reactor, 0.3)
        self.assertFalse(listener.connected)
        self.assertEqual(self.heard, [])

    async def test_unexpected_fault(self):
        """Whatever goes wrong while it connects is logged, and it tries again."""
        opened = []

        async def open_badly(*arguments: object, **options: object) -> Session:
            opened.append(arguments)
            if len(opened) == 1:
                raise RuntimeError("nobody thought of this")
            return await open_session(*arguments, **options)

        self.patch(notifications, "open_session", open_badly)
        self.listen().start()
        await self.until_heard("connected")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    async def test_deaf_connection_does_not_count(self):
        """Behind a pooler LISTEN may be of no effect: then hearing never begins, whatever the server says."""
        run = Session.run

        async def deaf(session, sql, params=None, **options):
            return await run(session, "SELECT 1" if sql.startswith("LISTEN") else sql, params, **options)

        self.patch(Session, "run", deaf)
        self.patch(notifications, "PING_PATIENCE", 0.2)
        listener = self.listen()
        listener.start()
        await deferLater(self.reactor, 0.6)
        self.assertFalse(listener.connected)
        self.assertEqual(self.heard, [])

    async def test_connection_that_turns_deaf_is_lost(self):
        """The server may forget that we listen; that is noticed, told, and mended."""
        sessions = []
        run = Session.run

        async def watched(session, sql, params=None, **options):
            if sql.startswith("LISTEN"):
                sessions.append(session)
            return await run(session, sql, params, **options)

        self.patch(Session, "run", watched)
        self.patch(notifications, "PING_PATIENCE", 0.2)
        self.patch(notifications, "PING_EVERY", 0.05)
        self.listen().start()
        await self.until_heard("connected")
        await sessions[-1].run("UNLISTEN *")
        await self.until_heard("lost", "connected")

    async def test_payload_that_is_too_long(self):
        """It is refused before it reaches the server, by its length in bytes."""
        await self.assertFailure(Deferred.fromCoroutine(self.send("releases", "ü" * 4000)), ValueError)
