"""
Vital signs of an engine -> what they mean: well, struggling, or stuck. Pure; the watcher passes the signs in.

Three sources, none of which costs a token: the health path, the engine's own counters, and answers that real requests
got. An engine that answers is alive whatever its health path says: a busy one may miss probes.
"""

from dataclasses import dataclass, replace

from localfleet.core.lifecycle import Event

__all__ = ["Counters", "Pulse", "Vitals", "judge"]

MISSES_TO_STRUGGLE = 1
MISSES_TO_DIE = 3
STILL_S = 60.0
"""Work inside and no token made for so long: stuck. Longer than the first step of a long prompt on a slow machine."""
STILL_TO_DIE_S = 180.0
CACHE_FULL = 0.98
"""Share of the key-value cache in use from which on, with requests waiting, an engine preempts and recomputes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What an engine says about itself; `tokens` counts prompt and output tokens since its start."""

    running: int
    waiting: int
    tokens: int
    cache_used: float
    """Share of the key-value cache in use, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """One look at an engine. `counters` is `None` where it tells none, or did not answer."""

    healthy: bool
    answers: int
    """Answers that it gave to real requests since its start."""
    counters: Counters | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What was seen so far. `dead` means: nothing but a new start helps."""

    misses: int = 0
    still_s: float = 0.0
    answers: int = 0
    tokens: int = -1
    event: Event = Event.RECOVERED
    dead: bool = False


def judge(pulse: Pulse, seen: Vitals, *, passed_s: float) -> Pulse:
    """The pulse after one more look, `passed_s` seconds after the last one."""
    moved = seen.answers != pulse.answers
    misses = 0 if seen.healthy or moved else pulse.misses + 1
    still_s, tokens = _stillness(pulse, seen.counters, moved=moved, passed_s=passed_s)
    dead = misses >= MISSES_TO_DIE or still_s >= STILL_TO_DIE_S
    event = _meaning(misses, still_s, seen.counters)
    return replace(pulse, misses=misses, still_s=still_s, answers=seen.answers, tokens=tokens, event=event, dead=dead)


def _stillness(pulse: Pulse, counters: Counters | None, *, moved: bool, passed_s: float) -> tuple[float, int]:
    """How long there has been work without a token, and the count of tokens now."""
    if counters is None:
        return (0.0 if moved else pulse.still_s), pulse.tokens
    # A count that fell is another process's count: it moved.
    resting = counters.running == 0 or moved or counters.tokens != pulse.tokens
    return (0.0 if resting else pulse.still_s + passed_s), counters.tokens


def _meaning(misses: int, still_s: float, counters: Counters | None) -> Event:
    if misses >= MISSES_TO_DIE or still_s >= STILL_S:
        return Event.STUCK
    crowded = counters is not None and counters.cache_used >= CACHE_FULL and counters.waiting > 0
    return Event.STRUGGLED if misses >= MISSES_TO_STRUGGLE or crowded else Event.RECOVERED
