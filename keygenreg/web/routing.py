"""A Klein's routes as a resource that leaves nothing of a request behind for the garbage collector."""

from __future__ import annotations

from functools import lru_cache

from klein import Klein
from twisted.python.failure import Failure as Reason
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import HTTPException

from keygenreg.domain.failures import NotFound
from keygenreg.web.sending import send

#: Where they lead is kept of so many paths, each as long as a request's target may be: to find it is another such loop.
_PATHS = 128


class Routed(Resource):
    """
    What ``app.resource()`` would be, for routes that answer their request themselves, all of which ours do.

    Klein's own (24.8) makes a function for each request that calls itself, and with it a loop of references that holds
    the request, its connection and all that belongs to both. Thousands of those in one collection are a stall.
    It also waits for what a route gives, and ends the request then; there is nothing to wait for here.

    :param app: bound to the object that has its routes; with neither strict nor merged slashes, so nothing redirects.
    """

    isLeaf = True

    def __init__(self, app: Klein) -> None:
        super().__init__()
        self._app = app
        # The Host is the resource tree's affair.
        self._match = lru_cache(_PATHS)(app.url_map.bind("localhost").match)

    def render(self, request: Request) -> int:
        path = "/" + b"/".join(request.postpath).decode("utf-8") if request.postpath else ""
        try:
            endpoint, variables = self._match(path, request.method.decode("latin-1"))
        except HTTPException as unrouted:
            # Without its traceback, which would hold this call, and that the request.
            return self._unrouted(request, Reason(unrouted.with_traceback(None)))
        self._app.execute_endpoint(endpoint, request, **variables)
        return NOT_DONE_YET

    def _unrouted(self, request: Request, reason: Reason) -> int:
        """No route fits: answered by the handler of such errors, which gives a resource, where there is one."""
        for kinds, handler in self._app._error_handlers:
            if reason.check(*kinds):
                return self._app.execute_error_handler(handler, request, reason).render(request)
        send(request, request.site.refusal(NotFound("There is nothing at this path."), request.request_id))
        return NOT_DONE_YET
