"""
Sleep and scale to zero: what a box that goes away when nobody asks costs, saves and makes wait.

By the hour rented, sleeping saves nothing: it frees the card for another model. Owned, it saves the power between idle
and asleep. Billed by the second (serverless), the idle time is gone and the waking is paid.
"""

from dataclasses import dataclass

import numpy as np

from localfleet.core.cost.traffic import Floats, Requests

__all__ = ["SleepSeen", "flex_break_even_share", "sleep_after_s", "sleep_seen", "usd_flex"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SleepSeen:
    """
    A trace on one box that sleeps after `after_s` idle. Seconds are of the span and add up to it.

    `wakes` is how often somebody found it asleep: each of them waits for the waking on top.
    """

    after_s: float
    span_s: float
    busy_s: float
    idle_s: float
    asleep_s: float
    waking_s: float
    wakes: int
    woken_share: float


def usd_flex(
    *, usd_per_gpu_hour_flex: float, busy_s: float, wakes: int, wake_s: float, linger_s: float, gpus: int = 1
) -> float:
    """A box billed by the second: its work, and for each wake the waking and the idle time before it goes again."""
    for name, value in (("usd_per_gpu_hour_flex", usd_per_gpu_hour_flex), ("busy_s", busy_s), ("wakes", wakes)):
        _from_zero(name, value)
    _from_zero("wake_s", wake_s)
    _from_zero("linger_s", linger_s)
    return usd_per_gpu_hour_flex * gpus * (busy_s + wakes * (wake_s + linger_s)) / 3600


def sleep_after_s(*, usd_per_wake: float, usd_per_idle_s: float) -> float | None:
    """
    The idle time after which to sleep without knowing the future: when idling has cost as much as a wake.

    Never more than twice what knowing the future would cost (ski rental). `None`: idling costs nothing, never sleep.
    """
    _from_zero("usd_per_wake", usd_per_wake)
    _from_zero("usd_per_idle_s", usd_per_idle_s)
    return usd_per_wake / usd_per_idle_s if usd_per_idle_s else None


def flex_break_even_share(*, usd_per_gpu_hour_on: float, usd_per_gpu_hour_flex: float) -> float:
    """The busy share above which a box that is always on is cheaper than one billed by the second."""
    _from_zero("usd_per_gpu_hour_on", usd_per_gpu_hour_on)
    if not usd_per_gpu_hour_flex > 0:
        raise ValueError("usd_per_gpu_hour_flex: must be more than 0")
    return usd_per_gpu_hour_on / usd_per_gpu_hour_flex


def sleep_seen(trace: Requests, seconds: Floats, *, after_s: float, wake_s: float) -> SleepSeen:
    """
    Play a trace on one box that sleeps after `after_s` idle and takes `wake_s` to wake.

    Waking delays what follows, so gaps shrink. The box is awake at the first request and asleep never before.
    """
    _from_zero("after_s", after_s)
    _from_zero("wake_s", wake_s)
    asleep = waking = idle = 0.0
    wakes = 0
    free_at = float(trace.at_s[0])
    for at, work in zip(trace.at_s.tolist(), seconds.tolist(), strict=True):
        gap = at - free_at
        if gap > after_s:
            idle += after_s
            asleep += gap - after_s
            waking += wake_s
            wakes += 1
            free_at = at + wake_s
        elif gap > 0:
            idle += gap
            free_at = at
        free_at += work
    busy = float(seconds.sum())
    return SleepSeen(
        after_s=after_s,
        span_s=busy + idle + asleep + waking,
        busy_s=busy,
        idle_s=idle,
        asleep_s=asleep,
        waking_s=waking,
        wakes=wakes,
        woken_share=wakes / len(trace),
    )


def _from_zero(name: str, value: float) -> None:
    if not (np.isfinite(value) and value >= 0):
        msg = f"{name}: must be a number from 0 up"
        raise ValueError(msg)
