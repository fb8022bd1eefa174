"""Bodies compressed in threads are the same bytes as those compressed at once, and are compressed once."""

from __future__ import annotations

import gzip

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from keygenreg.web.compression import compress, compress_aside


class InlineThreads:
    """A reactor whose threads work at once; ``asked`` counts how often they had to."""

    def __init__(self):
        self.asked = 0

    def getThreadPool(self):
        return self

    def callInThreadWithCallback(self, done, work, *args):
        self.asked += 1
        done(True, work(*args))

    def callFromThread(self, work, *args):
        work(*args)


def aside(reactor, body):
    """What ``compress_aside`` gives."""
    found = []
    Deferred.fromCoroutine(compress_aside(reactor, body)).addCallback(found.append)
    return found[0]


@settings(max_examples=25)
@given(st.binary(min_size=1, max_size=200), st.integers(0, 3000))
def test_the_same_bytes_either_way(piece, times):
    body = piece * times
    packed = aside(InlineThreads(), body)
    assert packed == compress(body) == compress(bytes(bytearray(body)))
    assert gzip.decompress(packed) == body


def test_a_large_body_is_compressed_once():
    """Though many ask for it, each with an object of their own."""
    reactor = InlineThreads()
    for _ in range(3):
        aside(reactor, b"a page of its own, " * 5000)
    assert reactor.asked == 1
