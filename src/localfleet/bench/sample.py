"""
One request to one engine, watched: when its first token came, when its last one, how many there were.

The engine is asked as the router asks it, through the same line and the same relay, so what is measured is what a
caller of the router would see.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import orjson

from localfleet.core.ask import Api
from localfleet.core.reason import Reason
from localfleet.core.route import LocalRoute
from localfleet.core.usage import Usage
from localfleet.errors import EngineFailed
from localfleet.ports import Call, Engine, Reply
from localfleet.wire.sse import SseSplitter

__all__ = ["Sample", "Target", "ask"]

ANSWER_S = 600.0
RETRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An engine under test, and the name that its routes bear. `slots` is how many requests it works on together."""

    name: str
    engine: Engine
    slots: int
    context_tokens: int
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """
    What one request saw. Times are seconds on the event loop's clock.

    `failed` is the reason where it got no answer or half of one, else `None`.
    """

    due_s: float
    """When it should have been sent; the waits of an open loop count from here."""
    first_s: float
    last_s: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    longest_gap_s: float = 0.0
    failed: Reason | None = None

    @property
    def ttft_s(self) -> float:
        """Until the first token."""
        return self.first_s - self.due_s

    @property
    def step_s(self) -> float | None:
        """Between two tokens, in the mean; `None` for an answer of one."""
        return None if self.output_tokens < 2 else (self.last_s - self.first_s) / (self.output_tokens - 1)


async def ask(
    target: Target,
    text: str,
    *,
    output_tokens: int,
    due_s: float | None = None,
    patience_s: float = inf,
    waited: Callable[[float], None] = lambda _: None,
) -> Sample:
    """
    Ask for exactly `output_tokens` tokens (engines that know `ignore_eos`: vLLM, llama.cpp, SGLang).

    Who has no turn after `patience_s` is refused, as the router refuses it where another door stands open; `waited` is
    told the seconds in the line.
    """
    loop = asyncio.get_running_loop()
    began = loop.time() if due_s is None else due_s
    watch = _Watch(loop.time)
    usage: Usage | None = None
    failed: Reason | None = None
    route, call = _call(target, text, output_tokens, patience_s, waited)
    try:
        reply = await _sent(target, route, call)
        try:
            async for piece in reply:
                watch.feed(piece)
        finally:
            await reply.aclose()
        usage, failed = reply.usage, reply.failure
    except EngineFailed as exc:
        failed = exc.reason
    if failed is None and (usage is None or watch.first_s is None):
        failed = Reason.UPSTREAM_GARBLED
    return Sample(
        due_s=began,
        first_s=watch.first_s if watch.first_s is not None else loop.time(),
        last_s=watch.last_s if watch.last_s is not None else loop.time(),
        input_tokens=0 if usage is None else usage.input_tokens,
        output_tokens=0 if usage is None else usage.output_tokens,
        cached_tokens=0 if usage is None else usage.cache_read_tokens,
        longest_gap_s=watch.longest_gap_s,
        failed=failed,
    )


async def _sent(target: Target, route: LocalRoute, call: Call) -> Reply:
    """Once more, as the router does, where a kept connection closed just as it was used."""
    for _ in range(RETRIES):
        try:
            return await target.engine.send(route, call)
        except EngineFailed as exc:
            if exc.reason is not Reason.UPSTREAM_ERROR or exc.upstream_status is not None:
                raise
    return await target.engine.send(route, call)


def _call(
    target: Target, text: str, output_tokens: int, patience_s: float, waited: Callable[[float], None]
) -> tuple[LocalRoute, Call]:
    body: Mapping[str, Any] = {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": output_tokens,
        "ignore_eos": True,
        "stream": True,
    }
    call = Call(
        request_id=secrets.token_hex(8),
        api=Api.CHAT,
        body=body,
        stream=True,
        wants_usage=False,
        timeout_s=ANSWER_S,
        key_id="bench",
        input_tokens=len(text) // 4,
        output_tokens=output_tokens,
        patience_s=patience_s,
        waited=waited,
    )
    return LocalRoute(model=target.name), call


class _Watch:
    """Reads a stream as it comes and notes when text came."""

    def __init__(self, now: Any) -> None:
        self.now = now
        self.events = SseSplitter()
        self.first_s: float | None = None
        self.last_s: float | None = None
        self.longest_gap_s = 0.0

    def feed(self, piece: bytes) -> None:
        """Note the moment of every event that holds text."""
        at = self.now()
        for event in self.events.feed(piece):
            if not _has_text(event.data):
                continue
            if self.last_s is None:
                self.first_s = at
            else:
                self.longest_gap_s = max(self.longest_gap_s, at - self.last_s)
            self.last_s = at


def _has_text(data: bytes) -> bool:
    try:
        event = orjson.loads(data)
        delta = event["choices"][0]["delta"]
        return bool(delta.get("content") or delta.get("reasoning_content") or delta.get("tool_calls"))
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError):
        return False
