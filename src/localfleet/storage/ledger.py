"""
The books of one router: what `ports.Ledger` asks for, on SQLite.

Lives here: the front door of the room, for the event loop's thread; everything answers from memory but `intend`, which
waits for the disk, and `spent_usd`, which reads it. May not: SQL, or a word of a request.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from localfleet.core.changes import Changes
from localfleet.core.feedback import Feedback
from localfleet.core.fleet import Readiness
from localfleet.core.label import Label
from localfleet.core.receipt import Intent, Receipt
from localfleet.ports import Clock, LedgerHealth
from localfleet.storage.chain import Kind
from localfleet.storage.faults import Fault, LedgerFault
from localfleet.storage.keyring import KeyRing
from localfleet.storage.opening import Opening
from localfleet.storage.records import feedback_body, intent_body, reload_body, state_body
from localfleet.storage.report import spent_usd
from localfleet.storage.taints import MOST_TAINTS, Taints, day_of
from localfleet.storage.writer import Waiting, Writer

__all__ = ["SqliteLedger"]

MOST_RECEIPTS = 100_000
INTEND_S = 3.0
OPEN_S = 15.0
_HEALTHY = LedgerHealth(ok=True)


class SqliteLedger:
    """One running router's ledger in one state folder."""

    def __init__(
        self,
        home: Path,
        *,
        clock: Clock,
        remember_days: int = 90,
        most_receipts: int = MOST_RECEIPTS,
        most_taints: int = MOST_TAINTS,
        intend_s: float = INTEND_S,
    ) -> None:
        """
        Open the ledger of `home`, creating both where they are missing, and start the writer.

        Raises `FleetError` for a second router on this folder, an unsafe or missing secret, and a ledger of a newer
        release. A bad disk or file does not raise: `health` says what is wrong, receipts wait in memory, and the writer
        keeps trying. `intend_s` is how long an intent may wait for the disk.
        """
        self.home = home
        self.keys = KeyRing()
        self._intend_s = intend_s
        self._awaited: deque[tuple[float, Waiting]] = deque()
        self._timer_of: asyncio.AbstractEventLoop | None = None
        self._taints = Taints(today=day_of(clock.now()), remember_days=remember_days, most=most_taints)
        opening = Opening(home, clock, self.keys, self._taints)
        self._writer = Writer(opening, clock, self._taints, most_receipts=most_receipts)
        self._writer.start()
        self._writer.ready.wait(OPEN_S)
        if self._writer.fatal is not None:
            self._writer.join()
            raise self._writer.fatal

    @property
    def health(self) -> LedgerHealth:
        """From memory: no I/O."""
        fault = self._writer.fault
        if fault is None:
            return _HEALTHY
        dropped = self._writer.dropped
        lost = f" {dropped} receipts were dropped: memory for them is full." if dropped else ""
        return LedgerHealth(ok=False, why=fault.value + lost, unwritten=self._writer.unwritten)

    @property
    def dropped(self) -> int:
        """Receipts lost since the start; the chain says so too as soon as it can."""
        return self._writer.dropped

    @property
    def commits(self) -> int:
        """Group commits since the start."""
        return self._writer.commits

    async def intend(self, intent: Intent) -> None:
        """Return once the intent is durable; raise `LedgerClosed` if it cannot be made so within three seconds."""
        if self._writer.fault is not None:
            raise LedgerFault(self._writer.fault)
        try:
            body = intent_body(intent)
        except (TypeError, ValueError):
            raise LedgerFault(Fault.REFUSED) from None
        loop = asyncio.get_running_loop()
        waiting = Waiting(intent, body, loop.create_future())
        self._writer.submit(waiting)
        self._await(waiting, loop)
        fault = await waiting.done
        if fault is not None:
            raise LedgerFault(fault)

    def _await(self, waiting: Waiting, loop: asyncio.AbstractEventLoop) -> None:
        """One timer for all who wait: all may wait equally long, so whoever came first is late first."""
        awaited = self._awaited
        while awaited and awaited[0][1].done.done():
            awaited.popleft()
        awaited.append((loop.time() + self._intend_s, waiting))
        if self._timer_of is not loop:
            self._timer_of = loop
            loop.call_later(self._intend_s, self._look)

    def _look(self) -> None:
        """Give up on those whose time is over; look again when the next one's would be."""
        loop, awaited = asyncio.get_running_loop(), self._awaited
        while awaited and (awaited[0][1].done.done() or awaited[0][0] <= loop.time()):
            self._give_up(awaited.popleft()[1])
        self._timer_of = loop if awaited else None
        if awaited:
            loop.call_at(awaited[0][0], self._look)

    def _give_up(self, waiting: Waiting) -> None:
        if not waiting.done.done():
            self._writer.stuck()
            waiting.done.set_result(Fault.STUCK)

    def settle(self, receipt: Receipt) -> None:
        """Queue a receipt; returns at once. On disk within about 50 ms, or when the disk is back."""
        self._writer.settle(receipt)

    def note_reload(self, changes: Changes, *, at: float, was: str, now: str) -> None:
        """Queue the fact that another `models.yaml` holds, by the SHA-256 of its bytes; returns at once."""
        self._writer.note(Kind.RELOAD, reload_body(changes, at=at, was=was, now=now))

    def note_state(self, model: str, state: Readiness, *, at: float) -> None:
        """Queue the fact that a local model is in another state; returns at once."""
        self._writer.note(Kind.STATE, state_body(at=at, model=model, state=state.value))

    def note_feedback(self, said: Feedback) -> None:
        """Queue what somebody said of an answer; returns at once."""
        self._writer.note(Kind.FEEDBACK, feedback_body(said))

    def remembered(self, fingerprints: Sequence[bytes]) -> Label | None:
        """The highest label remembered for any of these conversation fingerprints; from memory."""
        return self._taints.find(fingerprints)

    def remember(self, fingerprints: Sequence[bytes], label: Label) -> None:
        """Remember fingerprints at a label, at least: at once in memory, within about a second on disk."""
        self._taints.put(fingerprints, label)
        self._writer.nudge()

    def spent_usd(self, *, key_id: str | None = None, tier: str | None = None, since: float) -> Decimal:
        """
        Hosted money settled since a time (Unix seconds), for one key or one tier.

        A request whose process ended before its receipt counts with what it had reserved: the money may be gone. Reads
        the disk; raises `LedgerClosed` where that fails, and budgets must then be seeded again when health is back.
        """
        return spent_usd(self.home, key_id=key_id, tier=tier, since=since)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what waits and let the folder go; blocks for at most `timeout_s`. Whether everything is on disk."""
        return self._writer.close(timeout_s)
