"""Who counts receipts hears of them at the end of the turn: all of it, in order, once."""

import asyncio
from collections.abc import Callable

from ledger_rig import receipt

from localfleet.core.receipt import Receipt
from localfleet.telling import Told


def test_receipts_of_a_turn_are_told_together_when_it_ends() -> None:
    """Whoever records goes on at once; each listener then hears of all that was recorded, in its order."""
    heard: list[tuple[str, str]] = []

    def listener(name: str) -> None:
        def hear(one: Receipt) -> None:
            heard.append((name, one.request_id))

        listeners.append(hear)

    async def turns() -> list[int]:
        told = Told(listeners)
        counts = []
        for first in (1, 3):
            told.hear(receipt(first))
            told.hear(receipt(first + 1))
            counts.append(len(heard))
            await asyncio.sleep(0)
            counts.append(len(heard))
        return counts

    listeners: list[Callable[[Receipt], None]] = []
    listener("a")
    listener("b")
    assert asyncio.run(turns()) == [0, 4, 4, 8]
    ids = [receipt(number).request_id for number in range(1, 5)]
    assert [one for name, one in heard if name == "a"] == [one for name, one in heard if name == "b"] == ids


def test_a_listener_that_fails_keeps_no_receipt_from_anybody() -> None:
    """It hears of the receipts after the one it failed at, the others of all, and the loop is told of the fault."""
    heard: list[str] = []
    others: list[str] = []
    faults: list[object] = []
    ids = [receipt(number).request_id for number in range(1, 5)]

    def failing(one: Receipt) -> None:
        heard.append(one.request_id)
        if one.request_id in ids[:2]:
            raise ZeroDivisionError

    async def turn() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, said: faults.append(type(said["exception"])))
        told = Told([failing, lambda one: others.append(one.request_id)])
        for number in range(1, 5):
            told.hear(receipt(number))
        await asyncio.sleep(0.01)

    asyncio.run(turn())
    assert heard == others == ids
    assert faults == [ZeroDivisionError, ZeroDivisionError]
