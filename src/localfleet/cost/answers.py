"""
The five answers of the person who pays, and the verdict in one sentence: which option, what it costs a month, from
which volume it flips, how likely, what the number rests on.
"""

from localfleet.core.plan.bills import Bill
from localfleet.cost.entries import bill_id
from localfleet.cost.outcome import Outcome
from localfleet.cost.paper import dollars, percent
from localfleet.cost.plots.canvas import short
from localfleet.cost.sheet import Answer

__all__ = ["NO_TRAFFIC", "answers", "verdict"]

NO_TRAFFIC = "No traffic: nothing to compare."
SPEEDS = {"calibrated": "measured speed", "stated": "stated speed", "roofline": "estimated speed"}


def verdict(outcome: Outcome) -> str:
    """The answer to "rent tokens or buy the GPU"."""
    best, other = outcome.best, outcome.runner_up
    if best is None or best.total is None:
        return NO_TRAFFIC if not outcome.bills else _alone(outcome)
    if best.kind == "hosted" and not best.boxes:
        head = f"Rent tokens: {best.name} costs {dollars(best.total)} a month"
        tail = f", the box {dollars(other.total)} ({_boxes(other)})" if other else ""
        return f"{head}{tail}. {_flip(outcome)}"
    if best.kind == "hosted":
        return f"Take {_boxes(best)} for what must stay and rent the rest: {dollars(best.total)} a month."
    if best.kind == "mixed":
        pure = f" ({best.hosted} for everything: {dollars(other.total)})" if other and not _must_stay(outcome) else ""
        return f"Take the box and rent the rest: {best.name}, {dollars(best.total)} a month{pure}."
    if outcome.against is None:
        return _alone(outcome)
    against = f" against {dollars(other.total)} on {_named(other)}" if other else ""
    word = "Take" if outcome.case.box.purchase_usd is None else "Buy"
    return f"{word} the box: {_boxes(best)}, {dollars(best.total)} a month{against}. {_flip(outcome)}"


def answers(outcome: Outcome) -> tuple[Answer, ...]:
    """The five, in the order in which they are asked; one where there is no traffic."""
    best = outcome.best
    if best is None:
        return (Answer(question="Which option?", short="no traffic", detail=NO_TRAFFIC),)
    return (_which(outcome, best), _cost(best), _where(outcome), _likely(outcome), _rests(outcome))


def _alone(outcome: Outcome) -> str:
    total = dollars(outcome.box.total) if outcome.box else "unknown"
    return (
        f"No usable hosted model has a known price, so the box stands alone at {total} a month: declare `prices:` in "
        "models.yaml to compare."
    )


def _which(outcome: Outcome, best: Bill) -> Answer:
    other = outcome.runner_up
    detail = "nothing else has a known price"
    if other is not None and other.total is not None and best.total:
        gap = other.total - best.total
        detail = f"{dollars(abs(gap))} a month {'cheaper' if gap >= 0 else 'dearer'} than {_named(other)}"
    if outcome.case.box.spare and best.kind == "box":
        detail += f"; {outcome.case.box.spare} of the boxes stands by for a failure"
    return Answer(question="Which option?", short=_named(best), detail=f"{detail}.")


def _cost(best: Bill) -> Answer:
    parts = (
        ("boxes", best.usd_fixed),
        ("power for requests", best.usd_power),
        ("staff", best.usd_staff),
        ("hosted tokens", best.usd_hosted or 0.0),
        ("checks", best.usd_checks),
    )
    told = " + ".join(f"{name} {dollars(value)}" for name, value in parts if value)
    each = "" if best.usd_per_completed is None else f"; {dollars(best.usd_per_completed)} a completed action"
    return Answer(
        question="What does it cost?",
        short=f"{dollars(best.total)} a month",
        detail=f"{told}{each}.",
        id=f"{bill_id(best)}.total",
    )


