"""Which route a method and a path find (api.md 2.1), without a daemon."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.failures import NotFound
from keygenreg.management.router import MOST_SEGMENTS, Route, Routes
from keygenreg.management.routes import ALL_ROUTES


async def handler(*_arguments: object) -> None:
    """Never called here."""


ROUTES = Routes(
    [
        Route("GET", "/licenses", handler),
        Route("GET", "/licenses/{license*}", handler),
        Route("GET", "/licenses/{license*}/users/{user}", handler),
        Route("POST", "/licenses/{license*}/actions/renew", handler),
        Route("PATCH", "/licenses/{license*}", handler),
        Route("PUT", "/licenses/{license*}/policy", handler),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "pattern", "variables"),
    [
        ("GET", "licenses", "/licenses", {}),
        ("HEAD", "licenses", "/licenses", {}),
        ("GET", "licenses/a", "/licenses/{license*}", {"license": "a"}),
        ("GET", "licenses/a/b/c", "/licenses/{license*}", {"license": "a/b/c"}),
        ("GET", "licenses/a/b/users/c", "/licenses/{license*}/users/{user}", {"license": "a/b", "user": "c"}),
        ("GET", "licenses/users/users", "/licenses/{license*}", {"license": "users/users"}),
        ("POST", "licenses/a/actions/renew", "/licenses/{license*}/actions/renew", {"license": "a"}),
        ("PATCH", "licenses/a/policy", "/licenses/{license*}", {"license": "a/policy"}),
        ("PUT", "licenses/a/policy", "/licenses/{license*}/policy", {"license": "a"}),
        ("PUT", "licenses/a", "/licenses/{license*}", {"license": "a"}),
    ],
)
def test_found(method: str, path: str, pattern: str, variables: dict[str, str]) -> None:
    route, found = ROUTES.find(method, tuple(path.split("/")))
    assert (route.pattern, found) == (pattern, variables)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ("licenses",)),
        ("DELETE", ("licenses", "a")),
        ("GET", ()),
        ("GET", ("nothing",)),
        ("TRACE", ("licenses",)),
        ("GET", ("licenses",) * (MOST_SEGMENTS + 1)),
    ],
)
def test_not_found(method: str, path: tuple[str, ...]) -> None:
    with pytest.raises(NotFound):
        ROUTES.find(method, path)


def test_no_endpoint_is_there_twice() -> None:
    """Of two equal patterns only one could ever answer."""
    shapes = [
        (route.method, tuple("{}" if part.startswith("{") else part for part in route.segments)) for route in ALL_ROUTES
    ]
    assert len(shapes) == len(set(shapes))


@given(data=st.data())
def test_every_endpoint_is_reached(data: st.DataObject) -> None:
    """Whatever its variables hold, a path finds its endpoint or one that is as literal."""
    route = data.draw(st.sampled_from(ALL_ROUTES))
    words = st.text(st.characters(exclude_characters="/"), min_size=1, max_size=6)
    path = tuple(data.draw(words) if part.startswith("{") else part for part in route.segments)
    found, variables = Routes(ALL_ROUTES).find(route.method, path)
    assert found.literals >= route.literals
    assert all(variables.values())
