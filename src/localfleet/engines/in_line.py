"""
A local engine behind its line: nobody reaches it without a pass, and every pass comes back.

An engine that says itself that it is full (vLLM with `--max-num-queued-reqs`) took nothing: whoever has a pass knocks
again after a pause, as long as it would have waited in the line.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from localfleet.core.fleet import EngineState
from localfleet.core.reason import Reason
from localfleet.core.route import Route
from localfleet.core.usage import Usage
from localfleet.engines.admission import Admission, Pass
from localfleet.engines.replies import StreamReply
from localfleet.errors import EngineFailed
from localfleet.ports import Call, Engine, Reply

__all__ = ["Guarded", "InLine"]

BYTES_PER_TOKEN = 4
FIRST_KNOCK_S = 0.1
LONGEST_KNOCK_S = 2.0
LEAST_S = 0.001


class Guarded(Engine, Protocol):
    """An engine with a breaker."""

    def refuse(self) -> None:
        """Raise `EngineFailed` while the breaker keeps requests out; they need not stand in line to hear it."""
        ...


@dataclass(slots=True, kw_only=True)
class InLine:
    """One engine and its admission. `jitter` gives 0 to 1."""

    engine: Guarded
    admission: Admission
    jitter: Callable[[], float]

    async def send(self, route: Route, call: Call) -> Reply:
        """Wait for a turn, ask, and give the place back when the answer is over or its stream is closed."""
        pass_ = self.admission.enter_now(call)
        if pass_ is None:
            self.engine.refuse()
            pass_ = await self.admission.enter(call)
        reply: Reply | None = None
        try:
            reply = await self._ask(route, call, pass_)
        finally:
            if reply is None:
                self.admission.leave(pass_, None)
        if isinstance(reply, StreamReply):
            reply.when_closed(partial(self._over, pass_, reply))
        else:
            self._over(pass_, reply)
        return reply

    def state(self) -> EngineState:
        """The engine's own, with what waits for it."""
        state, door = self.engine.state(), self.admission
        if not door.waiting and door.has_room:
            return state
        return EngineState(
            readiness=state.readiness,
            in_flight=door.inside,
            waiting=door.waiting,
            wait_s=door.wait_s,
            oldest_wait_s=door.oldest_wait_s,
            ready_in_s=state.ready_in_s,
            why=state.why,
        )

    async def aclose(self) -> None:
        """Close the engine's idle connections."""
        await self.engine.aclose()

    async def _ask(self, route: Route, call: Call, pass_: Pass) -> Reply:
        began, knock_s = pass_.entered_s - pass_.queued_s, FIRST_KNOCK_S
        left = call if not pass_.queued_s else replace(call, timeout_s=max(call.timeout_s - pass_.queued_s, LEAST_S))
        while True:
            try:
                return await self.engine.send(route, left)
            except EngineFailed as exc:
                pause_s, spent_s = knock_s * (1 + self.jitter()), time.monotonic() - began
                if exc.reason is not Reason.QUEUE_FULL:
                    raise
                if spent_s + pause_s >= min(call.timeout_s, call.patience_s):
                    exc.retry_after_s = exc.retry_after_s or self.admission.retry_after_s
                    raise
            call.waited(pause_s)
            await asyncio.sleep(pause_s)
            left = replace(call, timeout_s=max(call.timeout_s - spent_s - pause_s, LEAST_S))
            knock_s = min(knock_s * 2, LONGEST_KNOCK_S)

    def _over(self, pass_: Pass, reply: Reply) -> None:
        guess = Usage(
            input_tokens=pass_.call.input_tokens, output_tokens=reply.text_bytes // BYTES_PER_TOKEN, measured=False
        )
        self.admission.leave(pass_, reply.usage or guess)
