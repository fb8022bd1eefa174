"""Routes of a Klein, over real sockets: what fits is called, everything else is an answer too."""

from __future__ import annotations

import pytest
from klein import Klein
from twisted.web.resource import Resource

from keygenreg.web.answering import answer
from keygenreg.web.reply import Reply
from keygenreg.web.routing import Routed
from tests.web.serving import Server


class Sample:
    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    @app.route("/things/<name>", methods=["GET", "HEAD"])
    def thing(self, request, name: str) -> int:
        return answer(request, self._say(name))

    @app.route("/", methods=["PUT"], branch=True)
    def put(self, request) -> int:
        return answer(request, self._say("put"))

    async def _say(self, text: str) -> Reply:
        return Reply(200, text.encode())


class Entrance(Resource):
    """The whole path is the routes'."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.routed = Routed(Sample().app)

    def render(self, request):
        request.prepath = []
        return self.routed.render(request)


@pytest.fixture
def routed(server: Server) -> Server:
    server.site.resource = Entrance()
    return server


def test_variables_are_those_of_each_path(routed: Server) -> None:
    with routed.connect() as client:
        for name in ("one", "two", "one", "%C3%A4"):
            assert client.get(f"/things/{name}").body == name.replace("%C3%A4", "ä").encode()


def test_a_branch_takes_all_below_it(routed: Server) -> None:
    with routed.connect() as client:
        for path in ("/", "/a", "/a/b/c"):
            assert client.get(path, "Content-Length: 0", method="PUT").body == b"put"


@pytest.mark.parametrize("path", ["/", "/things", "/things/a/b", "/things//a"])
def test_where_no_route_fits_is_nothing(routed: Server, path: str) -> None:
    with routed.connect() as client:
        for _ in range(2):
            answered = client.get(path)
            assert (answered.status, answered.headers["content-type"]) == (404, "application/vnd.api+json")


def test_a_route_that_fails_at_once_is_an_incident(routed: Server) -> None:
    routed.site.resource.routed._app._instance = None  # then its method misses an argument
    with routed.connect() as client:
        assert client.get("/things/a").status == 500
