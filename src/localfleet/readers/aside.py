"""
The model of names off the event loop: one thread, one batch at a time.

A long text gives up the thread after each batch, so that short ones need not wait for all of it. What was found in a
piece is known by its keyed hash to the caller who sent it, for a conversation comes again each turn; no word is kept.
"""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from localfleet.core.names import Entity, Reader, in_order

__all__ = ["Aside"]

KNOWN_PIECES = 20_000
"""Each takes some 200 bytes, and 100 more for each name in it."""


class Aside:
    """Reads for the gateway; satisfies its port `Names`."""

    def __init__(self, reader: Reader) -> None:
        """Start no thread yet: the first text does."""
        self._reader = reader
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="names")
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, tuple[Entity, ...]] = OrderedDict()

    async def read(self, text: str, budget_s: float, *, whose: str) -> Sequence[Entity]:
        """What is in the text; raises `TimeoutError` where that takes longer than the budget, waiting included."""
        # By key: a piece that is answered at once would tell one caller what another has sent.
        mark = hashlib.blake2b(f"{whose}\0{text}".encode(), key=self._key, digest_size=16).digest()
        if (known := self._known.get(mark)) is not None:
            self._known.move_to_end(mark)
            return known
        loop = asyncio.get_running_loop()
        found: list[Entity] = []
        async with asyncio.timeout(budget_s):
            for batch in self._reader.batches(text):
                found += await loop.run_in_executor(self._thread, self._reader.read, batch)
        self._known[mark] = tuple(in_order(found))
        if len(self._known) > KNOWN_PIECES:
            self._known.popitem(last=False)
        return self._known[mark]

    def close(self) -> None:
        """Forget what is waiting; a batch under way ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)
