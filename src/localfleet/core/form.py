"""What one model needs said around a system prompt, and what of its answers other models would have said otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["AnswerForm", "Form"]

BYTES_PER_TOKEN = 4
TOKENS_OF_A_TURN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """How answers are made alike; every part is off until the operator asks for it."""

    thinking: Literal["keep", "apart", "drop"] = "keep"
    """A `<think>` block at the start: as it is, in `reasoning_content`, or away."""
    starts_inside: bool = False
    """Its chat template has opened the block already, so that an answer holds only `</think>`."""
    unfence: bool = False
    """Where JSON was asked for: a fenced block without its fences."""
    prefixes: tuple[str, ...] = ()
    """Such as `Assistant:`; taken off the start."""
    finish: Mapping[str, str] = field(default_factory=dict)
    """Finish reasons by other names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Of one model. `before` and `after` stand around the caller's system prompt, a blank line between."""

    before: str = ""
    after: str = ""
    answer: AnswerForm | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """What is said beside the caller's words."""
        return tuple(text for text in (self.before, self.after) if text)

    @property
    def input_bytes(self) -> int:
        """UTF-8 bytes that it adds to a request, with the words around them."""
        return sum(len(text.encode()) + 32 for text in self.texts)

    @property
    def input_tokens(self) -> int:
        """Tokens that it adds to a request, estimated as those of a request are."""
        return sum(len(text.encode()) // BYTES_PER_TOKEN + TOKENS_OF_A_TURN for text in self.texts)

    def around(self, system: str) -> str:
        """A system prompt with the model's own words around it."""
        return "\n\n".join(text for text in (self.before, system, self.after) if text)
