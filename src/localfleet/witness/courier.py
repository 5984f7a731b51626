"""
One thread for one place: it carries the newest head there, and tries again where that fails.

Nobody waits for it. Of heads that wait only the newest is kept: it vouches for all that the older ones did.
"""

import logging
import threading
from dataclasses import dataclass

from localfleet.storage.note import Note
from localfleet.witness.places import Place, why_not

__all__ = ["Courier", "Delivery"]

BACK_OFF_S = (1.0, 60.0)

_log = logging.getLogger("localfleet.heads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How it stands with one place. `seq` is the last record that it was told of; `why` is a fixed sentence."""

    place: str
    ok: bool
    why: str = ""
    seq: int = 0
    waiting: int | None = None
    """The head that waits to be delivered, if one does."""


class Courier(threading.Thread):
    """Delivers to one place."""

    def __init__(self, place: Place, *, timeout_s: float, back_off_s: tuple[float, float] = BACK_OFF_S) -> None:
        """`timeout_s` bounds one delivery, `back_off_s` the pauses between failures: the first, and the longest."""
        super().__init__(name=f"localfleet-head-{place.name}", daemon=True)
        self._place, self._timeout_s, self._back_off_s = place, timeout_s, back_off_s
        self._changed = threading.Condition()
        self._next: Note | None = None
        self._closing = False
        self._state = Delivery(place=place.name, ok=True)

    def post(self, note: Note) -> None:
        """Take a head to deliver; one that still waits gives way to it. Never blocks."""
        with self._changed:
            self._next = note
            self._changed.notify()

    @property
    def state(self) -> Delivery:
        """How it stands, from memory."""
        waiting, state = self._next, self._state
        seq = None if waiting is None else waiting.seq
        return Delivery(place=state.place, ok=state.ok, why=state.why, seq=state.seq, waiting=seq)

    def close(self) -> None:
        """Try what waits once more, then end. Does not wait: `join` does."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def run(self) -> None:
        """Deliver until closed."""
        pause_s = 0.0
        while (note := self._take(pause_s)) is not None:
            longer_s = min(self._back_off_s[1], pause_s * 2 or self._back_off_s[0])
            pause_s = 0.0 if self._delivered(note) else longer_s

    def _take(self, pause_s: float) -> Note | None:
        """The newest head, after the pause; `None` when it is time to end."""
        with self._changed:
            if pause_s and not self._closing:
                self._changed.wait_for(lambda: self._closing, pause_s)
            elif pause_s:
                return None
            self._changed.wait_for(lambda: self._closing or self._next is not None)
            return self._next

    def _delivered(self, note: Note) -> bool:
        try:
            self._place.deliver(note, self._timeout_s)
        except (OSError, ValueError) as error:
            self._say(why_not(error))
            return False
        with self._changed:
            self._next = None if self._next is note else self._next
        self._state = Delivery(place=self._place.name, ok=self._state.ok, why=self._state.why, seq=note.seq)
        self._say("")
        return True

    def _say(self, why: str) -> None:
        """One line in the log for each change."""
        before, self._state = (
            self._state,
            Delivery(place=self._place.name, ok=not why, why=why, seq=self._state.seq),
        )
        if why and before.ok:
            _log.error("Heads of the ledger do not reach `audit.%s`: %s.", self._place.name, why)
        elif not why and not before.ok:
            _log.info("Heads of the ledger reach `audit.%s` again.", self._place.name)
