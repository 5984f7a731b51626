"""One hosted model behind two ways in: some APIs spoken natively, the others through an adapter."""

from collections.abc import Mapping
from dataclasses import dataclass

from localfleet.core.ask import Api
from localfleet.core.fleet import EngineState
from localfleet.core.route import Route
from localfleet.ports import Call, Engine, Reply

__all__ = ["ByApi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ByApi:
    """`ways` names an engine per API; all share one provider, so the first one's health speaks for all."""

    ways: Mapping[Api, Engine]

    async def send(self, route: Route, call: Call) -> Reply:
        """Ask through the way of the call's API."""
        return await self.ways[call.api].send(route, call)

    async def aclose(self) -> None:
        """Close them all."""
        for way in self.ways.values():
            await way.aclose()

    def state(self) -> EngineState:
        """The worst of the ways, with all requests in flight."""
        states = [engine.state() for engine in {id(way): way for way in self.ways.values()}.values()]
        worst = max(states, key=lambda state: ("ready", "loading", "down").index(state.readiness))
        return EngineState(readiness=worst.readiness, in_flight=sum(state.in_flight for state in states), why=worst.why)
