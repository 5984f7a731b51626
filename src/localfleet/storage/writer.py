"""
The one thread that writes.

Lives here: the queues, the group commit, retrying, and the health that everybody else reads. May not: SQL. The event
loop never waits for this thread except in `Ledger.intend`.

A turn takes what waits. Intents make the thread hurry: they are durable in the journal, and carried over to the chain
with receipts and remembered conversations, which linger for `LINGER_S`, so that many share a commit. When a commit
fails, its receipts stay first in line, and intents are refused until one goes well.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from localfleet.core.receipt import Intent, Receipt
from localfleet.errors import FleetError
from localfleet.ports import Clock
from localfleet.storage.batch import Batch, write_batch, write_probe
from localfleet.storage.bell import Bell
from localfleet.storage.book import Book
from localfleet.storage.chain import Kind, Link
from localfleet.storage.faults import Fault, LedgerFault, fault_of_os
from localfleet.storage.opening import Opening
from localfleet.storage.taints import Taints, day_of

__all__ = ["Waiting", "Writer"]

LINGER_S = 0.05
GATHER_AT_MOST_S = 0.004
POLL_S = 1.0
LOOK_S = 5.0
BACK_OFF_S = (0.2, 5.0)
AT_ONCE = 2_000
_KEEP_OPEN = frozenset({Fault.FULL, Fault.LOCKED})

_log = logging.getLogger("localfleet.ledger")


@dataclass(slots=True, eq=False)
class Waiting:
    """An intent that somebody waits for; the future gets `None`, or the `Fault` that refused it."""

    intent: Intent
    body: bytes
    done: asyncio.Future[Fault | None]


class Writer(threading.Thread):
    """Owns the write connection. All methods but `run` are for the event loop's thread."""

    def __init__(self, opening: Opening, clock: Clock, taints: Taints, *, most_receipts: int) -> None:
        """`most_receipts` bounds what waits in memory while the disk is away."""
        super().__init__(name="localfleet-ledger", daemon=True)
        self.ready = threading.Event()
        self.fatal: FleetError | None = None
        self.fault: Fault | None = Fault.STARTING
        self.dropped = 0
        self.commits = 0
        self._opening = opening
        self._clock = clock
        self._taints = taints
        self._most_receipts = most_receipts
        self._waiting: deque[Waiting] = deque()
        self._receipts: deque[Receipt] = deque()
        self._retry: list[Receipt] = []
        self._notes: deque[tuple[Kind, bytes]] = deque()
        self._noting = 0
        self._attempted: Link | None = None
        self._dropped_told = 0
        self._book: Book | None = None
        self._open_ids: set[str] = set()
        self._journaled: list[tuple[Intent, bytes]] = []
        self._batch = Batch()
        self._back_off_s = 0.0
        self._polled_at = 0.0
        self._looked_at = 0.0
        self._data_version = -1
        self._wake = Bell()
        self._all_here = Bell()
        self._closing = threading.Event()
        self._close_by = 0.0
        self._idle = False
        self._crowd = 0
        self._lingered_at = 0.0
        self._owed: list[Waiting] = []
        """Whose intents are in the journal, and who will hear of it as the last thing before the thread waits."""

    @property
    def unwritten(self) -> int:
        """Receipts in memory."""
        return len(self._receipts) + len(self._retry)

    def submit(self, waiting: Waiting) -> None:
        """Queue an intent and hurry."""
        self._waiting.append(waiting)
        if len(self._waiting) >= self._crowd:
            self._all_here.ring()
        self._wake.ring()

    def settle(self, receipt: Receipt) -> None:
        """Queue a receipt; beyond the bound it is counted and dropped."""
        if len(self._receipts) + len(self._retry) >= self._most_receipts:
            self.dropped += 1
            return
        self._receipts.append(receipt)
        if self._idle:
            self._wake.ring()

    def note(self, kind: Kind, body: bytes) -> None:
        """Queue a record that nobody waits for."""
        self._notes.append((kind, body))
        self._wake.ring()

    def nudge(self) -> None:
        """Something small waits (a remembered conversation): write it soon."""
        if self._idle:
            self._wake.ring()

    def stuck(self) -> None:
        """A commit takes longer than anybody can wait; the next turn that ends well takes this back."""
        self._say(Fault.STUCK)

    def close(self, timeout_s: float) -> bool:
        """Write what waits, for at most `timeout_s`, and end; whether everything is on disk."""
        self._close_by = time.monotonic() + timeout_s
        self._closing.set()
        self._wake.ring()
        self.join(timeout_s + 0.5)
        return not self.is_alive() and not self.unwritten and not self._notes and not self._taints.changed

    def run(self) -> None:
        """Take turns until closed."""
        try:
            while self.fatal is None and not self._finished():
                self._turn()
                self.ready.set()
                self._rest()
                self._pay()
        finally:
            self._end()

    def _turn(self) -> None:
        batch: list[Waiting] = []
        try:
            book = self._book or self._reopen()
            self._poll(book)
            self._gather()
            batch = self._take_waiting()
            # How many to wait for next time: a crowd that does not come back is soon forgotten.
            self._crowd = max(len(batch), self._crowd * 3 // 4)
            self._write(book, batch)
            self._opened()
        except LedgerFault as fault:
            self._failed(fault.fault, batch)
        except OSError as error:
            self._failed(fault_of_os(error), batch)

    def _write(self, book: Book, waiting: list[Waiting]) -> None:
        """The journal for who hurries, then one group commit; what it took stays ours until the commit came back."""
        if waiting and self._hurry(book, waiting):
            if not self._is_due():
                self._owed = waiting
                return
            self._answer(waiting, None)
            waiting = []
        taints: dict[bytes, int] = {}
        untold = self.dropped - self._dropped_told
        if not waiting or self._is_due():
            self._take_receipts(book)
            taints = self._taints.take_changes()
        self._noting = len(self._notes)
        batch = Batch(
            notes=[self._notes[i] for i in range(self._noting)],
            journaled=self._journaled,
            intents=[(one.intent, one.body) for one in waiting],
            receipts=self._retry,
            taints=taints,
            dropped=untold,
            at=self._clock.now(),
        )
        try:
            if waiting or self._journaled or self._retry or taints or untold or batch.notes:
                self._commit(book, batch)
            elif self.fault is not None:
                with book.database.transaction():
                    write_probe(book)
        except LedgerFault:
            self._taints.put_back(taints)
            raise
        self._answer(waiting, None)

    def _hurry(self, book: Book, waiting: list[Waiting]) -> bool:
        """Make intents durable without a commit; not where it is full, after a note, or where something is wrong."""
        journal, bodies = self._opening.journal, [one.body for one in waiting]
        if self.fault is not None or self._notes or journal is None or not journal.takes(bodies):
            return False
        book.database.check_place()
        journal.append(bodies, seq=book.tip.seq)
        self._journaled += [(one.intent, one.body) for one in waiting]
        return True

    def _is_due(self) -> bool:
        """Whether receipts have waited long enough; who hurries an intent need not wait for them before."""
        return bool(self._retry) or time.monotonic() - self._lingered_at > LINGER_S or self._closing.is_set()

    def _commit(self, book: Book, batch: Batch) -> None:
        book.database.check_place()
        self._batch = batch
        with book.database.transaction():
            tip, refused = write_batch(book, batch, self._open_ids)
            self._attempted = tip
        self._attempted = None
        self.commits += 1
        book.tip = tip
        self._opening.reached(tip)
        self.dropped += refused
        self._dropped_told += batch.dropped + refused
        self._written()

    def _written(self) -> None:
        """What the last commit took is on disk."""
        self._open_ids.update(intent.request_id for intent, _ in (*self._batch.journaled, *self._batch.intents))
        self._open_ids.difference_update(receipt.request_id for receipt in self._batch.receipts)
        self._journaled = []
        if self._opening.journal is not None:
            self._opening.journal.clear()
        self._retry = []
        for _ in range(self._noting):
            self._notes.popleft()
        self._noting = 0

    def _take_waiting(self) -> list[Waiting]:
        taken: list[Waiting] = []
        with suppress(IndexError):
            while len(taken) < AT_ONCE:
                taken.append(self._waiting.popleft())
        return taken

    def _take_receipts(self, book: Book) -> None:
        """
        Fill `_retry`, which holds what the next commit writes.

        A commit can fail after its records reached the disk (the error came from flushing). Then the chain holds the
        link we tried to reach, and writing the same receipts again would count their cost twice.
        """
        if self._attempted is not None and book.holds(self._attempted):
            self._written()
        self._attempted = None
        self._lingered_at = time.monotonic()
        with suppress(IndexError):
            while len(self._retry) < AT_ONCE:
                self._retry.append(self._receipts.popleft())

    def _poll(self, book: Book) -> None:
        """Once a second: is the file still ours, did somebody else write, is the head due, did a day begin."""
        now = time.monotonic()
        if now - self._polled_at < POLL_S and self.fault is None:
            return
        self._polled_at = now
        book.database.check_place(surely=True)
        if now - self._looked_at > LOOK_S:
            self._looked_at = now
            book.database.check_head()
        version = book.database.one("PRAGMA data_version")[0]
        if version != self._data_version:
            self._data_version = version
            self._opening.refresh_keys(book)
        if day_of(self._clock.now()) != self._taints.today:
            self._opening.forget_expired(book)
        self._opening.save_head()

    def _reopen(self) -> Book:
        first = not self.ready.is_set()
        try:
            self._book = self._opening.open()
        except LedgerFault:
            raise
        except FleetError as error:
            if first:
                self.fatal = error
            raise LedgerFault(Fault.GONE) from None
        self._data_version = -1
        return self._book

    def _failed(self, fault: Fault, waiting: Iterable[Waiting]) -> None:
        shortest, longest = BACK_OFF_S
        self._back_off_s = min(longest, self._back_off_s * 2 or shortest)
        if self._book is not None and fault not in _KEEP_OPEN:
            self._book.database.close()
            self._book = None
        self._say(fault)
        self._answer(waiting, fault)
        self._answer(self._take_waiting(), fault)

    def _opened(self) -> None:
        self._back_off_s = 0.0
        self._say(None)

    def _say(self, fault: Fault | None) -> None:
        before, self.fault = self.fault, fault
        if fault is before:
            return
        if fault is None:
            _log.info("The ledger is open.")
        elif self.fatal is None:  # else whoever starts us says it, in its own words
            _log.error("%s", fault.value)

    def _answer(self, waiting: Iterable[Waiting], fault: Fault | None) -> None:
        """Wake everybody who waited, with one call per event loop."""
        loops: dict[asyncio.AbstractEventLoop, list[Waiting]] = {}
        for one in waiting:
            loops.setdefault(one.done.get_loop(), []).append(one)
        for loop, group in loops.items():
            # Reason: a loop that closed meanwhile has nobody left who waits; the intents are settled at next start.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, group, fault)

    def _rest(self) -> None:
        """Wait for work: not at all for intents, a little for more receipts, a second at most."""
        if self._back_off_s:
            if self._closing.wait(self._back_off_s):
                time.sleep(LINGER_S)
            return
        self._wake.clear()
        if self._waiting or self._closing.is_set():
            return
        if not self._lingers():
            self._idle = True
            if not self._lingers() and not self._waiting:
                self._wake.wait(POLL_S)
            self._idle = False
        self._wake.clear()
        if self._lingers() and len(self._receipts) < AT_ONCE and not self._waiting and not self._closing.is_set():
            self._pay()
            self._wake.wait(LINGER_S)

    def _pay(self) -> None:
        """
        Tell those whose intents are durable.

        Last, because the event loop then asks for the interpreter's lock: while this thread goes on holding it, the
        processor would only change from one to the other and back.
        """
        if self._owed:
            owed, self._owed = self._owed, []
            self._answer(owed, None)

    def _lingers(self) -> bool:
        """Whether something waits that nobody waits for, or will soon: the receipt of a request under way."""
        return bool(self._receipts or self._notes or self._journaled or self._open_ids) or self._taints.changed

    def _gather(self) -> None:
        """
        Where intents came several at a time, wait for as many again, for a few milliseconds at most.

        Each commit costs the event loop its turn at the interpreter's lock, and the disk a flush. An intent that comes
        alone never waits.
        """
        self._all_here.clear()
        if 0 < len(self._waiting) < self._crowd:
            self._all_here.wait(GATHER_AT_MOST_S)

    def _finished(self) -> bool:
        if not self._closing.is_set():
            return False
        nothing = not (self._waiting or self._journaled or self.unwritten or self._notes or self._taints.changed)
        return nothing or time.monotonic() > self._close_by

    def _end(self) -> None:
        """Refuse whoever still waits, also when this thread dies of a bug: nothing may leave without its record."""
        if self._closing.is_set():
            self.fault = Fault.STOPPED
        self._say(Fault.STOPPED)
        self.ready.set()
        if self.unwritten:
            _log.error("%d receipts could not be written before the end.", self.unwritten)
        self._pay()
        self._answer(self._take_waiting(), Fault.STOPPED)
        if self._book is not None:
            self._opening.save_head()
            self._book.database.close()
        self._opening.release()


def _resolve(group: Sequence[Waiting], fault: Fault | None) -> None:
    for one in group:
        if not one.done.done():
            one.done.set_result(fault)
