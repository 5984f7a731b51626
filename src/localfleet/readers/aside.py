"""
The model of names off the event loop: one thread, one batch at a time.

A long text gives up the thread after each batch, so that short ones need not wait for all of it.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from localfleet.core.names import Entity, Reader, in_order

__all__ = ["Aside"]


class Aside:
    """Reads for the gateway; satisfies its port `Names`."""

    def __init__(self, reader: Reader) -> None:
        """Start no thread yet: the first text does."""
        self._reader = reader
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="names")

    async def read(self, text: str, budget_s: float) -> Sequence[Entity]:
        """What is in the text; raises `TimeoutError` where that takes longer than the budget, waiting included."""
        loop = asyncio.get_running_loop()
        found: list[Entity] = []
        async with asyncio.timeout(budget_s):
            for batch in self._reader.batches(text):
                found += await loop.run_in_executor(self._thread, self._reader.read, batch)
        return in_order(found)

    def close(self) -> None:
        """Forget what is waiting; a batch under way ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)
