"""
What the box saves against a hosted model as a function of the uncertain inputs, each as a factor on today's value.

    saving  = R [ v a outside + g fixed owed + care + v power ] - [ v a (there + f passed on) + g fixed boxes + ... ]
    boxes   = ceil(v need / (s d)) + spare, of which `owed` for what must stay in any case; none without such work
    R       = requests that end well on the box / on the hosted model: both ways are held to the same completed actions

`v` volume, `a` hosted price, `g` price of the GPU, `s` speed of the box, `d` what the limits leave of it,
`o` tokens of an answer, `c` cache hits, `f` what falls back, `q` success on the box. Tokens out and cache hits move the
hosted bill and the work of the box alike. One function for the draws, the tornado and the nearest flips, so that they
cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf
from typing import Literal

from localfleet.core.cost.hour import usd_per_month_fixed
from localfleet.core.plan.bills import Bill, all_hosted, all_local, busy_boxes, mean_load_per_box
from localfleet.core.plan.case import Case, Hosted
from localfleet.core.plan.moves import Calls, Ending, Load, calls, endings, load, parity, passed_on

__all__ = ["INPUTS", "Side", "Stakes", "stakes", "stakes_of_mix"]

INPUTS = (
    "volume",
    "hosted price",
    "GPU price",
    "speed",
    "output length",
    "cache hits",
    "fallback rate",
    "success on the box",
    "limit's derate",
)
"""In the order of the factors of `Stakes.saving`."""

NO_CALLS, NO_WORK = Calls(), Load()


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One way beyond what both share: calls that start hosted, calls passed on by the box, care, power, checks."""

    calls: Calls = NO_CALLS
    passed_on: Calls = NO_CALLS
    work: Load = NO_WORK
    """Boxes before rounding up."""
    staff: float = 0.0
    checks: float = 0.0
    spare: int = 0
    held: int | None = None
    """A number of boxes that does not follow the work (a mix)."""

    def boxes(self, volume: float, pace: float, output: float, cached: float) -> int:
        """Boxes with spares."""
        if self.held is not None:
            return self.held
        need = volume * self.work.at(output, cached) / pace
        return max(1, ceil(need - 1e-9)) + self.spare if self.work.plain else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stakes:
    """US dollars a month at today's values: everything hosted against boxes, with what both ways complete."""

    fixed_per_box: float
    out: Side
    own: Side
    power_per_box: float = 0.0
    """What a box of work adds in power."""
    ends: tuple[Ending, ...] = ()
    most_cached: float = inf
    most_derate: float = inf
    """Factors over which a share would be more than all."""

    @property
    def hosted(self) -> float:
        """What the boxes keep off the hosted bill."""
        return self.out.calls.usd - self.own.calls.usd - self.own.passed_on.usd

    @property
    def need(self) -> float:
        """Boxes before rounding up, without spares; zero where their number is held."""
        return self.own.work.plain if self.own.held is None else 0.0

    @property
    def stays(self) -> float:
        """Those of them that are owed anyway, before rounding up."""
        return self.out.work.plain

    def boxes(self, work: float) -> int:
        """Boxes beyond those that are owed anyway, for the work of so many times today's."""
        return self.own.boxes(work, 1.0, 1.0, 1.0) - self.out.boxes(work, 1.0, 1.0, 1.0)

    def margin(self) -> float:
        """What one more of today's month saves on the same boxes, US dollars."""
        even = parity(self.ends, 1.0, 1.0)
        power = self.power_per_box * (even * self.out.work.plain - self.own.work.plain)
        return even * self.out.calls.usd - self.own.calls.usd - self.own.passed_on.usd + power + self._checks(even)

    def owed(self, volume: float) -> float:
        """What is paid for more boxes and their care at this volume, US dollars a month."""
        even = parity(self.ends, 1.0, 1.0)
        boxes = self.own.boxes(volume, 1.0, 1.0, 1.0) - even * self.out.boxes(volume, 1.0, 1.0, 1.0)
        return self.fixed_per_box * boxes + self.own.staff - even * self.out.staff

    def saving(  # noqa: PLR0917  # one factor for each uncertain input, in the order of INPUTS
        self,
        volume: float = 1.0,
        hosted: float = 1.0,
        gpu: float = 1.0,
        speed: float = 1.0,
        output: float = 1.0,
        cached: float = 1.0,
        fallback: float = 1.0,
        success: float = 1.0,
        derate: float = 1.0,
    ) -> float:
        """US dollars a month that the box saves for the same completed actions; below zero it loses."""
        out, own, pace = self.out, self.own, speed * min(derate, self.most_derate)
        cached = min(cached, self.most_cached)
        fixed, price = gpu * self.fixed_per_box, volume * hosted
        even = parity(self.ends, success, fallback)
        there = fixed * out.boxes(volume, pace, output, cached) + out.staff + price * out.calls.at(output, cached)
        here = fixed * own.boxes(volume, pace, output, cached) + own.staff + price * own.calls.at(output, cached)
        here += price * fallback * own.passed_on.at(output, cached)
        power = self.power_per_box * (even * out.work.at(output, cached) - own.work.at(output, cached))
        return even * there - here + volume * (power + self._checks(even))

    @property
    def volume_of_tie(self) -> float | None:
        """The factor on volume from which these boxes are cheaper, their number held; `None`: never."""
        margin = self.margin()
        return max(0.0, self.owed(1.0) / margin) if margin > 0 else None

    def tie(self, name: Literal["gpu", "hosted"]) -> float | None:
        """The factor on this price at which both ways cost the same; `None` where it moves both alike."""
        now = self.saving()
        slope = (self.saving(gpu=2.0) if name == "gpu" else self.saving(hosted=2.0)) - now
        return 1 - now / slope if abs(slope) > 1e-9 * (1 + abs(now)) else None

    def _checks(self, even: float) -> float:
        return even * self.out.checks - self.own.checks


