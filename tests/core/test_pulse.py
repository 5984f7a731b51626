"""What vital signs mean: a table of looks at an engine, and the verdict after the last one."""

from dataclasses import dataclass

import pytest

from localfleet.core.lifecycle import Event
from localfleet.core.pulse import Counters, Pulse, Vitals, judge


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look, shortly."""

    healthy: bool = True
    answers: int = 0
    running: int | None = None
    waiting: int = 0
    tokens: int = 0
    cache: float = 0.1

    def vitals(self) -> Vitals:
        """As the watcher passes it."""
        counters = None
        if self.running is not None:
            counters = Counters(running=self.running, waiting=self.waiting, tokens=self.tokens, cache_used=self.cache)
        return Vitals(healthy=self.healthy, answers=self.answers, counters=counters)


def after_all(looks: list[Look], *, passed_s: float = 5) -> Pulse:
    """The pulse after so many looks."""
    pulse = Pulse()
    for look in looks:
        pulse = judge(pulse, look.vitals(), passed_s=passed_s)
    return pulse


MISS = Look(healthy=False)
CASES: dict[str, tuple[list[Look], Event, bool]] = {
    "well": ([Look()], Event.RECOVERED, False),
    "one miss": ([Look(), MISS], Event.STRUGGLED, False),
    "two misses": ([MISS, MISS], Event.STRUGGLED, False),
    "three misses": ([MISS, MISS, MISS], Event.STUCK, True),
    "a miss forgiven": ([MISS, MISS, Look(), MISS], Event.STRUGGLED, False),
    "no health, but answers": (
        [Look(healthy=False, answers=n) for n in range(1, 6)],
        Event.RECOVERED,
        False,
    ),
    "busy and moving": ([Look(running=3, tokens=n) for n in range(40)], Event.RECOVERED, False),
    "nothing to do": ([Look(running=0, tokens=7)] * 40, Event.RECOVERED, False),
    "work without a token for a minute": ([Look(running=1, tokens=7)] * 13, Event.STUCK, False),
    "work without a token for three": ([Look(running=1, tokens=7)] * 37, Event.STUCK, True),
    "a token at last": ([Look(running=1, tokens=7)] * 13 + [Look(running=1, tokens=8)], Event.RECOVERED, False),
    "a count that began again": (
        [Look(running=1, tokens=90)] * 5 + [Look(running=1, tokens=3)],
        Event.RECOVERED,
        False,
    ),
    "cache full and others wait": ([Look(running=9, waiting=4, tokens=5, cache=0.99)], Event.STRUGGLED, False),
    "cache full, nobody waits": ([Look(running=9, tokens=5, cache=0.99)], Event.RECOVERED, False),
    "counters gone while work stood still": (
        [Look(running=1, tokens=7)] * 13 + [Look()],
        Event.STUCK,
        False,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_signs_mean(name: str) -> None:
    """Misses, stillness, a full cache and answers are told apart."""
    looks, event, dead = CASES[name]
    pulse = after_all(looks)
    assert (pulse.event, pulse.dead) == (event, dead)
