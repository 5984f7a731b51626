"""
A request that is too long for a door: whose window is larger, and who is told (F8).

The doors stay those that the law left open. A window is known in tokens and a request only by an estimate, so an engine
may find it too long after all: a larger door has to be in the list before that.
"""

from collections.abc import Mapping

from localfleet.core.ask import Ask
from localfleet.core.fleet import Fleet, Model
from localfleet.core.reason import Reason
from localfleet.core.routing.order import Preference, order

__all__ = ["outgrown", "useless_after", "with_larger"]

NEAR = 0.5
"""Of the first door's window: from that share on the estimate may be wrong enough to matter."""


def outgrown(ask: Ask, legal: list[Model], crowded: list[Model], fleet: Fleet, preference: Preference) -> bool:
    """Whether one of the `crowded` doors, shut for its window alone, would be the first if it were larger."""
    return bool(crowded) and order(ask, legal + crowded, fleet, preference)[0][0] in crowded


def with_larger(ask: Ask, tried: list[Model], beyond: list[Model]) -> tuple[list[Model], list[Model]]:
    """
    Both lists, as many as before: the last fallback gives its place to a larger door where none of the others is one.

    Only for a request that comes near the first door's window; `beyond` are legal doors past the limit of fallbacks.
    """
    if len(tried) < 2 or not beyond or ask.longest_tokens < NEAR * tried[0].context_tokens:
        return tried, beyond
    window = tried[0].context_tokens
    larger = next((model for model in beyond if model.context_tokens > window), None)
    if larger is None or any(model.context_tokens > window for model in tried):
        return tried, beyond
    return [*tried[:-1], larger], [tried[-1], *(model for model in beyond if model is not larger)]


def useless_after(reason: Reason, failed: str, models: Mapping[str, Model]) -> set[str]:
    """Doors that need not be tried after a failure: that one; where it was too small, all that are no larger."""
    if reason is not Reason.CONTEXT_TOO_LONG:
        return {failed}
    return {name for name, model in models.items() if model.context_tokens <= models[failed].context_tokens}
