"""
A case worked out: every bill, the model to compare with, the crossing, the chances, and which way is the cheapest.

The answer is by cost per completed action: where success is the same everywhere that is the total.
"""

from dataclasses import dataclass
from math import inf

from localfleet.core.plan.bills import Bill, all_hosted, all_local, best_mix
from localfleet.core.plan.case import Case, Hosted
from localfleet.core.plan.crossing import Crossing, Flip, crossing, flips
from localfleet.core.plan.stakes import Stakes, stakes, stakes_of_mix
from localfleet.cost.chances import Chances, chances
from localfleet.cost.inputs import Misuse

__all__ = ["Outcome", "work_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    `bills` are the legal ways: each hosted model, the boxes, the boxes without a spare, the best mix.

    `against` is the hosted model that the box is held against; `None` where no usable one has a price, and then there
    are no crossing and no chances. `best` is `None` without traffic. `stakes` are those of everything on boxes; `lead`
    those of the mix where that is the best, else the same: the chances are of `lead`.
    """

    case: Case
    bills: tuple[Bill, ...]
    best: Bill | None
    box: Bill | None
    hosted: Bill | None
    against: Hosted | None
    crossing: Crossing | None
    flips: tuple[Flip, ...]
    stakes: Stakes | None
    lead: Stakes | None
    chances: Chances | None

    @property
    def runner_up(self) -> Bill | None:
        """The best of the other kind: the box where hosted wins, the hosted model where a box wins."""
        if self.best is None:
            return None
        return self.box if self.best.kind == "hosted" else self.hosted


def work_out(case: Case) -> Outcome:
    """Everything that a report says; raises `Misuse` where `against` names no priced model."""
    if not sum(work.requests for work in case.works):
        return Outcome(
            case=case,
            bills=(),
            best=None,
            box=None,
            hosted=None,
            against=None,
            crossing=None,
            flips=(),
            stakes=None,
            lead=None,
            chances=None,
        )
    rows = [(model, all_hosted(case, model)) for model in case.hosted]
    against = _against(case, rows)
    box = all_local(case, against)
    others = _others(case, against, box)
    bills = (*sorted((bill for _, bill in rows), key=_order), box, *others)
    usable = {model.name for model in case.hosted if model.usable}
    candidates = [bill for bill in bills if bill.kind != "hosted" or bill.name in usable]
    at_stake = stakes(case, against) if against else None
    hosted = next((bill for model, bill in rows if model == against), None)
    best = min((bill for bill in candidates if _keeps_its_spare(case, bill)), key=_order)
    lead = stakes_of_mix(case, against, best, hosted) if best.kind == "mixed" and hosted and against else at_stake
    return Outcome(
        case=case,
        bills=bills,
        best=best,
        box=box,
        hosted=hosted,
        against=against,
        crossing=crossing(case, against) if against else None,
        flips=flips(case, against) if against else (),
        stakes=at_stake,
        lead=lead,
        chances=chances(lead, case.sigmas) if lead else None,
    )


def _against(case: Case, rows: list[tuple[Hosted, Bill]]) -> Hosted | None:
    priced = [(model, bill) for model, bill in rows if bill.total is not None]
    if case.against is not None:
        named = next((model for model, _ in priced if model.name == case.against), None)
        if named is None:
            known = ", ".join(model.name for model, _ in priced) or "none"
            raise Misuse(f"--against must be a hosted model with a known price here; those are: {known}")
        return named
    return min(
        ((model, bill) for model, bill in priced if model.usable), key=lambda row: _order(row[1]), default=(None,)
    )[0]


def _others(case: Case, against: Hosted | None, box: Bill) -> list[Bill]:
    """Without the spare boxes, where there are any; and the mix, where it differs from both pure ways."""
    found = [all_local(case, against, spare=0)] if box.spare else []
    if against is not None:
        mix = best_mix(case, against)
        if 0 < mix.local_share < 1:
            found.append(mix)
    return found


def _keeps_its_spare(case: Case, bill: Bill) -> bool:
    """A box without the spare that was asked for is shown and not chosen; what spills anyway needs none."""
    return bill.kind == "mixed" or bill.spare >= case.box.spare or not bill.boxes


def _order(bill: Bill) -> float:
    return inf if bill.usd_per_completed is None else bill.usd_per_completed
