"""Receipts for ledgers that hold shadows, and the real time."""

import time
from decimal import Decimal

from localfleet.core.ask import Api
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Receipt
from localfleet.core.usage import Usage

__all__ = ["Clock", "receipt"]


class Clock:
    """The real time."""

    def now(self) -> float:
        """Unix time."""
        return time.time()

    def monotonic(self) -> float:
        """For durations."""
        return time.monotonic()


def receipt(name: str, **more: object) -> Receipt:
    """A request of the task that the box answered, a minute ago."""
    facts = {
        "request_id": name, "at": time.time() - 1, "api": Api.CHAT, "key_id": "k", "plan": None, "task": "work",
        "session": None, "label": Label.PUBLIC, "findings": (), "because": (), "wanted": "auto", "model": "small",
        "tier": "local", "reason": Reason.TASK_RULE, "outcome": Reason.ANSWERED, "status": 200, "stream": False,
        "doors": (), "attempts": (), "usage": Usage(input_tokens=10, output_tokens=10), "cost_usd": Decimal(0),
        "price_version": None, "queue_ms": 0.0, "first_byte_ms": 1.0, "total_ms": 2.0,
    } | more  # fmt: skip
    return Receipt(**facts)  # type: ignore[arg-type]  # plain values of the right kinds
