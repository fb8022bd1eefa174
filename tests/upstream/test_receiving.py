"""Bodies within bounds: of size, of time, decompressed or not."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from keygenreg.upstream.failures import Broken, TooBig, UpstreamFailure
from keygenreg.upstream.receiving import PACE, Gathering, Receiver


class TestGathering:
    @given(st.lists(st.binary(max_size=200)), st.booleans())
    def test_gives_back_what_was_sent(self, pieces: list[bytes], packed: bool):
        whole = b"".join(pieces)
        gathering = Gathering("gzip" if packed else "", 10_000_000)
        sent = gzip.compress(whole) if packed else whole
        for start in range(0, len(sent), 7):
            gathering.take(sent[start : start + 7])
        assert gathering.whole() == whole

    @given(st.binary(max_size=2000), st.sampled_from(["", "gzip", "x-gzip"]))
    def test_any_bytes_are_taken_or_refused(self, data: bytes, coding: str):
        gathering = Gathering(coding, 1000)
        try:
            gathering.take(data)
            assert len(gathering.whole()) <= 1000
        except UpstreamFailure:
            pass

    def test_a_bomb_is_stopped_at_the_limit(self):
        """What decompresses to a gigabyte costs one piece more than is allowed."""
        packer = zlib.compressobj(9, wbits=31)
        zeros = bytes(1024 * 1024)
        bomb = b"".join(packer.compress(zeros) for _ in range(1024)) + packer.flush()
        gathering = Gathering("gzip", 1_000_000)
        with pytest.raises(TooBig):
            gathering.take(bomb)
        assert gathering._size <= 1_000_000 + 256 * 1024

    def test_half_a_gzip_is_none(self):
        gathering = Gathering("gzip", 1000)
        gathering.take(gzip.compress(b"hello")[:-4])
        with pytest.raises(Broken):
            gathering.whole()

    def test_codings_that_nobody_asked_for(self):
        with pytest.raises(Broken):
            Gathering("br", 1000)


class TestReceiver:
    def start(self) -> tuple[Clock, Receiver, list]:
        clock, outcome = Clock(), []
        receiver = Receiver(clock, lambda data: None, 10.0)
        receiver.done.addBoth(lambda result: outcome.append(getattr(result, "value", result)))
        receiver.makeConnection(StringTransport())
        return clock, receiver, outcome

    def test_steady_is_fast_enough(self):
        clock, receiver, outcome = self.start()
        for _ in range(10):
            receiver.dataReceived(bytes(PACE))
            clock.advance(10)
        receiver.connectionLost(Failure(ResponseDone()))
        assert outcome == [None]
        assert not clock.getDelayedCalls()

    @pytest.mark.parametrize("each", [0, 1, 100])
    def test_a_trickle_is_not(self, each: int):
        """A byte now and then does not keep a connection for ever."""
        clock, receiver, outcome = self.start()
        for _ in range(20):
            receiver.dataReceived(bytes(each))
            clock.advance(1)
        assert isinstance(outcome[0], Broken)
        assert receiver.transport.producerState == "stopped"

    def test_our_own_pauses_do_not_count(self):
        clock, receiver, outcome = self.start()
        receiver.pause()
        clock.advance(60)
        assert not outcome
        receiver.resume()
        clock.advance(10)
        assert isinstance(outcome[0], Broken)

    def test_a_pause_ends_just_before_a_look(self):
        """A client that takes little at a time does not make upstream look slow."""
        clock, receiver, outcome = self.start()
        for _ in range(20):
            receiver.pause()
            clock.advance(9.9)
            receiver.resume()
            clock.advance(0.2)
            receiver.dataReceived(bytes(10))
        assert not outcome
        clock.advance(10)
        assert isinstance(outcome[0], Broken)

    def test_an_early_end_is_no_end(self):
        _, receiver, outcome = self.start()
        receiver.connectionLost(Failure(ConnectionResetError()))
        assert isinstance(outcome[0], Broken)
