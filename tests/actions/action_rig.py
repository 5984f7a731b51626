"""
A gateway over engines that answer by a function of the question, for actions that take several calls.

`Room` is a box model, a cheap and a dear hosted one, an open ledger, and a clock that stands still.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from gateway_rig import ANYONE, Books, Clock, Said, Talker, Words

from localfleet.core.ask import Api, Need
from localfleet.core.classify import Rules, TextRule
from localfleet.core.fleet import Model
from localfleet.core.label import Label
from localfleet.core.policy import Policy
from localfleet.core.pricing import Price
from localfleet.core.reason import Reason
from localfleet.core.receipt import Receipt
from localfleet.core.routing.order import Preference
from localfleet.gateway import Gateway
from localfleet.ports import Call
from localfleet.visit import Visit
from localfleet.wire.read import Letter, read_ask

__all__ = ["Room", "chat", "model", "speaking", "text_of"]

SPOKEN = frozenset({Api.CHAT, Api.MESSAGES, Api.RESPONSES})
Say = Callable[[str], "str | Reason"]


def speaking(say: Say, logprob: float = -0.1) -> Callable[[Call], Said]:
    """Answer what `say` makes of the last turn, or fail with its reason; each token is as sure as `logprob`."""

    def reply(call: Call) -> Said:
        said = say(text_of(call.body))
        if isinstance(said, Reason):
            return said
        shown = logprob if call.body.get("logprobs") else None
        if call.stream:
            return Words(*_streamed(said, shown))
        return Words(_whole(said, shown), media_type="application/json")

    return reply


def text_of(body: Mapping[str, Any]) -> str:
    """The last turn's text."""
    return str(body["messages"][-1]["content"])


def model(name: str, accepts: Label | None, usd: str | None = None, **more: Any) -> Model:
    """A model that can everything; hosted with a price for a million tokens in and out."""
    price = None if usd is None else Price(usd_per_mtok_in=Decimal(usd), usd_per_mtok_out=Decimal(usd), version="test")
    facts: dict[str, Any] = {
        "name": name, "tier": "local" if accepts is None else f"tier_{name}", "accepts": accepts, "apis": SPOKEN,
        "context_tokens": 100_000, "max_output_tokens": 100, "price": price, "can": frozenset(Need),
    } | more  # fmt: skip
    return Model(**facts)


@dataclass
class Room:
    """Who is asked: `small` on the box, `mini` and `best` hosted. Each says what its function makes of the question."""

    small: Say = lambda _: "from small"
    mini: Say = lambda _: "from mini"
    best: Say = lambda _: "from best"
    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"work": ("small", "mini", "best")})
    rules: tuple[TextRule, ...] = ()
    more: Mapping[str, tuple[Model, Say]] = field(default_factory=dict)
    fallbacks: int = 2

    def __post_init__(self) -> None:
        """Build the gateway."""
        self.books, self.clock = Books(), Clock()
        known: dict[str, tuple[Model, Say]] = {
            "small": (model("small", None), self.small),
            "mini": (model("mini", Label.INTERNAL, "1"), self.mini),
            "best": (model("best", Label.INTERNAL, "10"), self.best),
            **self.more,
        }
        self.engines = {
            name: Talker(name, not one.local, self.books, speaking(say)) for name, (one, say) in known.items()
        }
        self.gateway = Gateway(
            models={name: one for name, (one, _) in known.items()},
            engines=self.engines,
            ledger=self.books,
            policy=Policy(
                preference=Preference(tasks=self.tasks), retries_per_door=0, fallbacks_per_request=self.fallbacks
            ),
            rules=Rules(texts=self.rules),
            clock=self.clock,
            print_key=b"k" * 32,
            jitter=lambda: 0.0,
        )

    def letter(self, text: str = "hello", *, task: str | None = "work", stream: bool = False, **more: Any) -> Letter:
        """A chat request; keyword `ask` replaces facts of it, the rest goes into the body."""
        facts = more.pop("ask", {})
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], "stream": stream, **more}
        caller = facts.pop("caller", ANYONE)
        letter = read_ask(body, api=Api.CHAT, headers={}, caller=caller, request_id="r1", size=len(json.dumps(body)))
        return replace(letter, ask=replace(letter.ask, task=task, **facts))

    def visit(self, letter: Letter) -> Visit:
        """As the data plane makes one."""
        return Visit(ask=letter.ask, arrived=self.clock.at, wanted=letter.ask.model, task=letter.ask.task)

    @property
    def root(self) -> Receipt:
        """The receipt of the only action."""
        (receipt,) = [receipt for receipt in self.books.receipts if receipt.action is None]
        return receipt

    @property
    def leaving(self) -> str:
        """All that hosted engines heard."""
        return "".join(engine.heard for engine in self.engines.values() if engine.hosted)


def chat(data: bytes) -> str:
    """The text of an answer, whole or streamed."""
    if not data.startswith(b"data:"):
        return str(json.loads(data)["choices"][0]["message"]["content"])
    events = [line[6:] for line in data.decode().split("\n\n") if line.startswith("data: {")]
    return "".join(json.loads(one)["choices"][0]["delta"].get("content") or "" for one in events)


def _logprobs(words: Sequence[str], logprob: float | None) -> dict[str, Any] | None:
    if logprob is None:
        return None
    top = [{"token": "x", "logprob": logprob}, {"token": "y", "logprob": logprob - 2}]
    return {"content": [{"token": word, "logprob": logprob, "top_logprobs": top} for word in words]}


def _whole(text: str, logprob: float | None) -> bytes:
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    if logprob is not None:
        choice["logprobs"] = _logprobs(text.split(), logprob)
    return json.dumps({"id": "x", "object": "chat.completion", "choices": [choice]}).encode()


def _streamed(text: str, logprob: float | None) -> list[bytes]:
    chunks = []
    for word in text.split(" "):
        choice: dict[str, Any] = {"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}
        if logprob is not None:
            choice["logprobs"] = _logprobs([word], logprob)
        chunks.append(b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode())
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return [*chunks, b"data: %b\n\n" % json.dumps(end).encode(), b"data: [DONE]\n\n"]