def _where(outcome: Outcome) -> Answer:
    question, point = "From which volume does it flip?", outcome.crossing
    if point is None or outcome.against is None:
        return Answer(question=question, short="unknown", detail="no usable hosted model has a known price.")
    if outcome.best is not None and outcome.best.kind == "mixed":
        return _where_mixed(outcome, question)
    key = "breakeven.requests_per_month"
    if point.requests is None:
        detail = (
            f"a request on {outcome.against.name} costs no more than the box's power for it, or boxes never catch up."
        )
        return Answer(question=question, short="never", detail=detail, id=key)
    if point.requests == 0:
        detail = "the boxes for what must stay are owed anyway, and the rest costs less on them than outside."
        return Answer(question=question, short="at any volume", detail=detail, id=key)
    now = sum(work.requests for work in outcome.case.works)
    times = point.requests / now
    told = f"{times:.3g} times today's" if times >= 1 else f"{percent(times)} of today's"
    boxes = f"{point.boxes} boxes" if point.boxes != 1 else "one box"
    busy = "" if point.busy_share is None else f", busy {percent(point.busy_share)} of the time"
    return Answer(
        question=question,
        short=f"{short(point.requests)} requests a month",
        detail=f"{told}; from there {boxes}{busy}, cheaper than {outcome.against.name}.",
        id=key,
    )


def _where_mixed(outcome: Outcome, question: str) -> Answer:
    """For a mix: its boxes and its share held."""
    times = outcome.lead.volume_of_tie if outcome.lead else None
    if times is None or outcome.against is None:
        return Answer(question=question, short="never", detail="the boxes of the mix save nothing at any volume.")
    if times == 0:
        detail = "its boxes are owed for what must stay in any case."
        return Answer(question=question, short="at any volume", detail=detail)
    now = sum(work.requests for work in outcome.case.works)
    return Answer(
        question=question,
        short=f"{short(times * now)} requests a month",
        detail=f"{percent(times)} of today's: below it {outcome.against.name} is cheaper than this mix.",
    )


def _likely(outcome: Outcome) -> Answer:
    question, drawn = "How likely is that?", outcome.chances
    if drawn is None or outcome.best is None:
        return Answer(question=question, short="unknown", detail="there is no hosted price to hold it against.")
    box_wins = outcome.best.kind != "hosted"
    name = "the mix" if outcome.best.kind == "mixed" else "the box"
    who = f"{name} is cheaper" if box_wins else "hosted is cheaper than the box"
    low, high = sorted((drawn.p10, drawn.p90))
    return Answer(
        question=question,
        short=percent(drawn.box_cheaper if box_wins else 1 - drawn.box_cheaper),
        detail=f"of {drawn.draws:,} draws of all that is uncertain, {who}; {name} saves {dollars(low)} to "
        f"{dollars(high)} a month in the middle 80 % (below zero it loses).",
        id="chance.box_cheaper",
    )


def _rests(outcome: Outcome) -> Answer:
    box = outcome.case.box
    head, _, basis = box.speed.partition(":")
    level, comma, error = head.partition(",")
    model = "" if outcome.against is None else f"; {outcome.against.name}: {outcome.against.origin}"
    return Answer(
        question="What does it rest on?",
        short=f"{SPEEDS.get(level, level)}{comma}{error}",
        detail=f"speed from {basis.strip()}; box: {box.origin}{model}.",
    )


def _flip(outcome: Outcome) -> str:
    point = outcome.crossing
    if point is None:
        return ""
    if point.requests is None:
        return "The box never pays against it."
    if point.requests == 0:
        return "Its boxes are owed for what must stay, so it pays at any volume."
    now = sum(work.requests for work in outcome.case.works)
    if point.requests > now:
        return f"The box pays from {point.requests:,.0f} requests a month; this is {now:,.0f}."
    return f"It pays from {point.requests:,.0f} requests a month; this is {now:,.0f}."


def _must_stay(outcome: Outcome) -> bool:
    return any(work.must_stay and work.requests for work in outcome.case.works)


def _named(bill: Bill) -> str:
    if bill.kind == "hosted" and bill.boxes:
        return f"{bill.name} and boxes for what must stay"
    return _boxes(bill) if bill.kind == "box" else bill.name


def _boxes(bill: Bill | None) -> str:
    if bill is None:
        return "no box"
    spare = f" with {bill.spare} spare" if bill.spare else ""
    base = bill.name.split(" x ", 1)[-1] if bill.name[:1].isdigit() and bill.boxes != 1 else bill.name
    return f"{bill.boxes} x {base}{spare}" if bill.boxes > 1 else f"{bill.name}{spare}"
