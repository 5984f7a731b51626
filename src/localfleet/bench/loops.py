"""
Two ways to load an engine. Closed: always so many requests inside, which finds what the box can do. Open: requests at
times that do not ask how the engine is, which finds what callers wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from localfleet.bench.sample import Sample

__all__ = ["Closed", "closed_loop", "open_loop"]

Ask = Callable[[float], Awaitable[Sample]]
"""Send one request that is due at a time of the loop's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What a closed loop saw: the samples of the measured part, and how long that part was."""

    samples: tuple[Sample, ...]
    failed: tuple[Sample, ...]
    seconds: float
    completed: int
    """Requests that ended within `seconds`."""


async def closed_loop(ask: Ask, *, together: int, rounds: int, most_s: float) -> Closed:
    """
    Keep `together` requests inside until `rounds` x `together` were measured, or `most_s` seconds are over.

    The first `together` answers warm up. The clock runs from the last of them to the last answer that counts, while the
    load stays as it was: neither the start nor the end, when the box is half empty, is in it.
    """
    loop = asyncio.get_running_loop()
    ended: list[Sample] = []
    enough, until = together * (rounds + 1), loop.time() + most_s

    async def worker() -> None:
        while len(ended) < enough and loop.time() < until:
            ended.append(await ask(loop.time()))
            if ended[-1].failed is not None:
                await asyncio.sleep(0.05)  # an engine that refuses at once would be asked in a tight loop

    await _until_enough([asyncio.create_task(worker()) for _ in range(together)], lambda: len(ended) >= enough, until)
    good = [sample for sample in ended if sample.failed is None]
    bad = tuple(sample for sample in ended if sample.failed is not None)
    if len(good) <= together:
        return Closed(samples=tuple(good), failed=bad, seconds=0.0, completed=0)
    start, counted = good[together - 1].last_s, good[together:]
    return Closed(
        samples=tuple(counted), failed=bad, seconds=max(counted[-1].last_s - start, 1e-9), completed=len(counted)
    )


async def _until_enough(workers: Sequence[asyncio.Task[None]], enough: Callable[[], bool], until: float) -> None:
    """Wait for the workers; cancel those that only fill the box once enough has been measured."""
    loop = asyncio.get_running_loop()
    pending = set(workers)
    try:
        while pending and not enough() and loop.time() < until:
            _, pending = await asyncio.wait(pending, timeout=0.02)
    finally:
        for worker in workers:
            worker.cancel()
        done = await asyncio.gather(*workers, return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, Exception):
            raise outcome


async def open_loop(asks: Sequence[tuple[float, Ask]], *, most_s: float) -> list[Sample]:
    """
    Send each request at its time (seconds from now, in order), whatever became of those before it.

    Returns the samples in the order of the requests; those that `most_s` cuts off are left out.
    """
    loop = asyncio.get_running_loop()
    zero = loop.time() + 0.05
    tasks: list[asyncio.Task[Sample]] = []
    try:
        async with asyncio.timeout(most_s):
            for at_s, ask in asks:
                await asyncio.sleep(zero + at_s - loop.time())
                tasks.append(asyncio.create_task(_one(ask, zero + at_s)))
            await asyncio.gather(*tasks)
    except TimeoutError:
        pass
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks if not task.cancelled() and task.exception() is None]


async def _one(ask: Ask, due_s: float) -> Sample:
    return await ask(due_s)
