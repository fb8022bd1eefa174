"""The bounded dictionary: never beyond its bound, never wrong, and what is used stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.caches.bounded import OVERHEAD, BoundedCache

KEYS = st.integers(0, 12)
SHARED = st.sampled_from([b"", b"a" * 300, b"b" * 700, b"c" * 1500, b"d" * 4000])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(0, 1200), SHARED),
        st.tuples(st.just("get"), KEYS),
        st.tuples(st.just("forget"), KEYS),
        st.tuples(st.just("clear")),
    ),
    max_size=80,
)


def taken(cache: BoundedCache) -> int:
    """What the entries cost, counted anew: shared bytes once in each half that has an entry with them."""
    total = 0
    for costs in (cache._costs, cache._old_costs):
        total += sum(OVERHEAD + size for size, _ in costs.values())
        total += sum(map(len, {shared for _, shared in costs.values()}))
    return total


@given(limit=st.integers(0, 20_000), steps=STEPS)
def test_whatever_happens_it_is_bounded_and_right(limit, steps):
    """Compared with a plain dictionary after every step: what is found is what was put last."""
    cache, model = BoundedCache(limit), {}
    for number, (what, *given_) in enumerate(steps):
        if what == "put":
            key, size, body = given_
            body = cache.shared(body)
            model[key] = (number, body)
            cache.put(key, (number, body), size, body)
        elif what == "get":
            found = cache.get(given_[0])
            assert found is None or found == model[given_[0]]
        elif what == "forget":
            cache.forget(given_[0])
            model.pop(given_[0], None)
            assert cache.get(given_[0]) is None
        else:
            cache.clear()
            model.clear()
            assert cache.used == len(cache) == 0
        assert taken(cache) <= cache.used <= limit
        assert set(cache.young) | set(cache._old) <= set(model)
        assert not set(cache.young) & set(cache._old)


@given(sizes=st.lists(st.integers(0, 500), min_size=1, max_size=30))
def test_nothing_is_lost_before_half_of_it_is_full(sizes):
    cache = BoundedCache(2 * sum(OVERHEAD + size for size in sizes))
    for key, size in enumerate(sizes):
        cache.put(key, key + 1, size)
    assert [cache.get(key) for key in range(len(sizes))] == [key + 1 for key in range(len(sizes))]


@given(st.integers(1, 400))
def test_what_is_used_stays(strangers):
    """However many others come once."""
    cache = BoundedCache(40 * (OVERHEAD + 100))
    cache.put("used", "value", 100)
    for number in range(strangers):
        cache.put(number, number + 1, 100)
        if number % 10 == 0:
            assert cache.get("used") == "value"
    assert cache.get("used") == "value"
    assert len(cache) <= 40


def test_what_is_not_used_goes():
    cache = BoundedCache(20 * OVERHEAD)
    for number in range(100):
        cache.put(number, "value", 0)
    assert cache.get(0) is None and cache.get(99) == "value"


def test_equal_bytes_are_one_object_and_count_once():
    """A thousand answers with one body cost one body."""
    cache = BoundedCache(4_000_000)
    bodies = [b"x" * 100_000 for _ in range(1000)]
    for key, body in enumerate(bodies):
        kept = cache.shared(bytes(bytearray(body)))
        cache.put(key, kept, 0, kept)
    assert cache.used == 1000 * OVERHEAD + 100_000
    assert len({id(cache.get(key)) for key in range(1000)}) == 1


def test_shared_bytes_follow_what_is_used():
    """An entry that moves to the younger half brings what it shares along, counted there."""
    cache = BoundedCache(20_000)
    body = cache.shared(b"y" * 4000)
    cache.put("used", body, 0, body)
    for number in range(60):
        cache.put(number, number + 1, 400)
        assert cache.get("used") is body
        assert taken(cache) <= cache.used <= 20_000


@pytest.mark.parametrize("limit", [0, 1, 2 * OVERHEAD - 1])
def test_without_room_nothing_is_kept(limit):
    cache = BoundedCache(limit)
    cache.put("key", "value", 0)
    assert cache.get("key") is None and cache.used == 0


def test_what_is_too_large_takes_nobodys_place():
    """Nor does an older value stay under its key."""
    cache = BoundedCache(10 * OVERHEAD)
    cache.put("small", "value", 0)
    cache.put("large", "old", 0)
    cache.put("large", "new", 5 * OVERHEAD)
    assert cache.get("large") is None and cache.get("small") == "value"
