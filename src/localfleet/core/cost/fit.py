"""
Coefficients out of measured points, with the error that they have on points they have not seen.

    token work   box_s = (a I (1 - h) + b0 O + k O (I + O/2)) / 1,000,000        us per token, us per token squared
    affine step  step_ms = alpha + beta b                                        b requests decode together

Least squares of the *relative* error: a box of one request a second and one of a hundred count alike. Coefficients are
never negative: no token gives time back. Everything is pure; numpy does the linear algebra.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf, sqrt

import numpy as np
import numpy.typing as npt

from localfleet.core.cost.points import LEAST_SHAPES, Point

__all__ = ["NOT_AFFINE", "StepFit", "WorkFit", "fit_step", "fit_work"]

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
NOT_AFFINE = 0.15
"""A point that the line misses by more: read the measured curve instead (mixtures of experts, very large batches)."""
SAME_DIRECTION = 1e-3
"""Shapes whose weakest direction is as weak as this beside the strongest do not tell three coefficients apart."""
OUTLIER, CLEANER = 0.15, 0.1
"""A shape that the others miss by more, and without which their squared error is so small a part, stands alone."""
TANGLED = 0.01
"""A direction that the shapes hardly differ in: as weak as this beside their strongest."""
EVEN_ODDS = 1.28
"""Standard deviations for the bound; over published sets it held for 76 % of the shapes left out."""
FEWEST_TO_JUDGE = 6
"""With fewer shapes any one of them can be made to look odd."""
SMALL_SAMPLE = {1: 3.08, 2: 1.89, 3: 1.64, 4: 1.53, 5: 1.48, 6: 1.44, 7: 1.41, 8: 1.40, 9: 1.38, 10: 1.37}
"""Student's t for the same share by degrees of freedom: few points know little of their own scatter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFit:
    """
    Token work fitted to shapes. Errors are shares of the measured time of a request.

    `mape` is in the sample, `loo_mape` and `loo_max` are of each shape predicted from the others.
    """

    a_us: float
    b0_us: float
    k_us: float
    shapes: int
    mape: float
    worst: float
    loo_mape: float
    loo_max: float
    input_range: tuple[float, float]
    output_range: tuple[float, float]
    unsettled: tuple[str, ...]
    """Coefficients that these shapes cannot tell from zero or from each other."""
    outliers: tuple[tuple[float, float], ...]
    """Shapes (input, output tokens) that the others agree to contradict."""
    _spread: float
    _inverse: tuple[tuple[float, ...], ...]
    _leverage: float

    def box_s(self, input_tokens: float, output_tokens: float, *, cached_share: float = 0.0) -> float:
        """Seconds of the box for one request; both token counts are means."""
        row = _work_row(input_tokens, output_tokens, cached_share)
        return float(row @ np.array([self.a_us, self.b0_us, self.k_us])) / 1e6

    def error_at(self, input_tokens: float, output_tokens: float) -> float:
        """The share that three of four measurements at this shape keep within; it grows away from the shapes."""
        row = _work_row(input_tokens, output_tokens, 0.0)
        predicted = self.box_s(input_tokens, output_tokens) * 1e6
        if predicted <= 0:
            return inf
        leverage = _leverage(row / predicted, np.array(self._inverse))
        return max(self._spread * sqrt(1 + leverage), self.loo_mape)

    def extrapolates(self, input_tokens: float, output_tokens: float) -> str:
        """Why a shape lies outside of what was measured; empty where it does not."""
        for what, value, (low, high) in (
            ("input", input_tokens, self.input_range),
            ("output", output_tokens, self.output_range),
        ):
            if value > high * 1.05 or value < low * 0.95:
                return f"{value:g} {what} tokens; measured were {low:g} to {high:g}"
        row = _work_row(input_tokens, output_tokens, 0.0)
        predicted = max(self.box_s(input_tokens, output_tokens) * 1e6, 1e-12)
        if _leverage(row / predicted, np.array(self._inverse)) > max(1.0, 1.5 * self._leverage):
            return "no measured shape mixes input and output like this one"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFit:
    """An affine step fitted to one curve; `loo_*` of `None` where two points leave nothing to check."""

    alpha_ms: float
    beta_ms: float
    points: int
    mape: float
    worst: float
    loo_mape: float | None
    loo_max: float | None
    batch_range: tuple[float, float]

    @property
    def is_affine(self) -> bool:
        """Whether the line describes the curve; else read the curve itself."""
        return self.worst <= NOT_AFFINE

    def step_ms(self, batch: float) -> float:
        """Milliseconds of one decode step with so many requests together."""
        return self.alpha_ms + self.beta_ms * batch

    def largest_batch(self, tpot_ms: float) -> float:
        """The most requests together whose step keeps within `tpot_ms`; 0 where one alone does not."""
        if tpot_ms < self.step_ms(1):
            return 0.0
        return inf if self.beta_ms == 0 else (tpot_ms - self.alpha_ms) / self.beta_ms


