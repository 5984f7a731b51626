"""`plan.yaml` -> a case: which box, how fast, what is stated by whom, and what to doubt."""

from datetime import date
from decimal import Decimal

from localfleet.core.cost.capacity import (
    Capacity,
    Level,
    ModelShape,
    TokenWork,
    Workload,
    affine_step,
    roofline,
    token_work,
)
from localfleet.core.cost.derate import Derate, expected_derate
from localfleet.core.cost.hour import Box, Owned, Rented
from localfleet.core.plan.bills import busy_boxes
from localfleet.core.plan.case import Arrivals, BoxCase, Case, Hosted, Work
from localfleet.core.pricing import Price, PriceTier
from localfleet.cost.doubts import sigmas_of
from localfleet.cost.inputs import Misuse
from localfleet.cost.paper import percent
from localfleet.cost.plan_file import ApiModel, Deployment, Hardware, PlanFile, Workflow
from localfleet.gpu_facts import GpuFacts, find_gpu
from localfleet.price_map import STALE_AFTER_DAYS

__all__ = ["case_of_plan", "chosen_deployment", "token_work_of"]


def case_of_plan(
    plan: PlanFile,
    gpus: tuple[GpuFacts, ...],
    *,
    today: date,
    deployment: str | None = None,
    needed: int | None = None,
    spills: tuple[tuple[int, float], ...] = (),
) -> Case:
    """
    The case of one deployment (the first, unless named); raises `Misuse` naming what cannot be used.

    `needed` is what a replay found: boxes, spares left out; `spills` the share of requests that finds fewer boxes too
    busy, by their number.
    """
    chosen = chosen_deployment(plan, deployment)
    hardware = next(item for item in plan.hardware if item.id == chosen.hardware)
    works = tuple(map(_work, plan.workflows))
    capacity = {work.name: _capacity(work, chosen, hardware, gpus) for work in works}
    first = next(iter(capacity.values()))
    calibration = chosen.calibration
    derate = _derate(chosen, works)
    error = "" if first.error_share is None else f", error {percent(first.error_share)}"
    box = BoxCase(
        name=f"{hardware.gpus} x {hardware.gpu}" if hardware.gpus > 1 else hardware.gpu,
        box=_box(hardware, plan),
        capacity=capacity,
        derate=float(derate.share),
        busy_limit=chosen.rho_max,
        spare=chosen.redundancy,
        staff_usd=plan.finance.staff_usd_month,
        origin=f"{hardware.source}, {hardware.date.isoformat()}",
        speed=f"{first.level}{error}: {calibration.points or first.basis}",
        purchase_usd=hardware.capex,
    )
    return Case(
        title=f"{', '.join(work.name for work in works)} on {hardware.gpu}",
        works=works,
        hosted=tuple(_hosted(item) for item in plan.api_models),
        box=box,
        today=today,
        arrivals=Arrivals(peak_to_mean=_peak(plan, box, works, needed), wait_s=chosen.slo.ttft_p99_s, spills=spills),
        sigmas=sigmas_of(plan.finance, plan.uncertainty, rented=hardware.mode != "owned"),
        assumed=_assumed(plan, chosen, hardware, derate, needed),
        warnings=_warnings(plan, first, hardware, today),
    )


def _peak(plan: PlanFile, box: BoxCase, works: tuple[Work, ...], needed: int | None) -> float:
    """As stated; after a replay, the peak at which the busy limit asks for just as many boxes as the replay did."""
    load = busy_boxes(box, [(work, 1.0) for work in works])
    if needed is None or not load:
        return plan.traffic.peak_to_mean
    return max(1.0, needed * box.busy_limit * box.derate / load)


def token_work_of(plan: PlanFile, deployment: str | None) -> TokenWork:
    """The measured coefficients of a deployment; raises `Misuse` where its speed was not measured that way."""
    chosen = chosen_deployment(plan, deployment)
    if chosen.calibration.kind != "token_work":
        raise Misuse(f"deployment {chosen.id}: a replay needs `calibration: {{kind: token_work, ...}}`")
    return _measured(chosen)


def _measured(chosen: Deployment) -> TokenWork:
    found = chosen.calibration
    return TokenWork(a_us=_exact(found.a_us), b0_us=_exact(found.b0_us), k_us=_exact(found.k_us))


