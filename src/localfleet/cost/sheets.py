"""An outcome as a sheet: the five answers on top, then bills, crossings, doubt, bases, and what it all rests on."""

from hashlib import sha256

from localfleet import __version__
from localfleet.core.plan.bills import Bill
from localfleet.core.plan.case import Case, Work
from localfleet.cost.answers import NO_TRAFFIC, answers, verdict
from localfleet.cost.bases import bases_section
from localfleet.cost.caches import caches_section
from localfleet.cost.doubts import spread_words
from localfleet.cost.entries import bill_id, book_of
from localfleet.cost.outcome import Outcome
from localfleet.cost.paper import dollars, percent
from localfleet.cost.plots.bars import Swing
from localfleet.cost.plots.load import swings_picture
from localfleet.cost.plots.money import BoxSteps, border_picture, volume_picture
from localfleet.cost.sheet import Cell, Grid, Picture, Section, Sheet

__all__ = ["sheet_of"]

TITLE = "Rent tokens or buy the GPU?"
SAME = "Both ways are held to the same completed actions."


def sheet_of(outcome: Outcome, *, more: tuple[Section, ...] = (), doubts: tuple[str, ...] = ()) -> Sheet:
    """The report; `more` are sections of others (replay, hours), `doubts` warnings beyond those of the case."""
    case = outcome.case
    sections = (
        ()
        if not outcome.bills
        else (_bill(outcome), *_flips(outcome), *_doubt(outcome), *bases_section(outcome), *caches_section(case), *more)
    )
    return Sheet(
        title=f"{TITLE} {case.title}",
        verdict=verdict(outcome) if outcome.bills else NO_TRAFFIC,
        answers=answers(outcome),
        sections=(*sections, _rests(case)),
        warnings=(*doubts, *case.warnings),
        book=book_of(outcome),
        made=f"localfleet {__version__}, {case.today.isoformat()}, inputs {_hash(case)}",
    )


def _bill(outcome: Outcome) -> Section:
    head = (
        "option",
        "USD a month, total",
        "USD a completed action",
        "boxes",
        "fixed",
        "power",
        "staff",
        "hosted",
        "checks",
    )
    rows = [_row(bill) for bill in outcome.bills]
    best = next((number for number, bill in enumerate(outcome.bills) if bill == outcome.best), None)
    prose = ["Total basis, US dollars a month; a completed action is allocated: the total over all that ended well."]
    if any(work.must_stay and work.requests for work in outcome.case.works):
        names = ", ".join(work.name for work in outcome.case.works if work.must_stay)
        prose.append(f"What must stay ({names}) is on boxes in every row; a row without boxes would not be legal.")
    return Section(
        title="The month's bill", prose=prose, grids=[Grid(head=head, rows=rows, strong=best)], pictures=_plots(outcome)
    )


def _row(bill: Bill) -> list[Cell | str]:
    key = bill_id(bill)
    spare = f" ({bill.spare} spare)" if bill.spare else ""
    name = f"{bill.name}, no spare" if bill.kind == "box" and not bill.spare and bill.boxes else bill.name
    if bill.kind == "hosted" and bill.boxes:
        name = f"{bill.name}, and boxes for what must stay"
    parts = (
        ("fixed", bill.usd_fixed),
        ("power", bill.usd_power),
        ("staff", bill.usd_staff),
        ("hosted", bill.usd_hosted),
        ("checks", bill.usd_checks),
    )
    return [
        name,
        Cell(words=dollars(bill.total), id=f"{key}.total"),
        Cell(words=dollars(bill.usd_per_completed), id=f"{key}.usd_per_completed"),
        f"{bill.boxes}{spare}" if bill.boxes else "none",
        *(Cell(words=dollars(value) if value != 0 else "0", id=f"{key}.{part}") for part, value in parts),
    ]


