"""`form:` of a model: words around system prompts, and how its answers are made like those of others."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from localfleet.config.shape import Shape

__all__ = ["AnswerEntry", "FormEntry"]

Words = Annotated[str, Field(min_length=1, max_length=20_000)]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class AnswerEntry(Shape):
    """How answers are made alike; nothing is touched by default."""

    thinking: Literal["keep", "apart", "drop"] = "keep"
    """A `<think>` block at the start: as it is, in `reasoning_content`, or away."""
    starts_inside: bool = False
    """The model's chat template has opened the block already: an answer begins within it."""
    unfence: bool = False
    """Where JSON was asked for: a fenced block without its fences."""
    prefixes: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = ()
    """Such as `Assistant:`, any case; taken off the start of an answer."""
    finish: dict[Annotated[str, Field(max_length=64)], FinishReason] = Field(default_factory=dict)
    """Finish reasons of this model's own, and what they mean."""

    @model_validator(mode="after")
    def _inside_of_something(self) -> "AnswerEntry":
        if self.starts_inside and self.thinking == "keep":
            msg = "`starts_inside:` says where thinking ends: say `thinking: apart` or `drop`"
            raise ValueError(msg)
        return self


class FormEntry(Shape):
    """What one model needs that others do not."""

    before: Words | None = None
    """Stands before the caller's system prompt."""
    after: Words | None = None
    """Stands after it."""
    answer: AnswerEntry | None = None
