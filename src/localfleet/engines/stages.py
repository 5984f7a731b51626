"""
What an engine is busy with, and why it is not answering, in fixed words for terminal, log and `/readyz`.

Words only: which state follows which event stands in `core/lifecycle.py`.
"""

from dataclasses import dataclass
from enum import StrEnum

from localfleet.core.fleet import Readiness
from localfleet.core.lifecycle import Event

__all__ = [
    "EXITED",
    "GAVE_UP",
    "HUNG",
    "NO_PROGRAM",
    "QUIET",
    "SETTLED",
    "STAGES",
    "STOPPED",
    "TOO_SLOW",
    "WOKE_WRONG",
    "Progress",
    "Stage",
    "getting_ready",
    "sentence",
]

EXITED = "the engine process ended and is being started again"
HUNG = "the engine stopped answering and is being started again"
TOO_SLOW = "the engine did not answer in time after its start and is being started again"
NO_PROGRAM = "the engine program cannot be started; run `localfleet doctor`"
GAVE_UP = (
    "the engine crashed 5 times within 2 minutes and stays off; run `localfleet doctor`, "
    "check free memory and `weights:`, then start localfleet again"
)
STOPPED = "stopped"
NOT_LOADED = "not loaded; the first request loads it"
ASLEEP = "asleep; the first request wakes it"
FINISHING = "it finishes what it has, then makes room for another model"
STUCK = "it has work and makes no progress; it is started again unless it goes on soon"
STRUGGLES = "it answers slowly or misses health checks"
WOKE_WRONG = "after waking it did not answer as before and is being started again"
WHY = {
    Event.SLEPT: ASLEEP,
    Event.UNLOADED: NOT_LOADED,
    Event.YIELDED: FINISHING,
    Event.STUCK: STUCK,
    Event.STRUGGLED: STRUGGLES,
}


class Stage(StrEnum):
    """What an engine is busy with, in words for the terminal."""

    CHECKING = "verifying weights"
    STARTING = "starting"
    LOADING = "loading"
    WARMING = "warming"
    READY = "ready"
    WAITING = "waiting to start again"
    STRUGGLING = "struggling"
    STUCK = "stuck"
    FINISHING = "finishing"
    WAKING = "waking"
    ASLEEP = "asleep"
    UNLOADED = "unloaded"
    DOWN = "down"


ON_ITS_WAY = frozenset({Stage.CHECKING, Stage.STARTING, Stage.LOADING, Stage.WARMING, Stage.WAKING})
STAGES = {Event.STRUGGLED: Stage.STRUGGLING, Event.RECOVERED: Stage.READY, Event.STUCK: Stage.STUCK}
QUIET = frozenset({Readiness.ASLEEP, Readiness.WARMING})
"""Nobody looks at a sleeper, nor at one that wakes."""
SETTLED = frozenset({Readiness.READY, Readiness.DEGRADED, Readiness.STALLED, Readiness.DRAINING, Readiness.DOWN})
"""Nobody waits for these to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One change, for a line on the terminal. `seconds` counts from the beginning of this start."""

    name: str
    stage: Stage
    seconds: float
    why: str = ""


def getting_ready(stage: Stage) -> str:
    """The sentence of an engine on its way."""
    return f"the engine is getting ready: {stage}"


def sentence(event: Event, stage: Stage) -> str:
    """What to tell people after an event that nobody explained; empty where all is well."""
    return WHY.get(event) or (getting_ready(stage) if stage in ON_ITS_WAY else "")
