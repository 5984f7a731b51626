"""Pieces of work as callers name them, for `/metrics`: how many began, what they took, how many turned out well."""

from collections import OrderedDict
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from localfleet.core.feedback import Feedback
from localfleet.core.receipt import Receipt

__all__ = ["Works"]

REMEMBERED = 20_000
"""Works that are known to have begun; one that goes on after so many others counts as begun once more."""
HASH_DIGITS = 32
"""Feedback that is about a work, and not about a request, names it by so many digits."""


class Works:
    """Sums over all works; one thread writes them."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self._known = OrderedDict[str, None]()
        self._begun, self._requests, self._usd = 0, 0, 0.0
        self._said = {"accepted": 0, "rejected": 0}

    def watch(self, receipt: Receipt) -> None:
        """Count one receipt; nearly all name no work."""
        name = receipt.caller_action
        if name is None:
            return
        if name not in self._known:
            self._begun += 1
        self._known.pop(name, None)
        self._known[name] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        self._requests += receipt.action is None
        self._usd += float(receipt.cost_usd or 0)

    def hear(self, said: Feedback) -> None:
        """Count what was said of a work."""
        if said.accepted is not None and len(said.request_id) == HASH_DIGITS:
            self._said["accepted" if said.accepted else "rejected"] += 1

    def collect(self) -> Iterator[Metric]:
        """Four series; money by work is their quotient."""
        yield _counter("actions", "Pieces of work that callers named and that began.", self._begun)
        yield _counter("action_requests", "Requests that named one.", self._requests)
        yield _counter("action_cost_usd", "Marginal hosted cost of those, USD.", self._usd)
        family = CounterMetricFamily("localfleet_action_feedback", "What was said of pieces of work.", labels=("said",))
        for word, many in self._said.items():
            family.add_metric((word,), many)
        yield family


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"localfleet_{name}", text, value=value)
