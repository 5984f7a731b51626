"""
Which conversations were raised to a label, by fingerprint, in memory; the writer keeps the table up to date.

Lives here: the dictionary that the hot path asks, and the changes waiting to be written. May not: I/O. Fingerprints are
keyed hashes made elsewhere; nothing here can be turned back into words.

A value is `day * 4 + label`: one small shared integer for each day and label, since there may be millions of entries.
A fingerprint longer than 16 bytes is of a piece, and ends with whose it is: pieces come by the hundred, so they have a
bound of their own, and where it is met the caller with the most gives way. Nobody's memory is flushed by another.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from threading import Lock

from localfleet.core.label import Label

__all__ = ["MOST_PIECES", "MOST_TAINTS", "Taints", "day_of"]

MOST_TAINTS = 2_000_000
MOST_PIECES = 500_000
OWNED_FROM = 16
CONVERSATIONS = b""
"""Whose fingerprints of 16 bytes are."""
_DAY_S = 86_400


def day_of(at: float) -> int:
    """Days since 1970 of a Unix time in seconds."""
    return int(at // _DAY_S)


class Taints:
    """Fingerprints with their highest label and the day last seen; asked by one thread, emptied by another."""

    def __init__(
        self, *, today: int, remember_days: int, most: int = MOST_TAINTS, most_pieces: int = MOST_PIECES
    ) -> None:
        """`most` and `most_pieces` bound the memory: the longest unseen are forgotten, a hundredth at a time."""
        self.today = today
        self._remember_days = remember_days
        self._most, self._most_pieces = most, most_pieces
        self._held: dict[bytes, dict[bytes, int]] = {CONVERSATIONS: {}}
        """Whose -> fingerprint -> value, each in the order of last sight."""
        self._changed: dict[bytes, int] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        """How many are held."""
        return sum(map(len, self._held.values()))

    @property
    def oldest_day(self) -> int:
        """The first day that is still remembered."""
        return self.today - self._remember_days

    def find(self, fingerprints: Sequence[bytes]) -> Label | None:
        """The highest label of any of them, or `None`; what is found counts as seen today."""
        best: Label | None = None
        for fingerprint in fingerprints:
            whose = self._held.get(fingerprint[OWNED_FROM:])
            code = None if whose is None else whose.get(fingerprint)
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
            self._keep_bounds()

    def load(self, rows: Iterable[tuple[bytes, int, int]]) -> int:
        """
        Take in (fingerprint, label, day) from disk, longest unseen first; what is already known stays on top.

        Of several rows of a fingerprint the last counts; returns how many do not.
        """
        codes: dict[int, int] = {}
        held: dict[bytes, dict[bytes, int]] = {CONVERSATIONS: {}}
        passed = 0
        for fingerprint, label, day in rows:
            whose = held.setdefault(fingerprint[OWNED_FROM:], {})
            passed += whose.pop(fingerprint, None) is not None
            whose[fingerprint] = codes.setdefault(day << 2 | label, day << 2 | label)
        with self._lock:
            newer, self._held = self._held, held
            for whose in newer.values():
                for fingerprint, code in whose.items():
                    self._raise(fingerprint, code & 3)
            self._keep_bounds()
        return passed

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
        whose = self._held.setdefault(fingerprint[OWNED_FROM:], {})
        code = whose.pop(fingerprint, None)
        before = 0 if code is None or code >> 2 < self.oldest_day else code & 3
        now = self.today << 2 | max(before, label)
        whose[fingerprint] = now
        if now != code:
            self._changed[fingerprint] = now

    def _keep_bounds(self) -> None:
        conversations = self._held[CONVERSATIONS]
        while len(conversations) > self._most:
            self._forget_oldest(conversations, self._most)
        while len(self) - len(conversations) > self._most_pieces:
            most = max((whose for owner, whose in self._held.items() if owner), key=len)
            self._forget_oldest(most, self._most_pieces)

    def _forget_oldest(self, whose: dict[bytes, int], most: int) -> None:
        for fingerprint in list(islice(whose, max(1, most // 100))):
            del whose[fingerprint]
            self._changed.pop(fingerprint, None)
