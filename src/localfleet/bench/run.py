"""
The protocol: learn the words, fill the box with each shape, with each load, then look for the rate under the limits.

Shapes take turns in passes, so that a machine that is busy for a while with other things spoils all of them a little
and not one of them altogether; the middle of a shape's passes counts.
"""

import asyncio
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log

from localfleet.bench.loops import closed_loop, open_loop
from localfleet.bench.plan import PASSES, Bounds, Limits, Plan, Shape, middle_of, shapes_for
from localfleet.bench.prompts import Writer, learn_words
from localfleet.bench.sample import Sample, Target, ask
from localfleet.bench.summary import point_of, point_of_open
from localfleet.core.cost.calibration import Calibration, SloRate, calibrate
from localfleet.core.cost.points import Point
from localfleet.errors import FleetError

__all__ = ["Told", "benchmark", "measure_passes", "measure_shape", "slo_rate"]

Told = Callable[[float, str], None]
"""Told the share that is done (0 to 1) and what is measured now."""
STEPS = 5
LOWEST, FEWEST, MOST = 0.05, 12, 400
PROBE = (160, 16)
MEASURED_SHARE = 0.6
"""Of the time given: the rest is for the loads and for the rate under the limits."""


@dataclass(slots=True, kw_only=True)
class _Way:
    """How far it is, and how long it may still take."""

    told: Told
    steps: int
    ends_s: float
    done: int = 0

    def step(self, what: str) -> None:
        """Tell what comes now."""
        self.told(self.done / self.steps, what)
        self.done += 1

    @property
    def left_s(self) -> float:
        """Seconds left of the whole."""
        return self.ends_s - asyncio.get_running_loop().time()


async def benchmark(target: Target, plan: Plan, *, draw: Callable[[], float], told: Told) -> Calibration:
    """
    Measure and fit; `draw` gives 0 to 1. Raises `FleetError` where the engine answers nothing that can be measured.

    Bounded by `plan.bounds`: what there was no time for is left out, and fewer than four shapes are no result.
    """
    ends_s = asyncio.get_running_loop().time() + plan.bounds.total_s
    _refuse_beyond(target, plan)
    told(0.0, "learning how the engine counts tokens and how fast it is")
    writer = await learn_words(target, draw)
    shapes = plan.shapes or await _chosen(target, plan, writer)
    way = _Way(told=told, steps=PASSES * len(shapes) + len(plan.loads) - 1 + STEPS * plan.slo, ends_s=ends_s)
    best = await measure_passes(
        target, shapes, writer, together=max(plan.loads), bounds=plan.bounds, ends_s=ends_s, step=way.step
    )
    curve, middle = [], middle_of(shapes)
    for together in [each for each in plan.loads if each != max(plan.loads)]:
        way.step(f"{_named(middle)} with {together} together")
        point = await measure_shape(
            target, writer, middle, together=together, rounds=plan.bounds.rounds, most_s=way.left_s
        )
        curve += [] if point is None else [point]
    full = best.get(middle)
    rates = () if full is None or not plan.slo else await _slo(target, plan, writer, full, way)
    if not best:
        raise FleetError("nothing was measured in the time given: allow more with --seconds, or name smaller --shapes")
    told(1.0, "done")
    return calibrate(target.kind, (*best.values(), *curve), slo=rates)


def _refuse_beyond(target: Target, plan: Plan) -> None:
    beyond = [shape for shape in plan.shapes or () if sum(shape) > target.context_tokens]
    if beyond:
        raise FleetError(
            f"{_named(beyond[0])} is longer than the context of {target.context_tokens} tokens: name smaller --shapes, "
            "or say a larger context (`context_tokens` of the model; with a URL, --context-tokens)"
        )


async def _chosen(target: Target, plan: Plan, writer: Writer) -> tuple[Shape, ...]:
    """Shapes that this engine can do in the time, by what two short requests took."""
    short = await ask(target, writer.prompt(PROBE[0]), output_tokens=PROBE[1])
    one_s, together = max(short.step_s or 0.0, 1e-4), max(plan.loads)
    prefill_s = max(short.ttft_s / max(short.input_tokens - short.cached_tokens, 1), 1e-6)

    def takes_s(shape: Shape) -> float:
        # A batch decodes in little more than one does; prompts come one after the other.
        batch_s = together * shape[0] * prefill_s + shape[1] * one_s * (1 + together / 16)
        return batch_s * (PASSES + plan.bounds.rounds)

    try:
        return shapes_for(target.context_tokens, takes_s=takes_s, budget_s=plan.bounds.total_s * MEASURED_SHARE)
    except ValueError as exc:
        raise FleetError(str(exc)) from None


