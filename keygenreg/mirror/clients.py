"""One client for each upstream, whoever's policy names it: so that its circuit and its bounds are one."""

from __future__ import annotations

import time
from typing import Any

from attrs import define, field

from keygenreg.mirror.policy import Policy
from keygenreg.telemetry.mirror_figures import CIRCUITS, OriginState
from keygenreg.upstream.client import UpstreamClient


@define(eq=False)
class Clients:
    """Upstreams with different credentials or bounds are different ones."""

    reactor: Any
    _clients: dict[Any, UpstreamClient] = field(factory=dict, init=False)

    def of(self, policy: Policy) -> UpstreamClient:
        key = (policy.rules, policy.limits, policy.authorization)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = UpstreamClient(
                self.reactor, policy.rules, policy.limits, policy.authorization
            )
        return client

    def states(self) -> dict[str, OriginState]:
        """By origin, the worst state of the circuits to it, and the last success on any of them."""
        found: dict[str, OriginState] = {}
        now = self.reactor.seconds()
        for client in self._clients.values():
            for origin, breaker in client.breakers.items():
                known = found.get(origin, OriginState("closed"))
                circuit = max(known.circuit, breaker.state, key=CIRCUITS.__getitem__)
                last = breaker.last_success
                success = None if last is None else time.time() - (now - last)
                times = [each for each in (known.success, success) if each is not None]
                found[origin] = OriginState(circuit, max(times, default=None))
        return found

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()
