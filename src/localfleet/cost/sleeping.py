"""
A box that goes away when nobody asks: what it costs by the second, what it saves, and how many it makes wait.

Basis: the running cost of one box for a month at the traffic of the trace; staff and hosted models are in neither side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from localfleet.core.cost.hour import Box, Owned, usd_per_month_fixed
from localfleet.core.cost.sleep import SleepSeen, flex_break_even_share, sleep_after_s, sleep_seen, usd_flex
from localfleet.core.cost.traffic import Floats, Requests

__all__ = ["SleepWay", "Sleeping", "sleeping"]

MONTH_S = 730 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SleepWay:
    """One idle time after which to sleep. Dollars are a month; `None` where no price says."""

    seen: SleepSeen
    usd_flex_total: float | None
    usd_power_saved_marginal: float | None

    @property
    def asleep_share(self) -> float:
        """Of the time."""
        return self.seen.asleep_s / self.seen.span_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleeping:
    """All ways, the break-even one first; `usd_on_total` is the box that stays on for the month."""

    ways: tuple[SleepWay, ...]
    usd_on_total: float
    flex_break_even_share: float | None
    rented: bool

    @property
    def sentence(self) -> str:
        """The answer."""
        priced = [(way.usd_flex_total, way) for way in self.ways if way.usd_flex_total is not None]
        if priced:
            usd, way = min(priced, key=lambda pair: pair[0])
            woken = f"{way.seen.woken_share:.2%} of the requests wake it and wait"
            if usd < self.usd_on_total:
                return (
                    f"By the second is cheaper: ${usd:,.2f} a month, asleep after {way.seen.after_s:g} s idle, against "
                    f"${self.usd_on_total:,.2f} always on; {woken}."
                )
            return f"Stay on: ${self.usd_on_total:,.2f} a month against ${usd:,.2f} by the second; {woken}."
        if self.rented:
            return "Rented by the hour, sleeping saves nothing: it only frees the card for another model."
        saved = [(way.usd_power_saved_marginal, way) for way in self.ways if way.usd_power_saved_marginal is not None]
        if saved:
            usd, way = max(saved, key=lambda pair: pair[0])
            return (
                f"Sleeping saves ${usd:,.2f} a month of power (asleep after {way.seen.after_s:g} s idle); "
                f"{way.seen.woken_share:.2%} of the requests wake it and wait."
            )
        return "What sleeping saves is unknown: say --asleep-w, the watts of the box asleep."


def sleeping(
    trace: Requests,
    seconds: Floats,
    box: Box,
    *,
    wake_s: float,
    after_s: Sequence[float] = (),
    usd_per_gpu_hour_flex: float | None = None,
    asleep_w: float | None = None,
) -> Sleeping:
    """
    Play the trace on one box for each idle time in `after_s`, and for the break-even one.

    By the second a wake costs as much as idling for its length, so the break-even is `wake_s` (at most twice what
    knowing the future would cost). Raises `ValueError` naming what cannot be.
    """
    rent = usd_per_gpu_hour_flex or 1.0
    best = sleep_after_s(usd_per_wake=rent * wake_s, usd_per_idle_s=rent)
    times = [best if best is not None else 0.0, *sorted(set(after_s))]
    on = float(usd_per_month_fixed(box))
    return Sleeping(
        ways=tuple(
            _way(sleep_seen(trace, seconds, after_s=time, wake_s=wake_s), box, wake_s, usd_per_gpu_hour_flex, asleep_w)
            for time in times
        ),
        usd_on_total=on,
        flex_break_even_share=None
        if usd_per_gpu_hour_flex is None
        else flex_break_even_share(
            usd_per_gpu_hour_on=on / 730 / box.gpus, usd_per_gpu_hour_flex=usd_per_gpu_hour_flex
        ),
        rented=not isinstance(box, Owned),
    )


def _way(seen: SleepSeen, box: Box, wake_s: float, flex: float | None, asleep_w: float | None) -> SleepWay:
    month = MONTH_S / seen.span_s
    usd = None
    if flex is not None:
        # What it idles before each sleep and between close requests is billed too, so all idle time counts once.
        busy = seen.busy_s + seen.idle_s
        usd = month * usd_flex(
            usd_per_gpu_hour_flex=flex, busy_s=busy, wakes=seen.wakes, wake_s=wake_s, linger_s=0, gpus=box.gpus
        )
    saved = None if isinstance(box, Owned) else 0.0
    if isinstance(box, Owned) and asleep_w is not None:
        idle_w = float(box.box_power_w * box.idle_power_share)
        kwh = max(0.0, idle_w - asleep_w) / 1000 * seen.asleep_s / 3600 * month
        saved = kwh * float(box.pue * box.usd_per_kwh) if box.colo_usd_per_kw_month is None else 0.0
    return SleepWay(seen=seen, usd_flex_total=usd, usd_power_saved_marginal=saved)
