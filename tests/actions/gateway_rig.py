"""
What a gateway needs around it, in memory: a clock, a ledger, engines and their replies.

`Talker` is an engine: it remembers every call, and refuses a route that does not lead to it as the real ones do.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from localfleet.core.ask import Caller
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Intent, Receipt
from localfleet.core.route import HostedRoute, LocalRoute, Route
from localfleet.core.usage import Usage
from localfleet.errors import EngineFailed, LedgerClosed
from localfleet.ports import Call, LedgerHealth

__all__ = ["ANYONE", "HANGS", "USED", "Books", "Clock", "Said", "Talker", "Words", "always", "in_turn"]

ANYONE = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
USED = Usage(input_tokens=100, output_tokens=10)
HANGS = "hangs"


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        """Start at some noon."""
        self.at = 1_000_000.0

    def now(self) -> float:
        """Unix time."""
        return self.at

    def monotonic(self) -> float:
        """The same hand."""
        return self.at


@dataclass
class Books:
    """A ledger in memory that notes the order of events: `shut`, it says so; `failing`, the write tells."""

    events: list[str] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    known: dict[bytes, Label] = field(default_factory=dict)
    shut: bool = False
    failing: bool = False

    @property
    def health(self) -> LedgerHealth:
        """Open unless shut."""
        return LedgerHealth(ok=not self.shut)

    async def intend(self, intent: Intent) -> None:
        """Make durable, or refuse."""
        if self.shut or self.failing:
            raise LedgerClosed("The disk is full.")
        await asyncio.sleep(0)
        self.events.append(f"intent {intent.model}")
        self.intents.append(intent)

    def settle(self, receipt: Receipt) -> None:
        """Keep it."""
        self.receipts.append(receipt)

    def remembered(self, fingerprints: Sequence[bytes]) -> Label | None:
        """The highest label known."""
        return max((self.known[f] for f in fingerprints if f in self.known), default=None)

    def remember(self, fingerprints: Sequence[bytes], label: Label) -> None:
        """Keep them."""
        self.known |= dict.fromkeys(fingerprints, label)

    def spent_usd(self, *, key_id: str | None = None, tier: str | None = None, since: float) -> Decimal:
        """Nothing yet."""
        return Decimal(0)


class Words:
    """A reply. After its chunks it ends, `dies` (a flag, as replies do), `hangs`, or `breaks` as code does."""

    status = 200

    def __init__(
        self, *chunks: bytes, usage: Usage | None = USED, media_type: str = "text/event-stream", then: str = "ends"
    ) -> None:
        """Nothing is given or closed yet."""
        self.chunks, self.usage, self.media_type, self.then = chunks, usage, media_type, then
        self.failure: Reason | None = None
        self.text_bytes = sum(map(len, chunks))
        self.at_once: bytes | None = None
        self.given, self.closed = 0, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The chunks, and then whatever was told."""
        for chunk in self.chunks:
            self.given += 1
            yield chunk
        if self.then == "dies":
            self.failure = Reason.DIED_MIDSTREAM
        if self.then == HANGS:
            await asyncio.sleep(3600)
        if self.then == "breaks":
            raise ZeroDivisionError("the text of a request")

    async def aclose(self) -> None:
        """Note it."""
        self.closed = True


Said = Words | Reason | str
"""A reply, the reason of a failure, or `HANGS`: it never comes back."""


@dataclass
class Talker:
    """An engine that answers what `reply` makes of a call."""

    name: str
    hosted: bool
    books: Books
    reply: Callable[[Call], Said]
    readiness: Readiness = Readiness.READY
    routes: list[Route] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    replies: list[Words] = field(default_factory=list)
    cancelled: bool = False

    async def send(self, route: Route, call: Call) -> Words:
        """Answer, fail, or hang."""
        assert isinstance(route, HostedRoute if self.hosted else LocalRoute)
        assert route.model == self.name
        self.books.events.append(f"send {self.name}")
        self.routes.append(route)
        self.calls.append(call)
        said = self.reply(call)
        if isinstance(said, Reason):
            raise EngineFailed("no", reason=said)
        if not isinstance(said, Words):
            await self._hang()
        assert isinstance(said, Words)
        self.replies.append(said)
        return said

    async def _hang(self) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    def state(self) -> EngineState:
        """As told."""
        return EngineState(readiness=self.readiness)

    async def aclose(self) -> None:
        """Nothing to close."""

    @property
    def heard(self) -> str:
        """Every byte of every body that came here."""
        return "\n".join(json.dumps(call.body) for call in self.calls)


def always(said: Any) -> Callable[[Call], Said]:
    """The same whatever is asked."""
    return lambda _: said


def in_turn(script: list[Any]) -> Callable[[Call], Said]:
    """The next line of a script."""
    return lambda _: script.pop(0)
