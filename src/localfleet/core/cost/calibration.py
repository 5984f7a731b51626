"""All that measured points say of one model on one kind of box, and what they do not say."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from localfleet.core.cost.fit import StepFit, WorkFit, fit_step, fit_work
from localfleet.core.cost.points import Point, curves, saturated, shape_of

__all__ = ["Calibration", "SloRate", "calibrate"]

FALLS = 0.95
UNFIT = 0.25
"""A fit whose held-out error is larger describes something else than a saturated box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloRate:
    """
    The highest rate of one shape that kept its limits, and the rate of the full box at the same shape.

    `requests_per_s` is 0 where even the lowest rate that was tried broke them. `trials` are those tried, in order.
    """

    ttft_p99_ms: float
    tpot_ms: float
    input_tokens: float
    output_tokens: float
    requests_per_s: float
    saturated_per_s: float
    trials: tuple[tuple[float, bool], ...]

    @property
    def derate(self) -> float:
        """What the limits leave of the full box, 0 to 1."""
        return min(1.0, self.requests_per_s / self.saturated_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """`warnings` are sentences for whoever reads the numbers; `no_work` says why there is no token-work fit."""

    name: str
    points: tuple[Point, ...]
    work: WorkFit | None
    no_work: str
    steps: tuple[tuple[tuple[float, float], StepFit], ...]
    """Each with the shape (input and output tokens) of its curve."""
    warnings: tuple[str, ...]
    slo: tuple[SloRate, ...] = ()


def calibrate(name: str, points: Sequence[Point], *, slo: tuple[SloRate, ...] = ()) -> Calibration:
    """Fit what can be fitted; fewer than four shapes give no token work, and say so."""
    best, doubtful = saturated(points)
    work: WorkFit | None = None
    no_work = ""
    try:
        work = fit_work(best)
    except ValueError as exc:
        no_work = str(exc)
    steps = tuple((shape_of(curve[0]), fit_step(curve)) for curve in curves(points))
    return Calibration(
        name=name,
        points=tuple(points),
        work=work,
        no_work=no_work,
        steps=steps,
        warnings=(
            *_of_work(work),
            *_of_doubt(doubtful, len(best)),
            *_of_steps(steps),
            *_of_falling(curves(points)),
            *_of_failures(points),
        ),
        slo=slo,
    )


def _of_work(work: WorkFit | None) -> tuple[str, ...]:
    if work is None:
        return ()
    found: list[str] = []
    if work.loo_mape > UNFIT:
        found.append(
            f"shapes left out are missed by {work.loo_mape:.0%} on average: token work does not describe these points; "
            "were they measured with the box full?"
        )
    if work.shapes < 8:
        found.append(f"{work.shapes} shapes leave three coefficients little to check against; measure 8 or more")
    if work.unsettled:
        names = ", ".join(work.unsettled)
        found.append(f"these shapes do not settle {names}: vary input and output lengths apart from each other")
    found += [
        f"{into:.0f}x{out:.0f} contradicts all other shapes, which agree without it: measure it again"
        for into, out in work.outliers
    ]
    return tuple(found)


def _of_doubt(doubtful: Sequence[Point], shapes: int) -> tuple[str, ...]:
    if not doubtful:
        return ()
    sentence = "may not be at the most the box can do: the rate was set by the load, or still rose with it"
    return (f"{len(doubtful)} of {shapes} shapes {sentence}",)


def _of_steps(steps: Sequence[tuple[tuple[float, float], StepFit]]) -> tuple[str, ...]:
    bent = [fit for _, fit in steps if not fit.is_affine]
    if not bent:
        return ()
    worst = max(fit.worst for fit in bent)
    return (f"the step is no straight line of the batch (off by up to {worst:.0%}): read the measured points instead",)


def _of_falling(found: Sequence[Sequence[Point]]) -> tuple[str, ...]:
    """A step that gets shorter with more requests together is noise, or another load than it says."""
    for curve in found:
        for less, more in pairwise(curve):
            if (more.step_ms or 0.0) < FALLS * (less.step_ms or 0.0):
                sentence = (
                    f"a step took {less.step_ms:.3g} ms with {less.batch:.3g} requests together and only "
                    f"{more.step_ms:.3g} ms with {more.batch:.3g}: noise, or other requests; measure the curve again"
                )
                return (sentence,)
    return ()


def _of_failures(points: Sequence[Point]) -> tuple[str, ...]:
    failed = sum(point.failed for point in points)
    asked = failed + sum(point.requests or 0 for point in points)
    if not failed or failed < asked / 100:
        return ()
    return (f"{failed} of {asked} requests failed while it was measured; rates of a box that refuses are no capacity",)