def chosen_deployment(plan: PlanFile, deployment: str | None) -> Deployment:
    """The named one, or the first; raises `Misuse` naming those there are."""
    if deployment is None:
        return plan.deployments[0]
    found = next((item for item in plan.deployments if item.id == deployment), None)
    if found is None:
        raise Misuse(f"--deployment must be one of: {', '.join(item.id for item in plan.deployments)}")
    return found


def _work(row: Workflow) -> Work:
    return Work(
        name=row.workflow,
        requests=row.monthly_requests,
        input_tokens=row.avg_in,
        output_tokens=row.avg_out,
        cache_read_share=row.prefix_hit,
        cache_write_share=row.cached_write,
        retry_share=row.retry_rate,
        fallback_share=row.fallback_rate,
        fallback=row.fallback or "",
        success_local=row.success_local,
        success_hosted=row.success_api,
        check_usd=row.judge_usd + row.classifier_usd,
        must_stay=row.privacy == "mandatory_local",
        batch=row.batchable,
    )


def hosted_of_plan(plan: PlanFile) -> tuple[Hosted, ...]:
    """The hosted models of a plan; where the first workflow falls back to, first."""
    first = plan.workflows[0].fallback if plan.workflows else None
    return tuple(map(_hosted, sorted(plan.api_models, key=lambda item: item.id != first)))


def _hosted(item: ApiModel) -> Hosted:
    return Hosted(
        name=item.id,
        price=Price(
            usd_per_mtok_in=_exact(item.usd_per_mtok_in),
            usd_per_mtok_out=_exact(item.usd_per_mtok_out),
            usd_per_mtok_cache_read=None if item.cache_read is None else _exact(item.cache_read),
            usd_per_mtok_cache_write=None if item.cache_write is None else _exact(item.cache_write),
            since=item.date,
            source=item.source,
            tiers=tuple(
                PriceTier(
                    above_input_tokens=step.above_input_tokens,
                    usd_per_mtok_in=_exact(step.usd_per_mtok_in),
                    usd_per_mtok_out=_exact(step.usd_per_mtok_out),
                    usd_per_mtok_cache_read=None if step.cache_read is None else _exact(step.cache_read),
                    usd_per_mtok_cache_write=None if step.cache_write is None else _exact(step.cache_write),
                )
                for step in item.tiers
            ),
        ),
        batch_share=item.batch_mult,
        tokens_ratio=item.tokens_ratio,
    )


def _derate(chosen: Deployment, works: tuple[Work, ...]) -> Derate:
    """As stated; `auto` expects what prompts of the mean length lost elsewhere, works weighed by their requests."""
    if chosen.slo.derate != "auto":
        return Derate(share=_exact(chosen.slo.derate), basis="stated in the plan")
    requests = sum(work.requests for work in works)
    mean = sum(work.requests * work.input_tokens for work in works) / requests if requests else 0.0
    found = expected_derate(mean)
    return Derate(share=found.share, basis=f"{found.basis}, first token within 2 s (silybench, Qwen3-8B on an H100)")


def _capacity(work: Work, chosen: Deployment, hardware: Hardware, gpus: tuple[GpuFacts, ...]) -> Capacity:
    calibration = chosen.calibration
    load = Workload(
        requests_per_month=_exact(work.requests),
        input_tokens_per_request=_exact(work.input_tokens),
        output_tokens_per_request=_exact(work.output_tokens),
        cache_read_share=_exact(work.cache_read_share),
    )
    if calibration.kind == "stated" and calibration.requests_per_s is not None:
        seconds = 1 / _exact(calibration.requests_per_s)
        return Capacity(
            box_seconds_per_request=seconds,
            level=Level.STATED,
            basis=f"{calibration.requests_per_s:g} requests/s of one box, whatever their shape",
        )
    try:
        if calibration.kind == "token_work":
            error = None if calibration.mape is None else _exact(calibration.mape)
            return token_work(load, _measured(chosen), error_share=error)
        if calibration.kind == "affine":
            return affine_step(
                load,
                alpha_ms=_exact(calibration.alpha_ms),
                beta_ms=_exact(calibration.beta_ms),
                tpot_ms=_exact(chosen.slo.tpot_ms),
                largest_batch=Decimal(calibration.largest_batch),
                error_share=None if calibration.mape is None else _exact(calibration.mape),
            )
        shape = ModelShape(params_b=_exact(calibration.params_b), bits_per_weight=_exact(calibration.bits))
        return roofline(load, shape, find_gpu(hardware.gpu, gpus).silicon, gpus=hardware.gpus)
    except ValueError as exc:
        raise Misuse(f"deployment {chosen.id}: calibration cannot be used for {work.name}: {exc}") from None


