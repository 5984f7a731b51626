"""Work at a local engine that gives way to everybody: it begins where nobody waits, and ends when somebody does."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from localfleet.core.fleet import EngineState
from localfleet.core.reason import Reason
from localfleet.errors import EngineFailed
from localfleet.ports import Engine

__all__ = ["PATIENCE_S", "give_way"]

LOOK_S = 0.05
PATIENCE_S = 30.0
"""How long it looks whether the engines are free before it gives up."""
T = TypeVar("T")


async def give_way(engines: Sequence[Engine], work: Coroutine[Any, Any, T], *, patience_s: float = PATIENCE_S) -> T:
    """
    Do the work while nobody stands in a line before one of these engines.

    It wakes none: an engine that sleeps or loads is not free. Raises `EngineFailed` with `QUEUE_TOO_LONG` where they do
    not become free, or somebody came; the work is then cancelled, and over.
    """
    doing: asyncio.Task[T] | None = None
    try:
        await _free(engines, patience_s)
        doing = asyncio.ensure_future(work)
        while not doing.done():
            await asyncio.wait({doing}, timeout=LOOK_S if engines else None)
            if not doing.done() and any(engine.state().waiting for engine in engines):
                raise _made_way()
        return doing.result()
    finally:
        if doing is None:
            work.close()
        elif not doing.done():
            doing.cancel()
            await asyncio.wait({doing})


async def _free(engines: Sequence[Engine], patience_s: float) -> None:
    for _ in range(1 + int(patience_s / LOOK_S)):
        if all(_has_room(engine.state()) for engine in engines):
            return
        await asyncio.sleep(LOOK_S)
    raise _made_way()


def _has_room(state: EngineState) -> bool:
    return state.readiness.takes_work and not state.waiting and state.wait_s == 0


def _made_way() -> EngineFailed:
    return EngineFailed("Callers had the engine.", reason=Reason.QUEUE_TOO_LONG)
