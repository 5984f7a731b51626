"""
Opening the ledger, at start and again after a fault: what is checked before the first record is written.

Lives here: lock, secret, the head, the last seal, migrations, what memory needs from disk, and what an earlier process
left unfinished. May not: delete, move or overwrite a file that looks wrong.
"""

from contextlib import suppress
from pathlib import Path

from localfleet.errors import FleetError
from localfleet.ports import Clock
from localfleet.storage.batch import carry_over, settle_unfinished
from localfleet.storage.book import Book
from localfleet.storage.chain import GENESIS, Link, Seal, check_end
from localfleet.storage.database import LEDGER_FILE, Database
from localfleet.storage.faults import Fault, LedgerFault, fault_of_os
from localfleet.storage.head import BadHead, read_head, write_head
from localfleet.storage.journal import Journal, read_journal
from localfleet.storage.keyring import KeyRing, load_copy, save_copy
from localfleet.storage.keys import read_keys
from localfleet.storage.lock import RouterLock
from localfleet.storage.migrations import migrate
from localfleet.storage.secret import derive, load_secret
from localfleet.storage.taints import Taints, day_of

__all__ = ["Opening"]


class Opening:
    """What stays from one opening to the next: the lock, the secret, and how far the chain was known to go."""

    def __init__(self, home: Path, clock: Clock, ring: KeyRing, taints: Taints) -> None:
        """`ring` and `taints` are filled from disk when the ledger opens."""
        self.home = home
        self._clock = clock
        self._ring = ring
        self._taints = taints
        self._lock: RouterLock | None = None
        self._secret = b""
        self._tip: Link | None = None
        self._head = GENESIS
        self.journal: Journal | None = None
        """Where intents are durable first; `None` until the ledger was opened."""

    def open(self) -> Book:
        """
        Open the ledger, or say why not.

        Raises `LedgerFault` for what may mend itself, or be mended while the router runs; another `FleetError` for what
        only a person can mend before a start (a second router, an unsafe secret, a newer ledger).
        """
        try:
            self._take_lock()
        except LedgerFault:
            # A disk that only reads still tells who may ask: the box goes on for callers with a key.
            self._learn_keys()
            raise
        self._learn_keys()
        self._check_there()
        database = Database(self.home)
        try:
            return self._examine(database)
        except (FleetError, OSError) as error:
            database.close()
            if isinstance(error, OSError):
                raise LedgerFault(fault_of_os(error)) from None
            raise

    def reached(self, tip: Link) -> None:
        """Note how far the chain goes now: a ledger that does not hold this link is not ours any more."""
        self._tip = tip

    def refresh_keys(self, book: Book) -> None:
        """Take the keys over from the table, and renew their sealed copy."""
        keys = read_keys(book.database)
        self._ring.replace(keys)
        # Reason: the copy is only for the day the ledger cannot be read; the keys themselves are in memory now.
        with suppress(OSError):
            save_copy(self.home, keys, derive(self._secret, "keys"))

    def save_head(self) -> None:
        """Write `ledger.head` if the chain grew since."""
        if self._tip is None or self._tip == self._head:
            return
        # Reason: the records are safe already; the next second tries again, and a head that lags only guards less.
        with suppress(OSError):
            write_head(self.home, self._tip, derive(self._secret, "head"))
            self._head = self._tip

    def forget_expired(self, book: Book) -> None:
        """Delete what was last seen longer ago than is remembered."""
        self._taints.today = day_of(self._clock.now())
        book.database.run("DELETE FROM taints WHERE seen_day < ?", (self._taints.oldest_day,))

    def release(self) -> None:
        """Let another router in."""
        self._close_journal()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _take_lock(self) -> None:
        if self._lock is not None:
            try:
                self._lock.check()
            except LedgerFault:
                self.release()
        if self._lock is None:
            if self._tip is not None and not self.home.exists():
                raise LedgerFault(Fault.GONE)
            self._lock = RouterLock(self.home)

    def _learn_keys(self) -> None:
        if not self._secret:
            self._secret = load_secret(self.home)
        if not self._ring.known:
            self._read_copy()

    def _read_copy(self) -> None:
        keys = load_copy(self.home, derive(self._secret, "keys"))
        if keys is not None:
            self._ring.replace(keys)

    def _check_there(self) -> None:
        if (self.home / LEDGER_FILE).exists():
            return
        if self._tip is not None:
            raise LedgerFault(Fault.GONE)
        if self._read_head() is not None:
            raise LedgerFault(Fault.SHORTER)

    def _read_head(self) -> Link | None:
        try:
            return read_head(self.home, derive(self._secret, "head"))
        except BadHead:
            raise LedgerFault(Fault.FORGED) from None
        except OSError as error:
            raise LedgerFault(fault_of_os(error)) from None

    def _examine(self, database: Database) -> Book:
        database.check_whole()
        migrate(database)
        seal = Seal(derive(self._secret, "chain"))
        book = Book(database, seal, check_end(database, seal))
        self._close_journal()
        key = derive(self._secret, "journal")
        self.journal = Journal(self.home, key)
        if self._tip is None:
            self._first_time(book, *read_journal(self.home, key))
        else:
            self._again(book, self._tip)
        self.refresh_keys(book)
        self._tip = book.tip
        return book

    def _again(self, book: Book, known: Link) -> None:
        if not book.holds(known):
            raise LedgerFault(Fault.CHANGED)

    def _close_journal(self) -> None:
        if self.journal is not None:
            self.journal.close()
            self.journal = None

    def _first_time(self, book: Book, after: int, bodies: list[bytes]) -> None:
        head = self._read_head()
        if head is not None and head.seq > book.tip.seq:
            raise LedgerFault(Fault.SHORTER)
        if head is not None and not book.holds(head):
            raise LedgerFault(Fault.FORGED)
        with book.database.transaction():
            self.forget_expired(book)
            if bodies:
                book.tip = carry_over(book, bodies, after=after)
            tip = settle_unfinished(book)
        book.tip = tip
        rows = book.database.all("SELECT fp, label, seen_day FROM taints ORDER BY rowid")
        if self._taints.load(rows) > len(rows) // 2:
            with book.database.transaction():
                book.database.run("DELETE FROM taints WHERE rowid NOT IN (SELECT max(rowid) FROM taints GROUP BY fp)")
