"""
Listens to what an engine prints while it starts, to know why it did not, and keeps nothing of it.

Before the first request there is no prompt in an engine's log; after it there may be. So the listening ends when the
engine is ready, and what was heard before is held for one match against a table of known causes, then dropped. What
leaves here is a fixed sentence of ours.
"""

import re
from asyncio import StreamReader
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Cause", "StartLog"]

PIECE_BYTES = 64 * 1024
OVERLAP_BYTES = 1024
"""A tell-tale line may lie across two pieces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A known reason not to start. `final`: starting again the same way would end the same way."""

    pattern: re.Pattern[bytes]
    sentence: str
    final: bool = True


class StartLog:
    """One start. The first cause in the table's order that was heard is the one: put the most telling first."""

    def __init__(self, causes: Sequence[Cause]) -> None:
        """Heard nothing yet."""
        self._causes = causes
        self._heard = len(causes)
        self._tail = b""
        self._listening = True

    @property
    def cause(self) -> Cause | None:
        """What was found, if anything."""
        return self._causes[self._heard] if self._heard < len(self._causes) else None

    def stop(self) -> None:
        """The engine takes requests from now on: hear nothing more."""
        self._listening = False
        self._tail = b""

    async def drain(self, stream: StreamReader) -> None:
        """Read to the end of the stream, all its life: a full pipe would stop the engine."""
        while piece := await stream.read(PIECE_BYTES):
            if self._listening:
                self._hear(piece)
        self._tail = b""

    def _hear(self, piece: bytes) -> None:
        text = self._tail + piece
        for place, cause in enumerate(self._causes[: self._heard]):
            if cause.pattern.search(text):
                self._heard = place
                break
        self._tail = text[-OVERLAP_BYTES:]
