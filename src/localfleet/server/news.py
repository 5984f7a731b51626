"""
What a stream's client hears while its model comes: comments, which every reader of server-sent events skips.

A cold start takes seconds or minutes, and a connection on which nothing happens is cut by whatever stands between. So a
stream that waits for a model of this box begins before its answer does: with the decision's headers and a comment now
and then. What goes wrong after that is told inside the stream, as after a first byte. A request that could still go to
a hosted model gets no such beginning: which headers are true is not known yet.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from localfleet.core.fleet import EngineState
from localfleet.core.route import LocalRoute
from localfleet.errors import ClientLeft
from localfleet.ports import Engine
from localfleet.visit import Visit

__all__ = ["News"]

FIRST_S = 2.0
EVERY_S = 5.0
Begin = Callable[[str], Awaitable[None]]
"""Sends the head of a stream that waits for the model of that name."""
Comment = Callable[[bytes], Awaitable[None]]


class News:
    """One stream that may have to wait. `begun` says that its head is out: what follows must be a stream too."""

    def __init__(self, visit: Visit, engines: Mapping[str, Engine], *, begin: Begin, comment: Comment) -> None:
        """Begin to watch the clock."""
        self.begun = False
        self._visit = visit
        self._engines = engines
        self._begin = begin
        self._comment = comment
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(FIRST_S, self._start)

    async def stop(self) -> None:
        """The answer is here, or will never be; nothing more is sent from here once this returns."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, ClientLeft):
                await self._task

    def _start(self) -> None:
        self._task = asyncio.create_task(self._tell(), name="news")

    async def _tell(self) -> None:
        while True:
            state = self._awaited()
            if state is not None:
                await self._say(*state)
            await asyncio.sleep(EVERY_S)

    def _awaited(self) -> tuple[str, EngineState] | None:
        """The model that the request waits for, where it is on its way and no hosted door is left."""
        routes = self._visit.decided.routes
        left = [route.model for route in routes[len(self._visit.attempts) :]]
        if not left or not all(isinstance(route, LocalRoute) for route in routes):
            return None
        state = self._engines[left[0]].state()
        return None if state.readiness.takes_work else (left[0], state)

    async def _say(self, model: str, state: EngineState) -> None:
        if not self.begun:
            self.begun = True
            await self._begin(model)
        left = "" if state.ready_in_s is None else f", about {state.ready_in_s:.0f} s"
        await self._comment(f": localfleet {model} is {state.readiness}{left}\n\n".encode())
