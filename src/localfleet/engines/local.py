"""A model of the embedded engine: waits for its process, finds its port again after a restart, tells it was heard."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from localfleet.core.fleet import EngineState
from localfleet.core.reason import Reason
from localfleet.core.route import Route
from localfleet.engines.http_engine import HttpEngine
from localfleet.engines.supervisor import Supervisor
from localfleet.errors import EngineFailed
from localfleet.ports import Call, Reply

__all__ = ["SupervisedEngine"]


@dataclass(slots=True, kw_only=True)
class SupervisedEngine:
    """
    `connect` builds the HTTP side for a base URL: the port changes with each restart. `seen` tells how the process is,
    with the time until it takes work.
    """

    supervisor: Supervisor
    seen: Callable[[], EngineState]
    connect: Callable[[str], HttpEngine]
    http: HttpEngine | None = None
    http_url: str = field(default="")

    async def send(self, route: Route, call: Call) -> Reply:
        """Wait until it is ready, as long as the caller would wait anyway, then ask."""
        began = time.monotonic()
        if not await self.supervisor.wait_ready(call.timeout_s):
            raise EngineFailed(
                "The local model is not running. /readyz says why; try again soon.",
                reason=Reason.ENGINE_DOWN,
                retry_after_s=5,
            )
        left_s = max(call.timeout_s - (time.monotonic() - began), 0.001)
        reply = await self._engine().send(route, replace(call, timeout_s=left_s))
        self.supervisor.saw_answer()
        return reply

    def refuse(self) -> None:
        """Raise `EngineFailed` while the breaker of the process that runs now keeps requests out."""
        if self.http is not None and self.supervisor.state().readiness.takes_work:
            self._engine().refuse()

    async def aclose(self) -> None:
        """Close idle connections."""
        if self.http is not None:
            await self.http.aclose()

    def state(self) -> EngineState:
        """The process's readiness; while it runs, also what its breaker says and the requests in flight."""
        state = self.seen()
        up = state.readiness.takes_work and self.supervisor.listens
        if self.http is None or not up or self.http_url != self.supervisor.base_url:
            return state
        return self.http.state()

    def _engine(self) -> HttpEngine:
        url = self.supervisor.base_url
        if self.http is None or url != self.http_url:
            self.http, self.http_url = self.connect(url), url
        return self.http