def fit_work(points: Sequence[Point]) -> WorkFit:
    """
    Fit token work to points of different shapes, each at the most the box can do.

    Raises `ValueError` for fewer than four shapes, or shapes that differ in one direction only.
    """
    if len(points) < LEAST_SHAPES:
        msg = (
            f"{len(points)} shapes are too few: measure at least {LEAST_SHAPES}, better 8, with short and long prompts"
        )
        raise ValueError(msg)
    rows = np.array([_work_row(each.input_tokens, each.output_tokens, each.cached_share) for each in points])
    measured = np.array([1e6 / (each.requests_per_s or inf) for each in points])
    scaled = rows / measured[:, None]
    _refuse_one_direction(points, rows)
    weights = _not_negative(scaled)
    errors = np.abs(scaled @ weights - 1)
    others = [np.delete(scaled, i, 0) for i in range(len(points))]
    without = [_not_negative(part) for part in others]
    held_out = np.array([abs(row @ found - 1) for row, found in zip(scaled, without, strict=True)])
    cleaner = np.array([float(((part @ found - 1) ** 2).sum()) for part, found in zip(others, without, strict=True)])
    alone = (held_out > OUTLIER) & (cleaner < CLEANER * float((errors**2).sum())) & (len(points) >= FEWEST_TO_JUDGE)
    inverse = np.linalg.pinv(scaled.T @ scaled)
    free = max(len(points) - int((weights > 0).sum()), 1)
    scatter = sqrt(float((errors**2).sum()) / free)
    inputs, outputs = [each.input_tokens for each in points], [each.output_tokens for each in points]
    return WorkFit(
        a_us=float(weights[0]),
        b0_us=float(weights[1]),
        k_us=float(weights[2]),
        shapes=len(points),
        mape=float(errors.mean()),
        worst=float(errors.max()),
        loo_mape=float(held_out.mean()),
        loo_max=float(held_out.max()),
        input_range=(min(inputs), max(inputs)),
        output_range=(min(outputs), max(outputs)),
        unsettled=_unsettled(weights, scatter, scaled),
        outliers=tuple(
            (point.input_tokens, point.output_tokens) for point, odd in zip(points, alone, strict=True) if odd
        ),
        _spread=scatter * SMALL_SAMPLE.get(free, EVEN_ODDS),
        _inverse=tuple(tuple(map(float, row)) for row in inverse),
        _leverage=max(_leverage(row, inverse) for row in scaled),
    )


