"""
Heads that were kept elsewhere, held against the chain while `verify.py` walks along it.

Lives here: which of them are this router's, whether the chain still is what they say, and how far they vouch for it.
May not: I/O.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from localfleet.core.merkle import Tree, leaf_of
from localfleet.storage.note import Note

__all__ = ["HeadSeen", "Witnesses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSeen:
    """
    One head: `matches`, `differs`, `missing` (the chain ends before it), `forged` (its seal is not of this router),
    `other` (it names another router), or `unread` (a bad record came before it). `at` is Unix seconds, 0 if unknown.
    """

    seq: int
    at: float
    origin: str
    state: str


class Witnesses:
    """The heads, in the order of the records that they name."""

    def __init__(self, notes: Iterable[Note], origin: str, key: bytes) -> None:
        """`origin` and `key` are this router's; notes of other routers are told apart and not used."""
        self._states = {note: _state(note, origin, key) for note in notes}
        self._mine = sorted((n for n, state in self._states.items() if state == "unread"), key=lambda note: note.seq)
        self._tree = Tree() if any(note.root is not None for note in self._mine) else None
        self._next = 0
        self.covered = 0
        """The last record that a head vouches for."""

    @property
    def trouble(self) -> str | None:
        """What is wrong with the heads themselves."""
        states = set(self._states.values())
        if "forged" in states:
            return "a head that was given carries a seal that this router did not make"
        if states and states == {"other"}:
            return "none of the heads that were given is of this router: the secret, or the whole ledger, was replaced"
        return None

    def passes(self, seq: int, kind: str, body: bytes, seal: bytes) -> str | None:
        """Take in the next record; a sentence where a head says something else."""
        if self._tree is not None:
            self._tree.add(leaf_of(seq, kind, body, seal))
        while self._next < len(self._mine) and self._mine[self._next].seq == seq:
            note = self._mine[self._next]
            fits = note.hash == seal and (note.root is None or self._tree is None or note.root == self._tree.root)
            self._states[note] = "matches" if fits else "differs"
            if not fits:
                return (
                    f"records {self.covered + 1} to {seq} are not those that a head kept elsewhere names: "
                    "they were written anew by somebody with the key, or this is another copy"
                )
            self._next += 1
        if self._next and self._mine[self._next - 1].seq == seq:
            self.covered = seq
        return None

    def ends(self, seq: int) -> str | None:
        """The chain ends at `seq`; a sentence where a head names a later record."""
        left = self._mine[self._next :]
        for note in left:
            self._states[note] = "missing" if note.seq > seq else "matches"
        late = [note.seq for note in left if note.seq > seq]
        return f"the end is missing: a head kept elsewhere names record {max(late)}" if late else None

    @property
    def seen(self) -> tuple[HeadSeen, ...]:
        """Every head and what became of it."""
        rows = sorted(self._states.items(), key=lambda pair: pair[0].seq)
        return tuple(HeadSeen(seq=note.seq, at=note.at, origin=note.origin, state=state) for note, state in rows)


def _state(note: Note, origin: str, key: bytes) -> str:
    if note.origin not in {"", origin}:
        return "other"
    return "forged" if note.origin and not note.fits(key) else "unread"
