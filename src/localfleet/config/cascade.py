"""`tasks.<name>.cascade:`, how the answers of a task are judged, and what of a stream is held back meanwhile."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from localfleet.config.shape import ModelRef, Shape
from localfleet.core.judges.language import LANGUAGES

__all__ = ["Cascade", "ConfidenceJudge", "ConsistencyJudge", "Judges", "ModelJudge"]

FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class ConfidenceJudge(Shape):
    """How sure the model must be, by the log probabilities of its tokens; its `can:` must list `logprobs`."""

    least_logprob: float | None = Field(default=None, le=0, allow_inf_nan=False)
    """The mean natural log of the tokens' probabilities, such as -0.7."""
    least_margin: Share | None = None
    """The mean lead in probability of the likeliest token over the second."""
    most_entropy: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The mean entropy at a token, in nats."""

    @model_validator(mode="after")
    def _something(self) -> "ConfidenceJudge":
        if not self.model_fields_set:
            msg = "give at least one threshold: `least_logprob:`, `least_margin:` or `most_entropy:`"
            raise ValueError(msg)
        return self


class ConsistencyJudge(Shape):
    """Ask the same model again and want the answers to agree."""

    samples: int = Field(default=2, ge=1, le=10)
    least: Share = 0.6
    temperature: float = Field(default=0.7, ge=0, le=2)


class ModelJudge(Shape):
    """A model that grades the answer from 1 to 5."""

    model: ModelRef = "local"
    least: int = Field(default=4, ge=1, le=5)
    looks_at: Literal["quality", "accuracy", "helpfulness", "safety"] = "quality"
    """What it is told to look at; a series of its own in reports and alarms."""
    instruction: str | None = Field(default=None, min_length=1, max_length=4000)
    """What it is told in place of the words that come with `looks_at`: to answer with a digit from 1 to 5."""


class Judges(Shape):
    """The judges, the cheap ones first; the first that is not content sends the request to the next door."""

    least_chars: int = Field(default=1, ge=0)
    most_chars: int | None = Field(default=None, ge=1)
    refusal: bool = True
    """Whether a refusal is not good enough."""
    cut_off: bool = True
    """Whether an answer that ran into its limit of tokens is not good enough."""
    repetition: Share | None = 0.5
    """The most of its runs of four words that may stand there before; `null`: not looked at."""
    tool_calls: bool = True
    """Whether tool calls must name an offered tool, with a JSON object."""
    valid_json: bool = False
    """Whether the answer must be JSON even where the request does not ask for it."""
    json_schema: dict[str, Any] | None = None
    """What that JSON must fit; the schema that a request itself names counts in any case."""
    pattern: str | None = None
    """RE2: must match somewhere in the answer."""
    language: str | None = None
    confidence: ConfidenceJudge | None = None
    consistency: ConsistencyJudge | None = None
    model: ModelJudge | None = None
    callable: str | None = None
    """`module:function` of your own; true, false, or a score from 0 to 1."""
    least_score: Share = 0.5
    """The least score of `callable` that passes."""

    @field_validator("callable")
    @classmethod
    def _a_function(cls, value: str | None) -> str | None:
        if value is not None and not FUNCTION.fullmatch(value):
            msg = "names a function of yours as `module:function`"
            raise ValueError(msg)
        return value

    @field_validator("language")
    @classmethod
    def _a_known_one(cls, value: str | None) -> str | None:
        if value is not None and value not in LANGUAGES:
            msg = f"is one of {', '.join(LANGUAGES)}"
            raise ValueError(msg)
        return value


class Cascade(Shape):
    """Start with the first door, judge its answer, go on along the row where it is not good enough."""

    judge: Judges = Judges()
    buffer: Literal["whole", "none"] | Annotated[int, Field(ge=8, le=4096)] = "whole"
    """What of a stream is held back: all of it, nothing (streams are not judged), or about so many tokens."""