async def measure_passes(
    target: Target,
    shapes: Sequence[Shape],
    writer: Writer,
    *,
    together: int,
    bounds: Bounds,
    ends_s: float,
    step: Callable[[str], None],
) -> dict[Shape, Point]:
    """Fill the box with each shape, in turns; those that came to a rate before `ends_s` (the loop's clock)."""
    loop, seen = asyncio.get_running_loop(), dict[Shape, list[Point]]()
    rounds = max(1, round(bounds.rounds / PASSES))
    for turn in range(PASSES):
        for shape in shapes:
            step(f"{_named(shape)} with the box full, {turn + 1} of {PASSES}")
            left_s = ends_s - loop.time()
            point = await measure_shape(target, writer, shape, together=together, rounds=rounds, most_s=left_s)
            if point is not None:
                seen.setdefault(shape, []).append(point)
    return {shape: _middle(points) for shape, points in seen.items()}


def _middle(points: Sequence[Point]) -> Point:
    """The pass with the middle rate, for what was counted over all of them."""
    ranked = sorted(points, key=lambda point: point.requests_per_s or 0.0)
    middle = ranked[len(ranked) // 2]
    rate = statistics.median(point.requests_per_s or 0.0 for point in points)
    return replace(
        middle,
        requests_per_s=rate,
        requests=sum(point.requests or 0 for point in points),
        failed=sum(point.failed for point in points),
    )


async def measure_shape(
    target: Target, writer: Writer, shape: Shape, *, together: int, rounds: int, most_s: float
) -> Point | None:
    """Fill the box with one shape for a while; `None` where too little came back within `most_s`."""
    if most_s <= 0:
        return None

    async def once(due_s: float) -> Sample:
        return await ask(target, writer.prompt(shape[0]), output_tokens=shape[1], due_s=due_s)

    return point_of(await closed_loop(once, together=together, rounds=rounds, most_s=most_s))


async def _slo(target: Target, plan: Plan, writer: Writer, full: Point, way: _Way) -> tuple[SloRate, ...]:
    each_s = way.left_s / STEPS
    if not full.requests_per_s or each_s * full.requests_per_s < FEWEST / 2:
        return ()
    rate = await slo_rate(target, plan.limits, writer, full, each_s=each_s, step=way.step)
    return (rate,)


async def slo_rate(
    target: Target,
    limits: Limits,
    writer: Writer,
    full: Point,
    *,
    each_s: float,
    step: Callable[[str], None] = lambda _: None,
) -> SloRate:
    """
    Halve the way between a rate that kept the limits and one that broke them; `full` is the full box at the shape.

    `each_s` is about how long one rate is offered.
    """
    most_per_s = full.requests_per_s or 0.0
    shape = (round(full.input_tokens), round(full.output_tokens))
    low, high = 0.0, 1.0
    tried: list[tuple[float, bool]] = []
    for turn in range(STEPS):
        share = 0.6 if turn == 0 else (low + high) / 2
        rate = share * most_per_s
        if rate * each_s < FEWEST:  # too few requests in the time to tell a 99th percentile of anything
            break
        step(f"{_named(shape)} at {rate:.3g} requests/s against the limits")
        kept = keeps(await _offer(target, writer, shape, rate, each_s), limits, rate)
        tried.append((rate, kept))
        low, high = (share, high) if kept else (low, share)
        if high <= LOWEST:
            break
    return SloRate(
        ttft_p99_ms=limits.ttft_p99_ms,
        tpot_ms=limits.tpot_ms,
        input_tokens=full.input_tokens,
        output_tokens=full.output_tokens,
        requests_per_s=low * most_per_s,
        saturated_per_s=most_per_s,
        trials=tuple(tried),
    )


async def _offer(target: Target, writer: Writer, shape: Shape, rate: float, seconds: float) -> list[Sample]:
    """Requests at random times (exponential gaps of the mean rate), for as long as a point may take."""

    async def once(due_s: float) -> Sample:
        return await ask(target, writer.prompt(shape[0]), output_tokens=shape[1], due_s=due_s)

    many = max(FEWEST, min(MOST, round(rate * seconds * 0.6)))
    at_s, times = 0.0, []
    for _ in range(many):
        at_s += -log(1 - writer.draw()) / rate
        times.append(at_s)
    return await open_loop([(each, once) for each in times], most_s=1.2 * seconds)


def keeps(samples: Sequence[Sample], limits: Limits, rate: float) -> bool:
    """Whether all were answered and the limits kept; a request that failed or was cut off breaks them."""
    point = point_of_open(samples, offered_per_s=rate)
    if point is None or point.failed or len(samples) < FEWEST:
        return False
    slow = point.step_ms is not None and point.step_ms > limits.tpot_ms
    return not slow and (point.ttft_p99_ms or 0.0) <= limits.ttft_p99_ms


def _named(shape: Shape) -> str:
    return f"{shape[0]}x{shape[1]}"
