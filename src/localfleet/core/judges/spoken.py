"""One answer as judges see it, and what a judge says of it."""

from collections.abc import Mapping
from typing import Any, Protocol

from localfleet.core.reason import Reason
from localfleet.core.value import value

__all__ = ["PASSED", "Check", "Judgement", "Spoken", "Token", "ToolCall"]


@value
class Token:
    """One token of an answer: its log probability, and those of the likeliest tokens at its place (natural logs)."""

    logprob: float
    top: tuple[float, ...] = ()


@value
class ToolCall:
    """A call that the model asks for; `arguments` is the text it wrote, meant to be a JSON object."""

    name: str
    arguments: str


@value
class Spoken:
    """
    What a model answered. `whole` is false for the first part of a stream.

    `asked_json` says that the request asked for JSON, `schema` is the schema it named. `offered` are the names of the
    tools it offered. `words` is what the request itself says, for judges that compare.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    tokens: tuple[Token, ...] = ()
    refused: bool = False
    cut_off: bool = False
    """The engine stopped at a limit of tokens."""
    whole: bool = True
    asked_json: bool = False
    schema: Mapping[str, Any] | None = None
    offered: frozenset[str] = frozenset()


@value
class Judgement:
    """
    What a judge says: `word` from this code base (never of the answer), `score` from 0 to 1 where there is one.

    `reason` is why the request goes on to the next door; `None` where the answer is good enough.
    """

    word: str
    reason: Reason | None = None
    score: float | None = None
    aspect: str = "quality"
    """What was looked at."""

    @property
    def passed(self) -> bool:
        """Whether the answer may go out."""
        return self.reason is None


PASSED = Judgement(word="passed")


class Check(Protocol):
    """A judge without I/O."""

    def judge(self, spoken: Spoken) -> Judgement:
        """Say whether the answer may go out."""
        ...
