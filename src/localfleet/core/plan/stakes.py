"""
What the box saves against a hosted model as a function of the uncertain inputs, each as a factor on today's value.

    saving = v a hosted - [ g fixed (ceil(v need / s) + spare) + staff + v running ]

`v` volume, `a` hosted price, `g` price of the GPU, `s` speed of the box. One function for the draws, the tornado and
the nearest flips, so that they cannot disagree.
"""

from dataclasses import dataclass
from math import ceil

from localfleet.core.cost.hour import usd_per_month_fixed
from localfleet.core.plan.bills import Bill, all_hosted, all_local, busy_boxes, mean_load_per_box
from localfleet.core.plan.case import Case, Hosted

__all__ = ["INPUTS", "Stakes", "stakes", "stakes_of_mix"]

INPUTS = ("volume", "hosted price", "GPU price", "speed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stakes:
    """US dollars a month at today's values. `need` is boxes before rounding up; `hosted` holds no box."""

    hosted: float
    fixed_per_box: float
    need: float
    spare: int
    staff: float
    running: float

    def saving(self, volume: float = 1.0, hosted: float = 1.0, gpu: float = 1.0, speed: float = 1.0) -> float:
        """US dollars a month that the box saves; below zero it loses."""
        boxes = max(1, ceil(volume * self.need / speed - 1e-9)) + self.spare
        own = gpu * self.fixed_per_box * boxes + self.staff + volume * self.running
        return volume * hosted * self.hosted - own

    @property
    def volume_of_tie(self) -> float | None:
        """The factor on volume from which these boxes are cheaper, their number held; `None`: never."""
        margin = self.hosted - self.running
        if margin <= 0:
            return None
        boxes = max(1, ceil(self.need - 1e-9)) + self.spare
        return (self.fixed_per_box * boxes + self.staff) / margin


def stakes(case: Case, model: Hosted) -> Stakes | None:
    """The stakes between all on boxes and all on this model; `None` where its price is unknown or nothing is asked."""
    hosted, local = all_hosted(case, model), all_local(case, model)
    if hosted.usd_hosted is None or local.usd_hosted is None or not hosted.requests:
        return None
    own = hosted.usd_fixed + hosted.usd_staff + hosted.usd_power
    load = busy_boxes(case.box, [(work, 1.0) for work in case.works])
    return Stakes(
        hosted=hosted.usd_hosted + own - local.usd_hosted,
        fixed_per_box=float(usd_per_month_fixed(case.box.box)),
        need=load / mean_load_per_box(case),
        spare=case.box.spare,
        staff=case.box.staff_usd,
        running=local.usd_power,
    )


def stakes_of_mix(case: Case, mix: Bill, hosted: Bill) -> Stakes | None:
    """The stakes between a mix and everything hosted, its number of boxes and its share on them held."""
    if mix.usd_hosted is None or hosted.usd_hosted is None or not mix.boxes:
        return None
    own = hosted.usd_fixed + hosted.usd_staff + hosted.usd_power
    return Stakes(
        hosted=hosted.usd_hosted + own - mix.usd_hosted,
        fixed_per_box=float(usd_per_month_fixed(case.box.box)),
        need=0.0,
        spare=mix.boxes - 1,
        staff=mix.usd_staff,
        running=mix.usd_power,
    )
