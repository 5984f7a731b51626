"""
What the box saves against a hosted model as a function of the uncertain inputs, each as a factor on today's value.

    saving = v a hosted - [ g fixed (ceil(v need / s) + spare - owed) + staff + v running ]
    owed   = ceil(v stays / s) + spare, the boxes that work which must stay needs in any case; none without such work

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
    """
    US dollars a month at today's values. `need` and `stays` are boxes before rounding up; `hosted` holds no box.

    `staff` and `running` are what the boxes cost beyond those that are owed anyway.
    """

    hosted: float
    fixed_per_box: float
    need: float
    spare: int
    staff: float
    running: float
    stays: float = 0.0
    owed_spare: int = 0

    def boxes(self, work: float) -> int:
        """Boxes beyond those that are owed anyway, for the work of so many times today's."""
        owed = ceil(work * self.stays - 1e-9) + self.owed_spare if self.stays else 0
        return max(1, ceil(work * self.need - 1e-9)) + self.spare - owed

    def saving(self, volume: float = 1.0, hosted: float = 1.0, gpu: float = 1.0, speed: float = 1.0) -> float:
        """US dollars a month that the box saves; below zero it loses."""
        own = gpu * self.fixed_per_box * self.boxes(volume / speed) + self.staff + volume * self.running
        return volume * hosted * self.hosted - own

    @property
    def volume_of_tie(self) -> float | None:
        """The factor on volume from which these boxes are cheaper, their number held; `None`: never."""
        margin = self.hosted - self.running
        if margin <= 0:
            return None
        return max(0.0, (self.fixed_per_box * self.boxes(1.0) + self.staff) / margin)


def stakes(case: Case, model: Hosted) -> Stakes | None:
    """The stakes between all on boxes and all on this model; `None` where its price is unknown or nothing is asked."""
    hosted, local = all_hosted(case, model), all_local(case, model)
    if hosted.usd_hosted is None or local.usd_hosted is None or not hosted.requests:
        return None
    stay = [(work, 1.0) for work in case.works if work.must_stay]
    room = mean_load_per_box(case)
    return Stakes(
        hosted=hosted.usd_hosted - local.usd_hosted,
        fixed_per_box=float(usd_per_month_fixed(case.box.box)),
        need=busy_boxes(case.box, [(work, 1.0) for work in case.works]) / room,
        spare=case.box.spare,
        staff=local.usd_staff - hosted.usd_staff,
        running=local.usd_power - hosted.usd_power,
        stays=busy_boxes(case.box, stay) / room,
        owed_spare=hosted.spare,
    )


def stakes_of_mix(case: Case, mix: Bill, hosted: Bill) -> Stakes | None:
    """The stakes between a mix and everything hosted, its number of boxes and its share on them held."""
    if mix.usd_hosted is None or hosted.usd_hosted is None or not mix.boxes:
        return None
    return Stakes(
        hosted=hosted.usd_hosted - mix.usd_hosted,
        fixed_per_box=float(usd_per_month_fixed(case.box.box)),
        need=0.0,
        spare=mix.boxes - hosted.boxes - 1,
        staff=mix.usd_staff - hosted.usd_staff,
        running=mix.usd_power - hosted.usd_power,
    )
