"""
Who hears of receipts beside the ledger: metrics, budgets of tokens, strategies, an exporter of traces.

They hear at the end of the event loop's turn, so that no answer waits for it, and of all receipts of the turn together:
one by one, each would find the code of every listener pushed out of the processor's caches.
"""

import asyncio
from collections.abc import Callable, Sequence

from localfleet.core.receipt import Receipt

__all__ = ["Told"]


class Told:
    """The listeners of one router. Used from one event loop."""

    def __init__(self, listeners: Sequence[Callable[[Receipt], None]]) -> None:
        """Each hears of every receipt, in the order in which they were written."""
        self._listeners = tuple(listeners)
        self._next: list[Receipt] = []

    def hear(self, receipt: Receipt) -> None:
        """Tell of this one at the end of the turn; returns at once."""
        if not self._next:
            asyncio.get_running_loop().call_soon(self._tell)
        self._next.append(receipt)

    def _tell(self) -> None:
        told, self._next = self._next, []
        for listen in self._listeners:
            for receipt in told:
                listen(receipt)
