"""
V9, the proof on a real engine: calibrate on eight shapes, predict four that were held out, replay one burst at three
rates, and hold the measured waits and what spilled against the predicted.

All twelve shapes take turns in the same passes, so the machine's moods are in both sides. A request that finds no turn
within the waiting budget is refused by the router's own line: that is what spills. A burst is predicted twice, by the
fluid queue and by slots (`core/cost/slots.py`), and both are told, whichever was right.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import inf, log1p

from localfleet.bench.loops import open_loop
from localfleet.bench.plan import PASSES, Bounds, Shape
from localfleet.bench.prompts import Writer, learn_words
from localfleet.bench.run import Told, measure_passes, measure_shape
from localfleet.bench.sample import Sample, Target, ask
from localfleet.bench.summary import percentile
from localfleet.core.cost.calibration import Calibration, calibrate
from localfleet.core.cost.capacity import TokenWork
from localfleet.core.cost.points import Point
from localfleet.core.cost.replay import replay, work_s
from localfleet.core.cost.slots import play_slots, speed_of
from localfleet.core.cost.traffic import Requests, TrafficClass, requests
from localfleet.core.reason import Reason

__all__ = ["Burst", "HeldOut", "Validation", "burst_arrivals", "validate"]

POINT_SHARE, RELATIVE = 0.02, 0.20
"""A predicted spill is right within two points, or within a fifth of what was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """One shape that the fit has not seen. `stated` is the error that the fit itself gives for it."""

    input_tokens: float
    output_tokens: float
    measured_per_s: float
    predicted_per_s: float
    stated: float

    @property
    def error(self) -> float:
        """Share by which the predicted time of a request is off."""
        return abs(self.measured_per_s / self.predicted_per_s - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """One rate. Waits are seconds in the line of those that were served; spills are shares of all requests."""

    offered_share: float
    """Of the full box, by the predicted work."""
    requests: int
    failed: int
    measured_spill: float
    fluid_spill: float
    slots_spill: float
    measured_wait_s: tuple[float, float]
    fluid_wait_s: tuple[float, float]
    slots_wait_s: tuple[float, float]
    """Mean and 95th percentile."""

    def near(self, predicted: float) -> bool:
        """Whether a predicted spill is within two points or 20 % of what was measured."""
        return abs(predicted - self.measured_spill) <= max(POINT_SHARE, RELATIVE * self.measured_spill)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What was calibrated, what was held out, and the bursts from the slowest to the fastest."""

    calibration: Calibration
    held_out: tuple[HeldOut, ...]
    bursts: tuple[Burst, ...]
    patience_s: float

    @property
    def worst_error(self) -> float:
        """Of the shapes held out."""
        return max((each.error for each in self.held_out), default=inf)


def burst_arrivals(many: int, draw: Callable[[], float]) -> list[float]:
    """Arrivals of mean gap 1 with a burst: a quiet third, a third of them in a sixth of the time, a quiet third."""
    third = many // 3
    gaps = [1.25] * third + [0.5] * (many - 2 * third) + [1.25] * third
    at, times = 0.0, []
    for gap in gaps:
        at += -log1p(-draw()) * gap
        times.append(at)
    return times


async def validate(
    target: Target,
    *,
    shapes: Sequence[Shape],
    held_out: Sequence[Shape],
    shares: Sequence[float],
    burst: int,
    patience_s: float,
    bounds: Bounds,
    draw: Callable[[], float],
    told: Told,
) -> Validation:
    """
    Run the protocol. `shares` are the offered rates of the burst, as shares of the full box (0.6, 1.0, 1.6 ...).

    Raises `FleetError` where the engine answers nothing, `ValueError` where too little was measured to fit.
    """
    ends_s = asyncio.get_running_loop().time() + bounds.total_s
    steps = PASSES * (len(shapes) + len(held_out)) + len(shares) + 1
    done = 0

    def step(what: str) -> None:
        nonlocal done
        told(done / steps, what)
        done += 1

    writer = await learn_words(target, draw)
    everything = (*shapes, *held_out)
    full = target.slots
    best = await measure_passes(target, everything, writer, together=full, bounds=bounds, ends_s=ends_s, step=step)
    step("one request at a time")
    middle = shapes[len(shapes) // 2]
    alone = await measure_shape(target, writer, middle, together=1, rounds=bounds.rounds, most_s=bounds.total_s / 10)
    seen = [best[shape] for shape in shapes if shape in best]
    found = calibrate(target.kind, [*seen, *([] if alone is None else [alone])])
    if found.work is None:
        raise ValueError(found.no_work)
    scene = _Scene(
        target=target, writer=writer, found=found, shapes=everything, many=burst, patience_s=patience_s, draw=draw
    )
    bursts = []
    for share in shares:
        step(f"the burst at {share:.0%} of the full box")
        bursts.append(await _burst(scene, share))
    told(1.0, "done")
    return Validation(
        calibration=found,
        held_out=tuple(_held(found, best[shape]) for shape in held_out if shape in best),
        bursts=tuple(bursts),
        patience_s=patience_s,
    )


def _held(found: Calibration, point: Point) -> HeldOut:
    assert found.work is not None
    into, out = point.input_tokens, point.output_tokens
    return HeldOut(
        input_tokens=into,
        output_tokens=out,
        measured_per_s=point.requests_per_s or 0.0,
        predicted_per_s=1 / found.work.box_s(into, out, cached_share=point.cached_share),
        stated=found.work.error_at(into, out),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What all bursts of a run share."""

    target: Target
    writer: Writer
    found: Calibration
    shapes: Sequence[Shape]
    many: int
    patience_s: float
    draw: Callable[[], float]

    @property
    def work(self) -> TokenWork:
        """The fit, as the replay takes it."""
        fit = self.found.work
        assert fit is not None
        return TokenWork(a_us=Decimal(fit.a_us), b0_us=Decimal(fit.b0_us), k_us=Decimal(fit.k_us))

    @property
    def template_tokens(self) -> float:
        """Tokens of a prompt that the engine did not work on again, in the mean: its template's."""
        points = self.found.points
        return sum(point.cached_share * point.input_tokens for point in points) / len(points)

    def trace(self, at_s: Sequence[float], chosen: Sequence[Shape]) -> Requests:
        """Requests of the chosen shapes at these times."""
        return requests(
            at_s=at_s,
            input_tokens=[float(shape[0]) for shape in chosen],
            output_tokens=[float(shape[1]) for shape in chosen],
            cache_read_tokens=[min(self.template_tokens, shape[0]) for shape in chosen],
            classes=(TrafficClass(name="burst", wait_budget_s=self.patience_s),),
        )

    def asking(self, shape: Shape, waited: Callable[[float], None]) -> Callable[[float], Awaitable[Sample]]:
        """Sends one request of a shape, with the patience of the burst."""

        async def once(due_s: float) -> Sample:
            text = self.writer.prompt(shape[0])
            return await ask(
                self.target, text, output_tokens=shape[1], due_s=due_s, patience_s=self.patience_s, waited=waited
            )

        return once


async def _burst(scene: _Scene, share: float) -> Burst:
    """Send a burst of the measured shapes and predict it twice, from the same arrivals."""
    many, slots = scene.many, scene.target.slots
    chosen = [scene.shapes[int(scene.draw() * len(scene.shapes))] for _ in range(many)]
    times = burst_arrivals(many, scene.draw)
    work = work_s(scene.trace(times, chosen), scene.work)
    at_s = [each * float(work.mean()) / share for each in times]
    waits = [[0.0] for _ in range(many)]
    asks = [(at_s[n], scene.asking(chosen[n], waits[n].append)) for n in range(many)]
    samples = await open_loop(asks, most_s=at_s[-1] + 20 * scene.patience_s + 60)
    spilled = [sample.failed in {Reason.QUEUE_TOO_LONG, Reason.QUEUE_FULL} for sample in samples]
    fluid = replay(scene.trace(at_s, chosen), work, replicas=1)
    speed = speed_of(next((fitted for _, fitted in scene.found.steps), None), slots)
    turns = play_slots(at_s, work.tolist(), slots=slots, patience_s=scene.patience_s, speed=speed)
    return Burst(
        offered_share=float(work.sum()) / at_s[-1],
        requests=len(samples),
        failed=sum(sample.failed is not None for sample in samples) - sum(spilled),
        measured_spill=sum(spilled) / max(len(samples), 1),
        fluid_spill=fluid.spill_share,
        slots_spill=sum(turn.left for turn in turns) / many,
        measured_wait_s=_spread([sum(wait) for wait, gone in zip(waits, spilled, strict=False) if not gone]),
        fluid_wait_s=_spread([float(wait) for wait, gone in zip(fluid.wait_s, fluid.left, strict=True) if not gone]),
        slots_wait_s=_spread([turn.wait_s for turn in turns if not turn.left]),
    )


def _spread(seconds: Sequence[float]) -> tuple[float, float]:
    """Mean and 95th percentile; zeros of nothing."""
    if not seconds:
        return 0.0, 0.0
    return sum(seconds) / len(seconds), percentile(seconds, 0.95) or 0.0
