"""
Makes the heads: a thread that reads what the chain grew by, keeps its Merkle tree, and hands a sealed head to couriers.

It reads through a connection of its own, in small bites, so that neither the writer nor a request waits for it. The
connection is shut after each look: whoever leaves a ledger last folds its log into it, and a reader cannot.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from localfleet.core.merkle import Tree, leaf_of
from localfleet.storage.chain import GENESIS, Link
from localfleet.storage.database import LEDGER_FILE, Database
from localfleet.storage.faults import Fault, LedgerFault
from localfleet.storage.note import Note, notes_key, origin_of, signed
from localfleet.storage.secret import derive
from localfleet.witness.courier import Courier
from localfleet.witness.edge_file import read_edge, write_edge

__all__ = ["Keeper"]

LOOK_S = 1.0
BITE = 500
"""Records read at a time."""
PAUSE_S = 0.002
"""Between two bites, for whoever else wants the interpreter."""
GOODBYE_S = 3.0

_log = logging.getLogger("localfleet.heads")
_NEXT = "SELECT seq, kind, body, hash FROM chain WHERE seq > {} ORDER BY seq LIMIT {}"
_ANOTHER = "the ledger does not hold the record that the last head names: an older or another one was put in its place"


class Keeper(threading.Thread):
    """Keeps the heads of one state folder; without couriers it never starts."""

    def __init__(
        self,
        home: Path,
        secret: bytes,
        couriers: Sequence[Courier],
        *,
        every_s: float,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """`every_s` is the time between two heads while the chain grows; `now` is Unix time in seconds."""
        super().__init__(name="localfleet-heads", daemon=True)
        self._home, self._secret, self._couriers = home, secret, couriers
        self._every_s, self._now, self._monotonic = every_s, now, monotonic
        self._closing = threading.Event()
        self._away = threading.Event()
        self._reading = threading.Lock()
        self._tree = Tree()
        self._last = GENESIS
        self._sent = GENESIS
        self._sent_at = monotonic() - every_s
        self._trouble = ""

    def begin(self) -> None:
        """Start, if there is anywhere to send heads to."""
        if self._couriers:
            for courier in self._couriers:
                courier.start()
            self.start()

    def stand_aside(self) -> None:
        """Read no more until `end`: the ledger is about to close, and must be the last to leave its file."""
        self._away.set()
        with self._reading:
            return

    def end(self, timeout_s: float = GOODBYE_S) -> None:
        """Send a last head and end; blocks for at most `timeout_s` for a receiver that does not answer."""
        self._away.set()
        self._closing.set()
        deadline = self._monotonic() + timeout_s
        if self.is_alive():
            self.join(timeout_s)
        for courier in self._couriers:
            courier.close()
        for courier in self._couriers:
            if courier.is_alive():
                courier.join(max(0.0, deadline - self._monotonic()))

    def states(self) -> list[dict[str, Any]]:
        """How it stands with each place, from memory, as plain values."""
        rows = [asdict(courier.state) for courier in self._couriers]
        return [row | {"ok": row["ok"] and not self._trouble, "why": self._trouble or row["why"]} for row in rows]

    def run(self) -> None:
        """Look once a second until closed, and once more at the end."""
        self._take_up()
        while not self._closing.wait(min(LOOK_S, self._every_s)):
            self._turn()
        self._turn(last=True)

    def _take_up(self) -> None:
        kept = read_edge(self._home, derive(self._secret, "tree"))
        if kept is not None:
            self._tree, self._last = kept

    def _turn(self, *, last: bool = False) -> None:
        with self._reading:
            if self._away.is_set() and not last:
                return
            # The ledger's own health says what is wrong with it; here it is enough to look again.
            with suppress(LedgerFault):
                self._read(last=last)
        due = last or self._monotonic() - self._sent_at >= self._every_s
        if due and self._last != self._sent:
            self._send()

    def _read(self, *, last: bool) -> None:
        if not (self._home / LEDGER_FILE).exists():
            return
        with closing(Database(self._home, read_only=True)) as database:
            self._check(database)
            self._grow(database, last=last)

    def _check(self, database: Database) -> None:
        """Whether the ledger still holds the last record that is in the tree; if not, say so and begin anew."""
        row = database.one("SELECT hash FROM chain WHERE seq = ?", (self._last.seq,))
        if self._last.seq == 0 or (row and row[0] == self._last.hash):
            return
        self._trouble = _ANOTHER
        _log.error("%s", _ANOTHER)
        self._tree, self._last = Tree(), GENESIS

    def _grow(self, database: Database, *, last: bool) -> None:
        while rows := database.all(_NEXT.format(self._tree.size, BITE)):
            for seq, kind, body, seal in rows:
                if seq != self._tree.size + 1 or not isinstance(body, str) or not isinstance(seal, bytes):
                    raise LedgerFault(Fault.DAMAGED)
                self._tree.add(leaf_of(seq, kind, body.encode(), seal))
                self._last = Link(seq, seal)
            if len(rows) < BITE or (not last and self._away.wait(PAUSE_S)):
                return

    def _send(self) -> None:
        note = Note(
            origin=origin_of(self._secret),
            seq=self._last.seq,
            hash=self._last.hash,
            root=self._tree.root,
            at=self._now(),
        )
        for courier in self._couriers:
            courier.post(signed(note, notes_key(self._secret)))
        self._sent, self._sent_at = self._last, self._monotonic()
        # Reason: without it the next start reads the whole ledger again; that is all.
        with suppress(OSError):
            write_edge(self._home, self._tree, self._last, derive(self._secret, "tree"))
