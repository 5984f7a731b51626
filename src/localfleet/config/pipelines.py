"""`pipelines:`, virtual models that clients ask for as `pipeline/<name>`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from localfleet.config.cascade import Judges
from localfleet.config.shape import ModelRef, Name, Shape

__all__ = ["Pipeline", "Stage"]

Words = Annotated[str, Field(min_length=1, max_length=64)]
Prompt = Annotated[str, Field(min_length=1, max_length=20_000)]
Closed = Literal["integer", "number", "boolean"] | tuple[Words, ...]


class Stage(Shape):
    """One step: a question made of what came before."""

    name: Name
    model: ModelRef = "auto"
    """A model, `auto` or `local`; the law decides anew for each stage, by the label of what it reads."""
    prompt: Prompt
    """With places for texts: `{input}`, `{documents}`, `{item}`, and the names of earlier stages."""
    system: Prompt | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    each: str | None = None
    """`documents` or an earlier stage: ask about each item (a document, a line) of it, as `{item}`."""
    most_items: int = Field(default=8, ge=1, le=64)
    distinct: bool = False
    """Whether items that say the same are kept once."""
    fields: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], Closed] = Field(default_factory=dict)
    """A closed structure: key -> `integer`, `number` (six digits at most), `boolean`, or a list of words."""
    release: bool = False
    """Whether that structure has the label of what it holds, not of what it was made of."""
    enough: Judges | None = None
    """Where the answer passes these judges it is the pipeline's, and later stages are left out."""

    @model_validator(mode="after")
    def _release_what_is_closed(self) -> "Stage":
        if self.release and not self.fields:
            msg = "`release:` is for a closed structure: say its `fields:`"
            raise ValueError(msg)
        if self.enough is not None and (self.enough.callable is not None or self.enough.consistency is not None):
            msg = "`enough:` takes validators, `confidence:` and `model:`"
            raise ValueError(msg)
        return self


class Pipeline(Shape):
    """Stages in a row; the last one streams."""

    stages: tuple[Stage, ...] = Field(min_length=1, max_length=16)
