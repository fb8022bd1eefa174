"""Values of rows that are made in a way of our own."""

from __future__ import annotations

import copy
import pickle
import uuid

from hypothesis import given
from hypothesis import strategies as st

from keygenreg.database.query import Query

ECHO = Query("echo", "SELECT %(one)s::uuid AS one, %(many)s::uuid[] AS many", unscoped="a test")


@given(st.uuids() | st.none(), st.lists(st.uuids() | st.none()))
def test_ids_are_uuids_like_any_other(database, run_in_reactor, one, many):
    """Equal, with equal hashes and texts, as dictionary keys, copied and pickled; none stays none."""
    row = run_in_reactor(database.one(ECHO, one=one, many=many))
    assert row == {"one": one, "many": many}
    for value, expected in zip([row["one"], *row["many"]], [one, *many], strict=True):
        assert type(value) is type(expected)
        assert hash(value) == hash(expected)
        assert str(value) == str(expected)
        assert {expected: 1}[value] == 1
        assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == expected
        if value is not None:
            assert value.is_safe is uuid.SafeUUID.unknown
            assert value.version == expected.version
