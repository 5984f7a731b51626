"""Who is inside one engine, and whether anyone may enter: in-flight count, breaker, the model's name on failures."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import lru_cache
from math import ceil
from typing import Never

from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.reason import Reason
from localfleet.engines.breaker import Breaker
from localfleet.engines.replies import StreamReply, WholeReply
from localfleet.errors import EngineFailed

__all__ = ["Turnstile"]

COUNTED = frozenset({Reason.CONNECT_FAILED, Reason.TIMED_OUT, Reason.UPSTREAM_ERROR, Reason.UPSTREAM_GARBLED})
"""Failures that say something about the door, not about the request."""
FAIR_CHANCE_S = 10.0
"""A time-out counts only after so long, or after the model's whole `timeout_s`: callers in a hurry shut no door."""
WHY = "it failed several times in a row or limits the rate; it is tried again soon"
LIMITED = "The provider limits the rate: try again later, or allow another model for this task."


@lru_cache(maxsize=4096)
def _ready(in_flight: int) -> EngineState:
    """One value for all who ask: each decision does, of each model."""
    return EngineState(readiness=Readiness.READY, in_flight=in_flight)


class Turnstile:
    """
    One per engine. `readiness` tells a supervised process's state; that it runs and is healthy is not that it answers.

    So there is a breaker in either case, also where this is the only door: real requests trip it, one at a time tries
    again, and the others hear at once when to come back.
    """

    def __init__(self, name: str, readiness: Callable[[], EngineState] | None = None, *, timeout_s: float) -> None:
        """`name` is the model's name in `models.yaml`, `timeout_s` the longest it may take to a first byte."""
        self._name = name
        self._readiness = readiness
        self._fair_s = min(timeout_s, FAIR_CHANCE_S)
        self._breaker = Breaker()
        self._inside = 0

    def state(self) -> EngineState:
        """How the engine is, from memory."""
        wait_s = self._breaker.opens_in_s(time.monotonic())
        state = None if self._readiness is None else self._readiness()
        if state is not None and (wait_s is None or not state.readiness.takes_work):
            return replace(state, in_flight=self._inside)
        if wait_s is None:
            return _ready(self._inside)
        return EngineState(readiness=Readiness.LOADING, in_flight=self._inside, ready_in_s=wait_s, why=WHY)

    async def through(
        self, attempt: Callable[[], Awaitable[StreamReply | WholeReply]], *, given_s: float
    ) -> StreamReply | WholeReply:
        """
        Let one attempt through and note how it ends; raise `EngineFailed` with the model's name.

        `given_s` is how long the attempt may wait for its first byte.
        """
        self.refuse()
        probe = self._breaker.enter()
        reply: StreamReply | WholeReply | None = None
        self._inside += 1
        try:
            reply = await attempt()
            self._breaker.succeeded()
        except EngineFailed as failure:
            self._failed(failure, probe=probe, fair=given_s >= self._fair_s)
        finally:
            if reply is None:
                self._breaker.left(probe=probe)
            if isinstance(reply, StreamReply):
                reply.when_closed(self._leave)
            else:
                self._leave()
        return reply

    def refuse(self) -> None:
        """Raise `EngineFailed` while the breaker keeps requests out: nobody should stand in a line for that."""
        now = time.monotonic()
        wait_s = self._breaker.opens_in_s(now)
        if wait_s is not None:
            limited = self._breaker.limited_only(now)
            reason, why = (Reason.RATE_LIMITED, LIMITED) if limited else (Reason.ENGINE_DOWN, f"{WHY}.")
            raise EngineFailed(f"{self._name}: {why}", reason=reason, retry_after_s=ceil(wait_s))

    def _leave(self) -> None:
        self._inside -= 1

    def _failed(self, failure: EngineFailed, *, probe: bool, fair: bool) -> Never:
        now = time.monotonic()
        if failure.reason in COUNTED and (fair or failure.reason is not Reason.TIMED_OUT):
            self._breaker.failed(now, probe=probe)
        elif failure.reason is Reason.RATE_LIMITED:
            self._breaker.limited(now, failure.retry_after_s, probe=probe)
        raise EngineFailed(
            f"{self._name}: {failure.message}",
            reason=failure.reason,
            upstream_status=failure.upstream_status,
            upstream_code=failure.upstream_code,
            retry_after_s=failure.retry_after_s,
        ) from None
