"""The few seams the gateway needs: who answers, who keeps the books, what time it is."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Any, Protocol

from localfleet.core.ask import Api, Priority
from localfleet.core.fleet import EngineState
from localfleet.core.form import AnswerForm
from localfleet.core.label import Label
from localfleet.core.names import Entity
from localfleet.core.reason import Reason
from localfleet.core.receipt import Intent, Receipt
from localfleet.core.route import Route
from localfleet.core.usage import Usage
from localfleet.core.value import value

__all__ = ["Call", "Clock", "Engine", "Ledger", "LedgerHealth", "Names", "Reply"]


def _nobody_asks(_: float) -> None:
    """Nobody wants to know."""


@value
class Call:
    """
    What an engine is asked to do: the caller's own body, parsed once, in the caller's own API.

    The engine puts its model name in, translates where it speaks another API, and adds nothing else of the caller's:
    outbound headers are built from scratch. Never mutate `body`: the next door gets the same one.
    """

    request_id: str
    api: Api
    body: Mapping[str, Any]
    stream: bool
    wants_usage: bool
    """The client asked for the usage chunk of a chat stream itself, so it must see it."""
    timeout_s: float
    """Until the first byte of the answer, waiting for a turn included."""
    key_id: str = "anyone"
    """Whose request it is: a queue shares an engine fairly between keys."""
    input_tokens: int = 0
    output_tokens: int = 0
    """An estimate of the work: what was sent, and the most that may come back."""
    priority: Priority = Priority.LIVE
    patience_s: float = inf
    """Seconds to wait for a turn where another door stands open; endless at the last door."""
    weight: float = 1.0
    """Share of an engine that is asked by several keys: twice the weight, twice the tokens."""
    answers: AnswerForm | None = None
    """How this model's answers are made like those of others."""
    wants_json: bool = False
    waited: Callable[[float], None] = _nobody_asks
    """Told how many seconds the request stood in a line, each time it did, however that ended."""


class Reply(Protocol):
    """
    An answer whose first byte has arrived, in the caller's own API.

    Iterate to get the bytes for the client. A death after the first byte does not raise: the last bytes are a typed
    error event and `failure` is set. After the last byte `usage` holds what the engine counted, or `None`.
    `text_bytes` counts the UTF-8 bytes of generated text seen, for an estimate where nothing was counted.
    """

    status: int
    media_type: str
    usage: Usage | None
    failure: Reason | None
    text_bytes: int
    at_once: bytes | None
    """Where all of it is here and nothing is held: the bytes for the client, who then need not iterate or close."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes for the client."""
        ...

    async def aclose(self) -> None:
        """Let the upstream go; called always, also after the last byte. Cancels an answer still under way."""
        ...


class Engine(Protocol):
    """One model that answers."""

    async def send(self, route: Route, call: Call) -> Reply:
        """Try this door; raise `EngineFailed` if no first byte came."""
        ...

    def state(self) -> EngineState:
        """How it is, from memory: no I/O."""
        ...

    async def aclose(self) -> None:
        """Close idle connections; the router stops."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHealth:
    """Whether records can be made durable, and if not, why (a fixed sentence)."""

    ok: bool
    why: str = ""
    unwritten: int = 0
    """Receipts waiting in memory for the disk to come back."""


class Ledger(Protocol):
    """The books. Nothing here takes words."""

    @property
    def health(self) -> LedgerHealth:
        """From memory: no I/O."""
        ...

    async def intend(self, intent: Intent) -> None:
        """Return once the intent is durable; raise `LedgerClosed` if it cannot be made so."""
        ...

    def settle(self, receipt: Receipt) -> None:
        """Queue a receipt; returns at once. Receipts wait in memory while the disk is away."""
        ...

    def remembered(self, fingerprints: Sequence[bytes]) -> Label | None:
        """The highest label remembered for any of these conversation fingerprints; from memory."""
        ...

    def remember(self, fingerprints: Sequence[bytes], label: Label) -> None:
        """Remember fingerprints at a label: at once in memory, soon on disk."""
        ...

    def spent_usd(self, *, key_id: str | None = None, tier: str | None = None, since: float) -> Decimal:
        """Hosted money settled since a time, for one key or one tier; used to seed budgets at start."""
        ...


class Clock(Protocol):
    """What time it is."""

    def now(self) -> float:
        """Unix time, seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds, for durations."""
        ...


class Names(Protocol):
    """The model of names, off the event loop."""

    async def read(self, text: str, budget_s: float, *, whose: str) -> Sequence[Entity]:
        """
        What is in the text, in order; raises `TimeoutError` where the budget (seconds) does not suffice.

        `whose` is the caller's key: what is remembered of a text is remembered for its caller alone.
        """
        ...
