"""
A trace played against one engine that works on several requests together: who waits for a turn, how long, who leaves.

The fluid queue (`replay.py`) has no slots: whatever work is ahead is a wait. An engine that batches takes a request in
as soon as a slot is free and lets all that are inside share the box. So a short line may be no wait at all, and the
wait for a turn is shorter than the work ahead by what is inside. A measured burst says which of the two holds.

    speed(b) = rate of b requests together / rate of the full box, by the affine step; 1 with all slots taken
    each of b requests inside gets speed(b) / b seconds of the full box a second
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from localfleet.core.cost.fit import StepFit

__all__ = ["Turn", "play_slots", "speed_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one request saw: seconds in the line, and whether it left because that was too long."""

    wait_s: float
    left: bool


@dataclass(slots=True)
class _Inside:
    left_s: float


def speed_of(step: StepFit | None, slots: int) -> Callable[[int], float]:
    """How fast the box is with `b` of its slots taken, 1 for all; without a step, in proportion to the slots taken."""
    if step is None or slots == 1:
        return lambda together: min(1.0, together / slots)
    full = slots / step.step_ms(slots)
    return lambda together: min(1.0, together / step.step_ms(together) / full)


def play_slots(
    at_s: Sequence[float],
    work_s: Sequence[float],
    *,
    slots: int,
    patience_s: float = inf,
    speed: Callable[[int], float] | None = None,
) -> list[Turn]:
    """
    Each request's turn, in the order of arrival; `work_s` is seconds of the full box. First come, first served.

    A request that has no slot after `patience_s` leaves. Raises `ValueError` for lengths that differ, no slots, or a
    clock that goes backwards.
    """
    if len(at_s) != len(work_s) or slots < 1:
        raise ValueError("at_s and work_s: one each for every request, and at least one slot")
    if any(later < earlier for earlier, later in pairwise(at_s)):
        raise ValueError("at_s: the clock goes backwards; sort the trace by time")
    rate = speed or speed_of(None, slots)
    inside: list[_Inside] = []
    line: deque[int] = deque()
    turns: list[Turn | None] = [None] * len(at_s)
    now = at_s[0] if at_s else 0.0

    def admit() -> None:
        while line and len(inside) < slots:
            number = line.popleft()
            if now - at_s[number] <= patience_s + 1e-9:
                turns[number] = Turn(wait_s=now - at_s[number], left=False)
                inside.append(_Inside(work_s[number]))
            else:
                turns[number] = Turn(wait_s=patience_s, left=True)

    def advance(until: float) -> None:
        nonlocal now
        while inside and now < until:
            share = rate(len(inside)) / len(inside)
            ends = now + min(each.left_s for each in inside) / share
            passed = min(ends, until) - now
            for each in inside:
                each.left_s -= passed * share
            now += passed
            inside[:] = [each for each in inside if each.left_s > 1e-9]
            admit()
        now = max(now, until) if until < inf else now

    for number, at in enumerate(at_s):
        advance(at)
        line.append(number)
        admit()
    advance(inf)
    return [turn or Turn(wait_s=patience_s, left=True) for turn in turns]
