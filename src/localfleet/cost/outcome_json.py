"""An outcome as one JSON object: answers, bills with their basis, crossing, chances, and every figure by id."""

from typing import Any

from localfleet.core.plan.bills import Bill
from localfleet.cost.outcome import Outcome
from localfleet.cost.paper import plain
from localfleet.cost.sheet import Sheet

__all__ = ["outcome_json"]


def outcome_json(outcome: Outcome, sheet: Sheet) -> dict[str, Any]:
    """Shares are 0 to 1, unknown is null; money says its basis in its name."""
    return {
        "answer": sheet.verdict,
        "answers": {answer.question: f"{answer.short}: {answer.detail}" for answer in sheet.answers},
        "best": outcome.best.name if outcome.best else None,
        "against": outcome.against.name if outcome.against else None,
        "bills": [_bill(bill) for bill in outcome.bills],
        "break_even": plain(outcome.crossing),
        "flips": plain(outcome.flips),
        "box_cheaper_share": outcome.chances.box_cheaper if outcome.chances else None,
        "saving_usd_per_month_total": {
            "p10": outcome.chances.p10,
            "p50": outcome.chances.p50,
            "p90": outcome.chances.p90,
        }
        if outcome.chances
        else None,
        "tornado": plain(outcome.chances.reaches) if outcome.chances else [],
        "waiting": {
            "usd_per_month_total": outcome.chances.knowing,
            "months": outcome.chances.waiting_share * outcome.case.sigmas.horizon_years * 12,
        }
        if outcome.chances
        else None,
        "certain": list(outcome.chances.certain) if outcome.chances else [],
        "assumed": [{"name": name, "value": value, "source": source} for name, value, source in outcome.case.assumed],
        "warnings": list(sheet.warnings),
        "figures": sheet.book.as_json(),
        "made": sheet.made,
    }


def _bill(bill: Bill) -> dict[str, Any]:
    return {
        "option": bill.name,
        "kind": bill.kind,
        "boxes": bill.boxes,
        "spare_boxes": bill.spare,
        "usd_per_month_fixed": bill.usd_fixed,
        "usd_per_month_power": bill.usd_power,
        "usd_per_month_staff": bill.usd_staff,
        "usd_per_month_hosted": bill.usd_hosted,
        "usd_per_month_checks": bill.usd_checks,
        "usd_per_month_total": bill.total,
        "usd_per_request_allocated": bill.usd_per_request,
        "usd_per_completed_action_allocated": bill.usd_per_completed,
        "local_share": bill.local_share,
        "busy_share": bill.busy_share,
    }