def stakes(case: Case, model: Hosted) -> Stakes | None:
    """The stakes between all on boxes and all on this model; `None` where its price is unknown or nothing is asked."""
    hosted, local = all_hosted(case, model), all_local(case, model)
    if hosted.usd_hosted is None or local.usd_hosted is None or not hosted.requests:
        return None
    return _stakes(case, model, hosted, {work.name: 1.0 for work in case.works}, local, held=None)


def stakes_of_mix(case: Case, model: Hosted, mix: Bill, hosted: Bill) -> Stakes | None:
    """The stakes between a mix and everything hosted, its number of boxes and its share on them held."""
    if mix.usd_hosted is None or hosted.usd_hosted is None or not mix.boxes:
        return None
    return _stakes(case, model, hosted, dict(mix.shares), mix, held=mix.boxes)


def _stakes(
    case: Case, model: Hosted, hosted: Bill, shares: Mapping[str, float], local: Bill, *, held: int | None
) -> Stakes:
    room = mean_load_per_box(case)
    free = [work for work in case.works if not work.must_stay]

    def on_box(works: Mapping[str, float]) -> Load:
        return load(case.box, [(work, works.get(work.name, 0.0)) for work in case.works], room)

    busy = busy_boxes(case.box, [(work, shares.get(work.name, 0.0)) for work in case.works])
    return Stakes(
        fixed_per_box=float(usd_per_month_fixed(case.box.box)),
        power_per_box=local.usd_power * room / busy if busy else 0.0,
        out=Side(
            calls=calls(model, [(work, 1.0) for work in free]),
            work=on_box({work.name: 1.0 for work in case.works if work.must_stay}),
            staff=hosted.usd_staff,
            checks=hosted.usd_checks,
            spare=hosted.spare,
        ),
        own=Side(
            calls=calls(model, [(work, 1 - shares.get(work.name, 0.0)) for work in free]),
            passed_on=passed_on(case, model, [(work, shares.get(work.name, 0.0)) for work in free]),
            work=on_box(shares),
            staff=local.usd_staff,
            checks=local.usd_checks,
            spare=local.spare,
            held=held,
        ),
        ends=endings(case.works, shares),
        most_cached=min(
            ((1 - work.cache_write_share) / work.cache_read_share for work in case.works if work.cache_read_share),
            default=inf,
        ),
        most_derate=1 / case.box.derate,
    )
