"""How often the writer commits: each commit costs the event loop its turn and the disk a flush."""

import asyncio
import time

from ledger_rig import intent, until

from localfleet.core.label import Label
from localfleet.storage.ledger import SqliteLedger


def test_remembered_conversations_share_commits(ledger: SqliteLedger) -> None:
    """Restricted requests that come one after the other do not commit one by one."""
    before = ledger.commits
    for number in range(60):
        ledger.remember([number.to_bytes(16, "big")], Label.RESTRICTED)
        time.sleep(0.005)
    until(lambda: ledger.commits > before)
    assert ledger.commits - before <= 20


def test_intents_that_come_together_share_commits(ledger: SqliteLedger) -> None:
    """Thirty callers with ten intents each need far fewer than three hundred commits."""

    async def caller(first: int) -> None:
        for number in range(first, first + 10):
            await ledger.intend(intent(number))
            await asyncio.sleep(0.001)

    async def everybody() -> None:
        await asyncio.gather(*(caller(10 * number) for number in range(30)))

    before = ledger.commits
    asyncio.run(everybody())
    assert ledger.commits - before <= 100


def test_an_intent_that_comes_alone_does_not_wait_for_others(ledger: SqliteLedger) -> None:
    """After a crowd the writer hurries again: the second lone intent meets no pause."""

    async def crowd_then_alone() -> float:
        await asyncio.gather(*(ledger.intend(intent(number)) for number in range(50)))
        quickest = 1.0
        for number in range(50, 70):
            started = time.perf_counter()
            await ledger.intend(intent(number))
            quickest = min(quickest, time.perf_counter() - started)
        return quickest

    assert asyncio.run(crowd_then_alone()) < 0.004
