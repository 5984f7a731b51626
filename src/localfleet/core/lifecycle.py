"""
The life of an engine as one table: which event leads from which state to which.

Nothing here watches or acts. `engines/supervisor.py` reports events, `core/pulse.py` makes events of vital signs.
"""

from collections.abc import Mapping
from enum import StrEnum

from localfleet.core.fleet import Readiness

__all__ = ["NEXT", "Event", "after"]


class Event(StrEnum):
    """What can happen to an engine process, in the past tense."""

    STARTED = "started"
    HEALTHY = "healthy"
    ANSWERED = "answered"
    STRUGGLED = "struggled"
    RECOVERED = "recovered"
    STUCK = "stuck"
    YIELDED = "yielded"
    SLEPT = "slept"
    WOKE = "woke"
    UNLOADED = "unloaded"
    EXITED = "exited"
    GAVE_UP = "gave_up"
    STOPPED = "stopped"


_END = {
    Event.EXITED: Readiness.LOADING,
    Event.GAVE_UP: Readiness.DOWN,
    Event.STOPPED: Readiness.DOWN,
    Event.UNLOADED: Readiness.ASLEEP,
}
"""From anywhere: a process that ended is started again, one that was ended is not."""

NEXT: Mapping[Readiness, Mapping[Event, Readiness]] = {
    Readiness.DOWN: {**_END, Event.STARTED: Readiness.LOADING},
    Readiness.LOADING: {**_END, Event.STARTED: Readiness.LOADING, Event.HEALTHY: Readiness.WARMING},
    Readiness.WARMING: {**_END, Event.ANSWERED: Readiness.READY},
    Readiness.READY: {
        **_END,
        Event.STRUGGLED: Readiness.DEGRADED,
        Event.STUCK: Readiness.STALLED,
        Event.YIELDED: Readiness.DRAINING,
        Event.SLEPT: Readiness.ASLEEP,
    },
    Readiness.DEGRADED: {
        **_END,
        Event.RECOVERED: Readiness.READY,
        Event.STUCK: Readiness.STALLED,
        Event.YIELDED: Readiness.DRAINING,
        Event.SLEPT: Readiness.ASLEEP,
    },
    # Only an answer, or vital signs that move again, bring it back: the process may still have to be killed.
    Readiness.STALLED: {**_END, Event.RECOVERED: Readiness.READY},
    Readiness.DRAINING: {**_END, Event.SLEPT: Readiness.ASLEEP},
    # Asleep with its process (`WOKE`) or unloaded without one (`STARTED`). Nothing else wakes it: no health check,
    # no probe.
    Readiness.ASLEEP: {**_END, Event.STARTED: Readiness.LOADING, Event.WOKE: Readiness.WARMING},
}


def after(state: Readiness, event: Event) -> Readiness:
    """The state after an event; unchanged where the event means nothing in this state."""
    return NEXT[state].get(event, state)