def fit_step(curve: Sequence[Point]) -> StepFit:
    """Fit the affine step to one curve; raises `ValueError` for fewer than two batches."""
    batch = np.array([each.batch for each in curve if each.batch and each.step_ms], dtype=np.float64)
    step = np.array([each.step_ms for each in curve if each.batch and each.step_ms], dtype=np.float64)
    if len(set(batch.tolist())) < 2:
        raise ValueError("one batch is no curve: measure at two loads or more")
    scaled = np.stack([np.ones_like(batch), batch], axis=1) / step[:, None]
    weights = _not_negative(scaled)
    errors = np.abs(scaled @ weights - 1)
    held_out = (
        np.array([abs(scaled[i] @ _not_negative(np.delete(scaled, i, 0)) - 1) for i in range(len(batch))])
        if len(batch) > 2
        else None
    )
    return StepFit(
        alpha_ms=float(weights[0]),
        beta_ms=float(weights[1]),
        points=len(batch),
        mape=float(errors.mean()),
        worst=float(errors.max()),
        loo_mape=None if held_out is None else float(held_out.mean()),
        loo_max=None if held_out is None else float(held_out.max()),
        batch_range=(float(batch.min()), float(batch.max())),
    )


def _work_row(input_tokens: float, output_tokens: float, cached_share: float) -> Vector:
    context = input_tokens + output_tokens / 2
    return np.array([input_tokens * (1 - cached_share), output_tokens, output_tokens * context], dtype=np.float64)


def _refuse_one_direction(points: Sequence[Point], rows: Matrix) -> None:
    """Raise where shapes cannot tell who takes the time, whatever was measured: one length, or one ratio, for all."""
    scaled = rows / np.maximum(rows[:, :2].sum(axis=1), 1e-9)[:, None]
    sizes = np.linalg.norm(scaled, axis=0)
    strengths = np.linalg.svd(scaled / np.where(sizes > 0, sizes, 1), compute_uv=False)
    if strengths[-1] > SAME_DIRECTION * strengths[0]:
        return
    for what, values in (
        ("prompts are of about the same length", [each.input_tokens for each in points]),
        ("answers are of about the same length", [each.output_tokens for each in points]),
        ("shapes have the same ratio", [each.input_tokens / max(each.output_tokens, 1e-9) for each in points]),
    ):
        if max(values) <= 1.05 * min(values):
            msg = f"all {what}: input, output and context cannot be told apart; mix short and long of both"
            raise ValueError(msg)
    raise ValueError("these shapes cannot tell input, output and context apart; mix short and long of both")


def _not_negative(scaled: Matrix) -> Vector:
    """
    Least squares towards ones with weights from 0 up: the best of all ways to leave columns out.

    With three columns there are seven ways, so no iteration is needed.
    """
    columns = scaled.shape[1]
    best, least = np.zeros(columns), inf
    for many in range(columns, 0, -1):
        for kept in combinations(range(columns), many):
            part = scaled[:, kept]
            found = np.linalg.lstsq(part, np.ones(len(part)), rcond=None)[0]
            left = float(((part @ found - 1) ** 2).sum())
            if (found >= 0).all() and left < least - 1e-12:
                best, least = np.zeros(columns), left
                best[list(kept)] = found
        if least < inf and many == columns:
            break
    return best


def _leverage(row: Vector, inverse: Matrix) -> float:
    return float(row @ inverse @ row)


def _unsettled(weights: Vector, scatter: float, scaled: Matrix) -> tuple[str, ...]:
    """
    Coefficients that could as well be another's: their own standard error is more than half of them, they are zero, or
    the columns of the shapes hang together.
    """
    deviations = scatter * np.sqrt(np.maximum(np.diag(np.linalg.pinv(scaled.T @ scaled)), 0))
    sizes = np.linalg.norm(scaled, axis=0)
    _, strengths, directions = np.linalg.svd(scaled / np.where(sizes > 0, sizes, 1), full_matrices=False)
    tangled = np.abs(directions[strengths < TANGLED * strengths[0]]).max(axis=0, initial=0.0) > 0.1
    doubtful = (weights == 0) | (deviations > weights / 2) | tangled
    return tuple(name for name, doubt in zip(("a_us", "b0_us", "k_us"), doubtful, strict=True) if doubt)
