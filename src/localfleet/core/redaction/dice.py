"""Choices that look random and are always the same for the same seed and value: a keyed hash read as numbers."""

from collections.abc import Sequence
from hashlib import blake2b

__all__ = ["Dice"]


class Dice:
    """A stream of numbers from `seed` (at most 64 bytes) and a message; nobody without the seed can run it back."""

    __slots__ = ("_block", "_message", "_seed", "_turn")

    def __init__(self, seed: bytes, *parts: str) -> None:
        """Roll nothing yet."""
        self._seed = seed
        # A length before each part: no two lists of parts give one message.
        self._message = b"".join(len(raw).to_bytes(8, "big") + raw for raw in (part.encode() for part in parts))
        self._block, self._turn = b"", 0

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1, as good as even: 32 bits against bounds of a few hundred."""
        if not self._block:
            message = self._message + self._turn.to_bytes(8, "big")
            self._block, self._turn = blake2b(message, key=self._seed).digest(), self._turn + 1
        number, self._block = self._block[:4], self._block[4:]
        return int.from_bytes(number, "big") % bound

    def one_of(self, choices: Sequence[str]) -> str:
        """One of them."""
        return choices[self.below(len(choices))]

    def digits(self, count: int) -> str:
        """So many digits."""
        return "".join(str(self.below(10)) for _ in range(count))