def _box(hardware: Hardware, plan: PlanFile) -> Box:
    other = _exact(hardware.other_usd_y) / 12
    try:
        if hardware.mode != "owned" or hardware.capex is None:
            assert hardware.usd_gpu_h is not None
            return Rented(
                usd_per_gpu_hour=_exact(hardware.usd_gpu_h),
                gpus=hardware.gpus,
                commit_discount_share=_exact(hardware.commit_discount),
                other_usd_per_month=other,
                evictions_per_hour=_exact(hardware.evictions_per_h),
                restart_hours=_exact(hardware.restart_h),
                spill_usd_per_eviction=_exact(hardware.spill_usd_per_eviction),
            )
        return Owned(
            box_purchase_usd=_exact(hardware.capex),
            gpus=hardware.gpus,
            life_months=round(hardware.years * 12),
            cost_of_capital_per_year=_exact(plan.finance.wacc),
            box_residual_usd=_exact(hardware.capex * hardware.residual),
            box_power_w=_exact(hardware.kw * 1000),
            idle_power_share=_exact(hardware.idle_share),
            pue=_exact(hardware.pue),
            usd_per_kwh=_exact(hardware.usd_kwh),
            maintenance_share_per_year=_exact(hardware.maint),
            colo_usd_per_kw_month=None if hardware.colo_usd_kw_month is None else _exact(hardware.colo_usd_kw_month),
            other_usd_per_month=other,
        )
    except ValueError as exc:
        raise Misuse(f"hardware {hardware.id}: {exc}") from None


def _assumed(
    plan: PlanFile, chosen: Deployment, hardware: Hardware, derate: Derate, needed: int | None
) -> tuple[tuple[str, str, str], ...]:
    stated = "stated in the plan"
    rows = [
        ("price of the box", _price_words(hardware), f"{hardware.source}, {hardware.date.isoformat()}"),
        *(
            (f"price of {item.id}", f"${item.usd_per_mtok_in:g} in, ${item.usd_per_mtok_out:g} out per Mtok", origin)
            for item, origin in ((item, f"{item.source}, {item.date.isoformat()}") for item in plan.api_models)
        ),
        ("staff", f"${plan.finance.staff_usd_month:,.0f} a month", stated),
        ("busy limit at the peak", percent(chosen.rho_max), stated),
        ("spare boxes", str(chosen.redundancy), stated),
        _sizing(plan, needed),
        ("left of the saturated rate by the response-time target", percent(float(derate.share)), derate.basis),
    ]
    return tuple(rows)


def _sizing(plan: PlanFile, needed: int | None) -> tuple[str, str, str]:
    if needed is None:
        return "busiest hour over mean hour", f"{plan.traffic.peak_to_mean:g}", "stated in the plan"
    return "boxes the bursts need", str(needed), "a replay, section Bursts"


def _price_words(hardware: Hardware) -> str:
    if hardware.mode == "owned":
        return f"${hardware.capex:,.0f} bought, {hardware.years:g} years"
    return f"${hardware.usd_gpu_h:g} per GPU and hour, {hardware.mode}"


def _warnings(plan: PlanFile, first: Capacity, hardware: Hardware, today: date) -> tuple[str, ...]:
    found = []
    if first.level is Level.ROOFLINE:
        found.append("the speed of the box is a roofline estimate, 35 % either way: measure before you buy")
    elif first.error_share is None:
        found.append("nobody measured the error of the box's speed: `localfleet cost calibrate` does")
    dated = [
        (f"the price of {hardware.gpu}", hardware.date),
        *((f"the price of {m.id}", m.date) for m in plan.api_models),
    ]
    for name, since in dated:
        age = (today - since).days
        if age > STALE_AFTER_DAYS:
            found.append(f"{name} is {age} days old: look again at its source")
        if age < 0:
            found.append(f"{name} is dated in the future")
    if all(row.success_local == row.success_api == 1 for row in plan.workflows):
        found.append("success rates are not stated: a cheaper model that fails more often is not cheaper")
    return tuple(found)


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))
