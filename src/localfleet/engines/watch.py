"""
Watches one engine process while it is up: health, counters, rarely a token, until nothing but a new start helps.

Costs next to nothing and wakes nobody: a sleeper is not looked at, and a token is asked for only where nobody else did
in the last minutes. Hosted models are never watched: a look at them would cost money.
"""

from collections.abc import Awaitable, Callable

from localfleet.core.lifecycle import Event
from localfleet.core.pulse import Pulse, Vitals, judge
from localfleet.engines.probe import Probe

__all__ = ["Watch"]

LOOK_S = 5.0
CANARY_EVERY_S = 300.0


class Watch:
    """`answers` counts what real requests got; `quiet` says that the engine sleeps or drains: then nobody looks."""

    def __init__(
        self,
        probe: Probe,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        answers: Callable[[], int],
        quiet: Callable[[], bool],
        tell: Callable[[Event], None],
    ) -> None:
        """Look at nothing yet."""
        self._probe = probe
        self._clock = clock
        self._sleep = sleep
        self._answers = answers
        self._quiet = quiet
        self._tell = tell
        self._heard_at = clock()

    async def until_dead(self) -> None:
        """Look every five seconds and tell what changed; return when the process must be killed."""
        pulse = Pulse(answers=self._answers())
        while not pulse.dead:
            before_s = self._clock()
            await self._sleep(LOOK_S)
            if self._quiet():
                pulse, self._heard_at = Pulse(answers=self._answers()), self._clock()
                continue
            seen = await self._look(pulse)
            pulse, before = judge(pulse, seen, passed_s=self._clock() - before_s), pulse
            # A sleep may have begun while we looked; what we saw then means nothing.
            if pulse.event is not before.event and not self._quiet():
                self._tell(pulse.event)

    async def _look(self, pulse: Pulse) -> Vitals:
        healthy = await self._probe.healthy()
        counters = await self._probe.counters() if healthy else None
        answers = self._answers()
        if answers != pulse.answers:
            self._heard_at = self._clock()
        elif self._clock() - self._heard_at >= CANARY_EVERY_S and (counters is None or not counters.running):
            # One that fails is asked again at the next look: three in a row end it.
            healthy = healthy and await self._probe.answers()
            self._heard_at = self._clock() if healthy else self._heard_at
        return Vitals(healthy=healthy, answers=answers, counters=counters)
