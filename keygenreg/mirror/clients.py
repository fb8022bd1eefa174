"""One client for each upstream, whoever's policy names it: so that its circuit and its bounds are one."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from keygenreg.mirror.policy import Policy
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

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()
