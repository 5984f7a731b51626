"""The box's dollars per million tokens on every basis that people quote, each with its name: they do not compare."""

from decimal import Decimal

from localfleet.core.cost.hour import usd_split
from localfleet.core.plan.bills import Bill, own_usd
from localfleet.core.plan.case import Case
from localfleet.cost.outcome import Outcome
from localfleet.cost.paper import dollars
from localfleet.cost.plots.money import bases_picture
from localfleet.cost.sheet import Grid, Section

__all__ = ["bases_section"]


def bases_section(outcome: Outcome) -> tuple[Section, ...]:
    """Allocated over output, allocated over all tokens, when full, marginal, and the hosted price on all tokens."""
    box, at_stake = outcome.box, outcome.stakes
    if box is None or box.total is None:
        return ()
    case = outcome.case
    tokens_in = sum(work.requests * work.input_tokens for work in case.works) / 1e6
    tokens_out = sum(work.requests * work.output_tokens for work in case.works) / 1e6
    marginal = sum(work.requests * own_usd(case.box, work) for work in case.works)
    by_input, by_output = _causes(case, box.total)
    rows: list[tuple[str, float | None, str]] = [
        ("the box, allocated to output tokens alone", box.total / tokens_out if tokens_out else None, "box"),
        ("the box, allocated to all tokens", box.total / (tokens_in + tokens_out), "box"),
        ("the box, allocated by work: to input tokens", by_input / tokens_in if tokens_in else None, "box"),
        ("the box, allocated by work: to output tokens", by_output / tokens_out if tokens_out else None, "box"),
        ("the box when full, all tokens", _when_full(case, box, tokens_in + tokens_out), "box"),
        ("the box, marginal: one more token of the mix", marginal / (tokens_in + tokens_out), "spare"),
    ]
    if outcome.against is not None and at_stake is not None:
        rows.append(
            (f"{outcome.against.name}, list price, all tokens", at_stake.hosted / (tokens_in + tokens_out), "hosted")
        )
    grid = Grid(head=("basis", "USD per Mtok"), rows=[(name, dollars(value)) for name, value, _ in rows])
    return (
        Section(
            title="One bill on several bases",
            prose=[
                "The basis is in the name. Route on the marginal figure, report on the allocated one, never mix them."
            ],
            grids=[grid],
            pictures=[bases_picture(rows)],
        ),
    )


def _causes(case: Case, total: float) -> tuple[float, float]:
    """Dollars of the month by the work that input and output cause (an answer reads its context: that is output)."""
    works = [(work.requests, case.box.capacity[work.name]) for work in case.works if work.requests]
    seconds = sum(requests * float(each.box_seconds_per_request) for requests, each in works)
    parts = [
        (requests, usd_split(Decimal(repr(total / seconds)) * each.box_seconds_per_request, each))
        for requests, each in works
    ]
    into, out = (sum(requests * float(each[side]) for requests, each in parts) for side in (0, 1))
    return into, out


def _when_full(case: Case, box: Bill, mtok: float) -> float | None:
    """The least it can reach: the same boxes at their busy limit all month."""
    if not box.busy_share or box.total is None:
        return None
    serving = box.busy_share * box.boxes / max(box.boxes - box.spare, 1)
    return (box.total - box.usd_power) / mtok * serving / (case.box.busy_limit * case.box.derate) + box.usd_power / mtok
