"""The traffic of a plan: its trace or the ledger, played at the plan's volume, so that boxes are sized on bursts."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localfleet.cli.cost_progress import counted
from localfleet.cli.parts import home_path
from localfleet.core.cost.shadow import demand_by_hour
from localfleet.core.cost.traffic import Requests
from localfleet.cost.bursts import Played, Rules, play, trace_of
from localfleet.cost.case_of_plan import chosen_deployment, token_work_of
from localfleet.cost.inputs import Misuse
from localfleet.cost.plan_file import PlanFile
from localfleet.traces.arrivals import arrivals
from localfleet.traces.values import Arrival

__all__ = ["Seen", "seen_traffic"]

MONTH_S = 730 * 3600.0
LEDGER_DAYS = 30
EPOCH_HOUR = 72
"""Unix time begins on a Thursday."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The trace as it was, and played at the plan's volume; `first_s` is when it began (Unix time, or any zero)."""

    trace: Requests
    played: Played
    first_s: float
    name: str

    @property
    def by_hour(self) -> tuple[list[float], int]:
        """Mean requests in each hour of the week (Monday 0:00 UTC first), and how many hours the trace has seen."""
        demand, hours = demand_by_hour(self.trace, first_hour_of_week=(self.first_s / 3600 + EPOCH_HOUR) % 168)
        return demand.tolist(), hours


def seen_traffic(plan: PlanFile, file: Path, deployment: str | None) -> Seen:
    """Read and play what `traffic` names, paths relative to the plan. Raises `Misuse`, `BadInput`, `LedgerFault`."""
    name, found = _source(plan, file)
    if len(found) < 2 or found[-1].at_s <= found[0].at_s:
        raise Misuse(f"traffic: {name} holds no span of time to read a rate off")
    asked = sum(row.monthly_requests for row in plan.workflows)
    pace = len(found) / (found[-1].at_s - found[0].at_s) * MONTH_S
    slo = chosen_deployment(plan, deployment).slo
    rules = Rules(wait_s=slo.ttft_p99_s, rate=asked / pace if asked else 1.0)
    work = token_work_of(plan, deployment)
    error = chosen_deployment(plan, deployment).calibration.mape
    played = play(trace_of([found], [], rules), work, rules, error_share=error)
    return Seen(trace=trace_of([found], [], Rules()), played=played, first_s=found[0].at_s, name=name)


def _source(plan: PlanFile, file: Path) -> tuple[str, list[Arrival]]:
    traffic = plan.traffic
    if traffic.kind == "trace" and traffic.path is not None:
        path = file.parent / traffic.path
        return path.name, list(counted(arrivals(path), f"reading {path.name}"))
    found = list(counted(_ledger(), "reading the ledger"))
    if not found:
        raise Misuse("traffic: the ledger holds no requests; `kind: rate_profile` needs none")
    return "the ledger", found


def _ledger() -> Iterator[Arrival]:
    from localfleet.storage.traffic import served  # noqa: PLC0415  # the database is loaded where it is read

    now = time.time()
    for line, item in enumerate(served(home_path(), since=now - LEDGER_DAYS * 86_400, until=now), start=1):
        yield Arrival(
            line=line,
            at_s=item.at_s,
            input_tokens=item.input_tokens,
            output_tokens=item.output_tokens,
            cache_read_tokens=item.cache_read_tokens,
            cache_write_tokens=item.cache_write_tokens,
            model=item.model,
            task=item.task,
            label="restricted" if item.restricted else "",
        )