def _plots(outcome: Outcome) -> list[Picture]:
    case, box, against, at_stake = outcome.case, outcome.box, outcome.against, outcome.stakes
    if box is None or against is None or at_stake is None or at_stake.need <= 0:
        return []
    requests = box.requests
    steps = [
        BoxSteps(
            name=f"{case.box.name} + {spare} spare" if spare else case.box.name,
            usd_per_box=at_stake.fixed_per_box,
            usd_staff=box.usd_staff,
            usd_per_request=box.usd_power / requests,
            requests_per_box=requests / at_stake.need,
            spare=spare,
            kind="spare" if spare else "box",
        )
        for spare in sorted({0, case.box.spare})
    ]
    flip = outcome.crossing.requests if outcome.crossing else None
    hosted = [(against.name, at_stake.hosted / requests)]
    if at_stake.stays and outcome.hosted is not None:
        owed = BoxSteps(
            name=f"{against.name} and boxes",
            usd_per_box=at_stake.fixed_per_box,
            usd_staff=outcome.hosted.usd_staff,
            usd_per_request=(at_stake.hosted + outcome.hosted.usd_power) / requests,
            requests_per_box=requests / at_stake.stays,
            spare=at_stake.out.spare,
            kind="hosted",
        )
        return [volume_picture([*steps, owed], [], here=requests, flip=flip or None)]
    when_full = requests / at_stake.need
    one = at_stake.fixed_per_box * (1 + case.box.spare) + box.usd_staff
    return [
        volume_picture(steps, hosted, here=requests, flip=flip),
        border_picture(
            usd_per_box=one, requests_when_full=when_full, here=(min(1.0, at_stake.need), at_stake.hosted / requests)
        ),
    ]


def _flips(outcome: Outcome) -> tuple[Section, ...]:
    if not outcome.flips:
        return ()
    rows = [
        (flip.name, flip.now, flip.then, "a step" if flip.times is None else f"x {flip.times:.3g}")
        for flip in outcome.flips
    ]
    point = outcome.crossing
    prose = ["What each input alone would have to become for the other side to win; the nearest first. " + SAME]
    if point is not None and point.payback_months is not None:
        prose.append(f"Bought, the box has paid for itself after {point.payback_months:.1f} months.")
    return (
        Section(
            title="What would change the answer",
            prose=prose,
            grids=[Grid(head=("input", "now", "flips at", "change"), rows=rows)],
        ),
    )


def _doubt(outcome: Outcome) -> tuple[Section, ...]:
    drawn, against = outcome.chances, outcome.against
    if drawn is None or outcome.lead is None or against is None:
        return ()
    swings = [
        Swing(
            name=reach.name,
            at_low=reach.at_low,
            at_high=reach.at_high,
            low_words=f"x {reach.low:.2f}",
            high_words=f"x {reach.high:.2f}",
        )
        for reach in drawn.reaches
    ]
    ends = (("p10", drawn.p10), ("p50", drawn.p50), ("p90", drawn.p90))
    row = [Cell(words=dollars(value), id=f"saving.{key}") for key, value in ends]
    chance = Cell(words=percent(drawn.box_cheaper), id="chance.box_cheaper")
    head = ("what the box saves, USD a month, total", "P10", "P50", "P90", "box is cheaper")
    return (
        Section(
            title="How sure",
            prose=spread_words(outcome.case.sigmas, drawn),
            grids=[Grid(head=head, rows=[[f"against {against.name}", *row, chance]])],
            pictures=[swings_picture(swings, middle=outcome.lead.saving())],
        ),
    )


def _rests(case: Case) -> Section:
    rows = [list(row) for row in case.assumed]
    speeds = [
        (
            f"speed for {work.name}",
            f"{float(case.box.capacity[work.name].box_seconds_per_request) * 1000:.4g} ms of the box a request",
            case.box.capacity[work.name].basis,
        )
        for work in case.works
    ]
    shapes = [
        (
            f"work: {work.name}",
            f"{work.requests:,.0f} requests a month of {work.input_tokens:,.0f} in, {work.output_tokens:,.0f} out"
            + (", must stay" if work.must_stay else ""),
            _rates(work),
        )
        for work in case.works
    ]
    return Section(
        title="What it rests on",
        grids=[Grid(head=("what", "value", "who says so"), rows=[*shapes, *speeds, *rows], first_number=9)],
    )


def _rates(work: Work) -> str:
    return (
        f"cached {percent(work.cache_read_share)}, falls back {percent(work.fallback_share)}, "
        f"retried {percent(work.retry_share)}"
    )


def _hash(case: Case) -> str:
    """The same inputs have the same hash; the day is not among them."""
    told = (case.title, case.works, case.hosted, case.box, case.arrivals, case.sigmas, case.against)
    return sha256(repr(told).encode()).hexdigest()[:12]
