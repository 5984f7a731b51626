"""
An engine whose box is known to the microsecond, on a clock that jumps: `bench` can be held against the truth.

It works as engines with continuous batching do: prompts one after the other, then a step for all that decode together,

    prefill = a x input        step = alpha + beta x batch + gamma x all tokens of context

and speaks the port's own protocol in server-sent events. The loop's clock jumps to the next timer, so an hour of load
takes as long as its events, and every run is the same.
"""

import asyncio
import json
import selectors
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from localfleet.bench.sample import Target
from localfleet.core.ask import Api
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.reason import Reason
from localfleet.core.route import Route
from localfleet.engines.admission import Admission
from localfleet.engines.in_line import InLine
from localfleet.engines.replies import stream_reply
from localfleet.errors import EngineFailed
from localfleet.ports import Call, Reply

TEMPLATE_TOKENS = 20


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: tells the loop that the time it would have waited is over."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        self.now += timeout or 0.0
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumping = _Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


def run_jumping(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on a loop whose clock jumps."""
    loop = _Loop()
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.close()


@dataclass(slots=True)
class _Job:
    input_tokens: int
    output_tokens: int
    arrived_s: float
    made: int = 0
    pieces: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    gone: bool = False


@dataclass(slots=True, kw_only=True)
class KnownEngine:
    """The box. Seconds per token and step; `slots` decode together, the rest waits."""

    a_s: float = 0.0002
    alpha_s: float = 0.008
    beta_s: float = 0.0005
    gamma_s: float = 0.000001
    slots: int = 8
    refuses: bool = False
    waiting: deque[_Job] = field(default_factory=deque)
    inside: list[_Job] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def box_s(self, input_tokens: float, output_tokens: float) -> float:
        """The truth: seconds of the full box for one request."""
        context = self.gamma_s * (input_tokens + output_tokens / 2)
        return self.a_s * input_tokens + output_tokens * (self.alpha_s / self.slots + self.beta_s + context)

    def target(self) -> Target:
        """What `bench` is given."""
        return Target(name="known", engine=self, slots=self.slots, context_tokens=4096, kind="known")

    async def send(self, route: Route, call: Call) -> Reply:
        """Queue the job; the reply is there when its first token is."""
        if self.refuses:
            raise EngineFailed("Full.", reason=Reason.QUEUE_FULL)
        body = call.body
        job = _Job(
            input_tokens=len(body["messages"][0]["content"].split()) + TEMPLATE_TOKENS,
            output_tokens=body["max_tokens"],
            arrived_s=asyncio.get_running_loop().time(),
        )
        if len(self.waiting) * self.box_s(job.input_tokens, job.output_tokens) > call.patience_s:
            raise EngineFailed("Too long a line.", reason=Reason.QUEUE_TOO_LONG)
        self.waiting.append(job)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._work())
        deadline = asyncio.get_running_loop().time() + call.timeout_s
        return await stream_reply(call, Api.CHAT, _Source(job), model="known", deadline=deadline, idle_timeout_s=1e6)

    def refuse(self) -> None:
        """It has no breaker."""

    def state(self) -> EngineState:
        """Always ready."""
        return EngineState(readiness=Readiness.READY, in_flight=len(self.inside), waiting=len(self.waiting))

    async def aclose(self) -> None:
        """Nothing is held."""

    async def _work(self) -> None:
        while self.waiting or self.inside:
            self.inside = [job for job in self.inside if not job.gone]
            if self.waiting and len(self.inside) < self.slots:
                job = self.waiting.popleft()
                if job.gone:
                    continue
                await asyncio.sleep(self.a_s * job.input_tokens)
                self.inside.append(job)
                continue
            context = sum(job.input_tokens + job.made for job in self.inside)
            await asyncio.sleep(self.alpha_s + self.beta_s * len(self.inside) + self.gamma_s * context)
            for job in [job for job in self.inside if not job.gone]:
                job.made += 1
                job.pieces.put_nowait(b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n')
                if job.made >= job.output_tokens:
                    self.inside.remove(job)
                    job.pieces.put_nowait(None)


def behind_a_line(engine: KnownEngine) -> Target:
    """The engine with the router's own line before it, on the same clock; call it inside of the loop."""
    clock = asyncio.get_running_loop().time
    line = Admission(limit=10_000, slots=engine.slots, tokens=None, batch_turn_s=60.0, clock=clock)
    return replace(engine.target(), engine=InLine(engine=engine, admission=line, jitter=lambda: 0.0))


@dataclass(slots=True)
class _Source:
    """The bytes of one answer, as an HTTP body gives them."""

    job: _Job
    ended: bool = False

    async def chunk(self, _deadline: float) -> bytes:
        """What the step made; the count and the end mark; nothing."""
        if self.ended:
            return b""
        piece = await self.job.pieces.get()
        if piece is None:
            self.ended = True
            usage = {"prompt_tokens": self.job.input_tokens, "completion_tokens": self.job.made}
            return b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n"
        return piece

    def close(self) -> None:
        """Nobody reads on: the engine stops."""
        self.job.gone = True

    def linger(self) -> None:
        """It is over."""
