"""
Who hears of receipts beside the ledger: metrics, budgets of tokens, strategies, an exporter of traces.

They hear at the end of the event loop's turn, so that no answer waits for it, and of all receipts of the turn together:
one by one, each would find the code of every listener pushed out of the processor's caches. One that fails at a receipt
keeps none from the others, and hears of the next ones itself.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from localfleet.core.receipt import Receipt

__all__ = ["Told"]

Listener = Callable[[Receipt], None]


class Told:
    """The listeners of one router. Used from one event loop."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        """Each hears of every receipt, in the order in which they were written."""
        self._listeners = tuple(listeners)
        self._next: list[Receipt] = []

    def hear(self, receipt: Receipt) -> None:
        """Tell of this one at the end of the turn; returns at once."""
        if not self._next:
            loop = asyncio.get_running_loop()
            for listen in self._listeners:
                loop.call_soon(self._tell, listen, self._next)
        self._next.append(receipt)

    def _tell(self, listen: Listener, told: list[Receipt]) -> None:
        if told is self._next:
            self._next = []
        _tell_each(listen, iter(told))


def _tell_each(listen: Listener, left: Iterator[Receipt]) -> None:
    try:
        for receipt in left:
            listen(receipt)
    finally:
        if rest := list(left):
            asyncio.get_running_loop().call_soon(_tell_each, listen, iter(rest))
