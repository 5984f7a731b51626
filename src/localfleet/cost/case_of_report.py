"""A comparison of one box with hosted models -> a case: `compare` too has chances, flips and the full report."""

from datetime import date

from localfleet.core.cost.capacity import Workload
from localfleet.core.cost.compare import BoxLine, HostedLine
from localfleet.core.cost.hour import Owned, Rented
from localfleet.core.plan.case import Arrivals, BoxCase, Case, Hosted, Work
from localfleet.cost.doubts import sigmas_of
from localfleet.cost.paper import percent
from localfleet.cost.plan_file import Finance, Uncertainty
from localfleet.cost.view import Report

__all__ = ["case_of_report"]

NAME = "requests"


def case_of_report(report: Report, *, today: date) -> Case | None:
    """The same inputs as a case; `None` without traffic."""
    done = report.comparison
    if done.box is None:
        return None
    return Case(
        title=f"{done.workload.requests_per_month:,.0f} requests a month, {done.box.option.name}",
        works=(_work(done.workload),),
        hosted=tuple(map(_hosted, done.hosted)),
        box=_box(done.box, dict(report.assumed)),
        today=today,
        arrivals=Arrivals(peak_to_mean=float(done.workload.peak_to_mean)),
        sigmas=sigmas_of(Finance(), Uncertainty(), rented=isinstance(done.box.option.box, Rented)),
        against=None if done.against is None else done.against.option.name,
        assumed=tuple((name, value, "stated, or the default") for name, value in report.assumed),
        warnings=report.warnings,
    )


def _work(workload: Workload) -> Work:
    return Work(
        name=NAME,
        requests=float(workload.requests_per_month),
        input_tokens=float(workload.input_tokens_per_request),
        output_tokens=float(workload.output_tokens_per_request),
        cache_read_share=float(workload.cache_read_share),
        cache_write_share=float(workload.cache_write_share),
    )


def _hosted(line: HostedLine) -> Hosted:
    return Hosted(name=line.option.name, price=line.option.price, usable=line.usable, notes=line.notes)


def _box(line: BoxLine, assumed: dict[str, str]) -> BoxCase:
    option = line.option
    error = option.capacity.error_share
    within = "" if error is None else f", error {percent(error)}"
    return BoxCase(
        name=option.name,
        box=option.box,
        capacity={NAME: option.capacity},
        derate=1.0,
        busy_limit=float(option.busy_limit),
        spare=option.spare_boxes,
        staff_usd=float(option.staff_usd_per_month),
        origin=assumed.get("price of the box", "stated"),
        speed=f"{option.capacity.level}{within}: {option.capacity.basis}",
        purchase_usd=float(option.box.box_purchase_usd) if isinstance(option.box, Owned) else None,
    )
