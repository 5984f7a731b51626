"""
Which conversations were raised to a label, by fingerprint, in memory; the writer keeps the table up to date.

Lives here: the dictionary that the hot path asks, and the changes waiting to be written. May not: I/O. Fingerprints are
keyed hashes made elsewhere; nothing here can be turned back into words.

A value is `day * 4 + label`: one small shared integer for each day and label, since there may be millions of entries.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from threading import Lock

from localfleet.core.label import Label

__all__ = ["MOST_TAINTS", "Taints", "day_of"]

MOST_TAINTS = 2_000_000
_DAY_S = 86_400


def day_of(at: float) -> int:
    """Days since 1970 of a Unix time in seconds."""
    return int(at // _DAY_S)


class Taints:
    """Fingerprints with their highest label and the day last seen; asked by one thread, emptied by another."""

    def __init__(self, *, today: int, remember_days: int, most: int = MOST_TAINTS) -> None:
        """`most` bounds the memory: beyond it the longest unseen are forgotten, a hundredth at a time."""
        self.today = today
        self._remember_days = remember_days
        self._most = most
        self._held: dict[bytes, int] = {}
        self._changed: dict[bytes, int] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    @property
    def oldest_day(self) -> int:
        """The first day that is still remembered."""
        return self.today - self._remember_days

    def find(self, fingerprints: Sequence[bytes]) -> Label | None:
        """The highest label of any of them, or `None`; what is found counts as seen today."""
        best: Label | None = None
        for fingerprint in fingerprints:
            code = self._held.get(fingerprint)
            if code is None or code >> 2 < self.oldest_day:
                continue
            label = Label(code & 3)
            best = label if best is None or label > best else best
            if code >> 2 != self.today:
                self.put((fingerprint,), label)
        return best

    def put(self, fingerprints: Sequence[bytes], label: Label) -> None:
        """Raise them to at least `label`; a label never goes down."""
        with self._lock:
            for fingerprint in fingerprints:
                self._raise(fingerprint, int(label))
            if len(self._held) > self._most:
                self._forget_oldest()

    def load(self, rows: Iterable[tuple[bytes, int, int]]) -> None:
        """Take in (fingerprint, label, day) from disk, longest unseen first; what is already known stays on top."""
        codes: dict[int, int] = {}
        held = {fingerprint: codes.setdefault(day << 2 | label, day << 2 | label) for fingerprint, label, day in rows}
        with self._lock:
            newer, self._held = self._held, held
            for fingerprint, code in newer.items():
                self._raise(fingerprint, code & 3)
            while len(self._held) > self._most:
                self._forget_oldest()

    @property
    def changed(self) -> bool:
        """Whether something must be written."""
        return bool(self._changed)

    def take_changes(self) -> dict[bytes, int]:
        """What must be written; give it back with `put_back` if the disk would not take it."""
        if not self._changed:
            return {}
        with self._lock:
            changed, self._changed = self._changed, {}
        return changed

    def put_back(self, changes: dict[bytes, int]) -> None:
        """Queue changes again; later ones win."""
        with self._lock:
            self._changed = changes | self._changed

    def _raise(self, fingerprint: bytes, label: int) -> None:
        """Keep the dictionary in the order of last sight: drop the entry, then add it at the end."""
        code = self._held.pop(fingerprint, None)
        before = 0 if code is None or code >> 2 < self.oldest_day else code & 3
        now = self.today << 2 | max(before, label)
        self._held[fingerprint] = now
        if now != code:
            self._changed[fingerprint] = now

    def _forget_oldest(self) -> None:
        for fingerprint in list(islice(self._held, max(1, self._most // 100))):
            del self._held[fingerprint]
            self._changed.pop(fingerprint, None)
