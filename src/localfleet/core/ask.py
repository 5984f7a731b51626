"""The frozen facts of one request: who asks, for what, how big, and every text that would leave."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from localfleet.core.data_policy import NO_DEMAND, Demand
from localfleet.core.label import Label
from localfleet.core.value import value

__all__ = ["WORDLESS", "Api", "Ask", "Caller", "Need", "Priority", "Span"]


class Api(StrEnum):
    """The six data-plane APIs, named as in `models.yaml`."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    MESSAGES = "messages"
    RERANK = "rerank"
    RESPONSES = "responses"


WORDLESS = frozenset({Api.EMBEDDING, Api.RERANK})
"""Answered in numbers: they do not stream, and no judge, pipeline or shadow has anything to read."""


class Need(StrEnum):
    """What a request asks of a model beyond plain text; a model lists what it can in `can:`."""

    TOOLS = "tools"
    JSON = "json"
    VISION = "vision"
    LOGPROBS = "logprobs"


class Priority(StrEnum):
    """`live`: a person waits. `batch`: volume work that may wait and prefers the box."""

    LIVE = "live"
    BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: a key, or the loopback user of a router without keys."""

    key_id: str
    name: str
    default_label: Label
    plan: str | None = None
    models: frozenset[str] | None = None
    """Names the key may use; `None` means all."""
    usd_per_month: Decimal | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    weight: float = 1.0
    """Its share of a local model that several keys want: twice the weight, twice the tokens."""
    providers: Demand = NO_DEMAND
    """What its plan demands of providers beyond the operator's own demand."""


@value
class Span:
    """
    One text of the request and where it stood.

    `where` is a path such as `messages[2].content` or `tools[0].function.description`: list positions and the
    names of known fields only (an unknown key is written `*`), so that it can be shown without showing words.
    """

    where: str
    text: str


@value
class Ask:
    """
    One request, read once.

    `spans` hold all text that would leave with it. `unreadable` names the kinds of content that nothing here can
    read (`image`, `audio`, `file`, `unknown`): law 2 makes those restricted. `turns` are the canonical bytes of each
    turn, for conversation fingerprints. `input_tokens` is an estimate; `input_bytes` bounds it from above.
    """

    request_id: str
    api: Api
    model: str
    caller: Caller
    spans: tuple[Span, ...]
    unreadable: tuple[str, ...] = ()
    turns: tuple[bytes, ...] = ()
    needs: frozenset[Need] = frozenset()
    stream: bool = False
    input_tokens: int = 0
    input_bytes: int = 0
    piece_tokens: int | None = None
    """Where a model reads the input in pieces, each by itself: those of the longest, which must fit; an estimate."""
    max_output_tokens: int | None = None
    choices: int = 1
    """How many answers were asked for (`n`): output tokens and their price multiply by it."""
    declared: Label | None = None
    declared_by: str = "header"
    labelled: tuple[str, ...] = ()
    """Texts of pieces that carry the label `restricted` themselves."""
    task: str | None = None
    session: str | None = None
    also_task: str | None = None
    also_session: str | None = None
    """What the metadata names where a header names another: it chooses nothing, but may raise the label (law 1)."""
    action: str | None = None
    """The caller's name for the piece of work that this request counts to; it chooses nothing."""
    previous_response: str | None = None
    max_cost_usd: Decimal | None = None
    deadline_ms: int | None = None
    priority: Priority = Priority.LIVE
    providers: Demand = NO_DEMAND
    """What this request demands of providers beyond that; it can shut doors and open none."""

    @property
    def longest_tokens(self) -> int:
        """What must fit into a model's context at once."""
        return self.input_tokens if self.piece_tokens is None else self.piece_tokens

    @property
    def texts(self) -> list[str]:
        """All texts that would leave."""
        return [span.text for span in self.spans]

    @property
    def whole(self) -> str:
        """All of them as one text, for one pass: a context word in one field counts for the value in the next."""
        return "\n".join([span.text for span in self.spans])
