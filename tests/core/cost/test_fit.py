"""Fits of measured points: published coefficients, held-out error, and what a fit admits not to know."""

import csv
import random
from collections.abc import Iterator
from dataclasses import replace
from math import exp
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.core.cost.calibration import calibrate
from localfleet.core.cost.fit import fit_step, fit_work
from localfleet.core.cost.points import Point, curves, saturated

THROUGHPUT = Path(__file__).resolve().parent.parent.parent.parent.parent / "shared" / "cost" / "throughput.csv"
QWEN_BF16 = (
    (128, 128, 113.59),
    (128, 1024, 13.2728),
    (1024, 128, 28.2636),
    (2048, 2048, 1.91263),
    (8192, 512, 1.94727),
)
QWEN_FP8 = (
    (128, 128, 129.234),
    (128, 1024, 15.0288),
    (1024, 128, 35.6314),
    (2048, 2048, 2.16222),
    (8192, 512, 2.26051),
)
"""Qwen3-8B on one H100, saturated: silybench, CC BY 4.0."""


def point(input_tokens: float, output_tokens: float, requests_per_s: float) -> Point:
    """One saturated shape."""
    return Point(input_tokens=input_tokens, output_tokens=output_tokens, requests_per_s=requests_per_s)


def step(batch: float, step_ms: float) -> Point:
    """One point of a curve."""
    return Point(input_tokens=500, output_tokens=400, batch=batch, step_ms=step_ms)


@pytest.mark.parametrize(
    ("shapes", "coefficients", "mape", "loo_mape", "loo_max"),
    [
        (QWEN_BF16, (23.12289, 30.53719, 0.06607), 0.03071, 0.08136, 0.14117),
        (QWEN_FP8, (17.41894, 28.17691, 0.05908), 0.04742, 0.12922, 0.23285),
    ],
)
def test_v7_token_work_of_published_shapes(
    shapes: tuple[tuple[float, float, float], ...],
    coefficients: tuple[float, float, float],
    mape: float,
    loo_mape: float,
    loo_max: float,
) -> None:
    """The study's coefficients within 1 %, and its errors, in the sample and left out."""
    fit = fit_work([point(*shape) for shape in shapes])
    assert (fit.a_us, fit.b0_us, fit.k_us) == pytest.approx(coefficients, rel=0.01)
    assert (fit.mape, fit.loo_mape, fit.loo_max) == pytest.approx((mape, loo_mape, loo_max), rel=0.01)


coefficient = st.floats(0.01, 500)
tokens = st.floats(1, 16_000)


@settings(max_examples=50, deadline=None)
@given(a=coefficient, b0=coefficient, k=st.floats(0.0001, 0.5), new=st.tuples(tokens, tokens))
def test_exact_shapes_give_their_coefficients_back(a: float, b0: float, k: float, new: tuple[float, float]) -> None:
    """What a box of known coefficients would measure predicts every other shape of that box."""

    def box_s(into: float, out: float) -> float:
        return (a * into + b0 * out + k * out * (into + out / 2)) / 1e6

    shapes = [(64, 64), (64, 1024), (1024, 64), (1024, 1024), (4096, 256), (256, 4096)]
    fit = fit_work([point(into, out, 1 / box_s(into, out)) for into, out in shapes])
    assert fit.box_s(*new) == pytest.approx(box_s(*new), rel=1e-4)
    assert fit.loo_max < 1e-4


@settings(max_examples=50, deadline=None)
@given(rates=st.lists(st.floats(0.01, 1000), min_size=5, max_size=5))
def test_no_token_gives_time_back(rates: list[float]) -> None:
    """Whatever was measured, no coefficient is negative, and more tokens never take less time."""
    shapes = ((64, 64), (64, 1024), (1024, 64), (1024, 1024), (4096, 256))
    fit = fit_work([point(*shape, rate) for shape, rate in zip(shapes, rates, strict=True)])
    assert min(fit.a_us, fit.b0_us, fit.k_us) >= 0
    assert fit.box_s(2000, 200) >= fit.box_s(1000, 100)


def test_fewer_than_four_shapes_are_refused() -> None:
    """Three coefficients through three shapes would show no error at all."""
    with pytest.raises(ValueError, match="3 shapes are too few"):
        fit_work([point(*shape) for shape in QWEN_FP8[:3]])


def test_shapes_of_one_kind_leave_coefficients_unsettled() -> None:
    """Where input and output nearly always grow together, hardly anybody can tell who takes the time: it is said."""
    alike = [
        (size, size * (1 + noise / 50), 1e6 / (size * (10 + 30) + 0.01 * size * size * 1.5 * noise))
        for size, noise in ((100, 0.9), (200, 1.3), (400, 0.8), (800, 1.1), (1600, 1.0))
    ]
    assert len(fit_work([point(*shape) for shape in alike]).unsettled) >= 2
    assert fit_work([point(*shape) for shape in QWEN_BF16]).unsettled == ()


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ([(64, 64), (128, 128), (512, 512), (1024, 1024), (2048, 2048)], "all shapes have the same ratio"),
        ([(64, 16), (128, 32), (512, 128), (1024, 256)], "all shapes have the same ratio"),
        ([(64, 128), (128, 128), (512, 128), (1024, 128)], "all answers are of about the same length"),
    ],
)
def test_shapes_that_cannot_tell_are_refused_with_the_reason(shapes: list[tuple[int, int]], says: str) -> None:
    """One ratio of prompt and answer, or one length of answers: no fit, whatever was measured."""
    with pytest.raises(ValueError, match=says):
        fit_work([point(into, out, 1e6 / (20 * into + 30 * out)) for into, out in shapes])


def test_one_shape_that_contradicts_the_others_is_named() -> None:
    """Eight shapes of one truth and one of them measured while something else ran: that one, and no other."""
    shapes = ((64, 32), (64, 256), (256, 32), (256, 128), (512, 32), (128, 384), (1024, 64), (1024, 256))
    points = [point(into, out, 1e6 / (20 * into + 30 * out + 0.05 * out * (into + out / 2))) for into, out in shapes]
    assert calibrate("clean", points).work is not None
    assert not [each for each in calibrate("clean", points).warnings if "contradicts" in each]
    points[3] = replace(points[3], requests_per_s=(points[3].requests_per_s or 0) / 2)
    assert [each for each in calibrate("spoilt", points).warnings if "contradicts" in each] == [
        "256x128 contradicts all other shapes, which agree without it: measure it again"
    ]


def test_a_step_that_falls_with_the_load_is_pointed_out() -> None:
    """More requests together in less time: noise, or another load than it says."""
    told = calibrate("m", [step(1, 10), step(8, 15), step(16, 12)]).warnings
    assert any("a step took 15 ms with 8 requests together and only 12 ms with 16" in each for each in told)
    assert not any("a step took" in each for each in calibrate("m", [step(1, 10), step(8, 15)]).warnings)


TRUTHS = {
    "affine": lambda into, out: 17.4 * into + 28.2 * out + 0.059 * out * (into + out / 2),
    "saturating": lambda into, out: 17.4 * into * (1 + into / 8000) + 28.2 * out + 0.059 * out * (into + out / 2) + 4e3,
    "overlapping": lambda into, out: max(17.4 * into, 8.5 * out) + 28.2 * out + 0.059 * out * (into + out / 2),
    "cache-bound": lambda into, out: 17.4 * into + 28.2 * out * max(1, (into + out) / 2048) ** 0.5 + 0.06 * out * into,
}


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("noise", [0.03, 0.1])
def test_the_stated_error_covers_three_of_four_shapes_of_any_truth(truth: str, noise: float) -> None:
    """Also where the box is not what the fit believes: random shapes of noisy measurements, those it calls its own."""
    draw = random.Random(11)  # shapes of a test

    def shape() -> tuple[int, int]:
        return int(2 ** draw.uniform(6, 12)), int(2 ** draw.uniform(4, 10))

    def measured(into: int, out: int) -> float:
        return float(TRUTHS[truth](into, out)) * exp(draw.gauss(0, noise))

    within = total = 0
    for _ in range(25):
        seen = [shape() for _ in range(8)]
        fit = fit_work([point(*each, 1e6 / measured(*each)) for each in seen])
        for each in [shape() for _ in range(8)]:
            if not fit.extrapolates(*each):
                error = abs(measured(*each) / (fit.box_s(*each) * 1e6) - 1)
                within, total = within + (error <= fit.error_at(*each)), total + 1
    assert total > 80
    assert within / total >= 0.7


def test_a_fit_says_where_it_extrapolates_and_that_it_knows_less_there() -> None:
    """Beyond the measured lengths, and for a mix of lengths that nothing measured was like."""
    fit = fit_work([point(*shape) for shape in QWEN_FP8])
    assert fit.extrapolates(1000, 500) == ""
    assert fit.extrapolates(32_000, 500) == "32000 input tokens; measured were 128 to 8192"
    assert "mixes input and output" in fit.extrapolates(8192, 2048) or fit.extrapolates(8192, 2048) == ""
    assert fit.error_at(1000, 500) >= fit.loo_mape


def test_held_out_error_is_stated_honestly() -> None:
    """Of shapes that a fit has not seen, three of four lie within the error it states for them."""
    within = total = 0
    for name, shapes in published():
        for left in range(len(shapes)):
            fit = fit_work([*shapes[:left], *shapes[left + 1 :]])
            unseen = shapes[left]
            measured = unseen.box_s
            assert measured is not None, name
            error = abs(fit.box_s(unseen.input_tokens, unseen.output_tokens) / measured - 1)
            within += error <= fit.error_at(unseen.input_tokens, unseen.output_tokens)
            total += 1
    assert total > 60
    assert within / total >= 0.75, f"{within} of {total}"


def published() -> Iterator[tuple[str, list[Point]]]:
    """TensorRT-LLM's table of saturated shapes, by model and box; skips where it is not beside the project."""
    if not THROUGHPUT.exists():
        pytest.skip("the measured points lie in ../shared beside the project")
    groups: dict[str, list[Point]] = {}
    with THROUGHPUT.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["engine"] == "tensorrt-llm" and row["req_per_s"] and row["isl"].isdigit():
                key = "/".join(row[field] for field in ("gpu", "gpu_count", "model", "weight_precision"))
                shape = point(float(row["isl"]), float(row["osl"]), float(row["req_per_s"]))
                groups.setdefault(key, []).append(shape)
    yield from ((name, saturated(points)[0]) for name, points in groups.items() if len(points) > 4)


def test_v8_the_affine_step_of_a_published_curve() -> None:
    """Llama-3.1-8B on an H100: 6.684 ms + 0.0894 ms for each request together, within 3 %."""
    curve = [step(batch, 1000 * batch / rate) for batch, rate in ml_energy("Llama-3.1-8B")]
    fit = fit_step(curve)
    assert (fit.alpha_ms, fit.beta_ms) == pytest.approx((6.684, 0.0894), rel=0.03)
    assert fit.largest_batch(50) == pytest.approx(485, rel=0.01)


def test_v8_all_dense_curves() -> None:
    """Eleven dense H100 curves: median error within 2 %, the worst point within 6 %."""
    fits = [fit_step(curve) for curve in dense_curves()]
    assert len(fits) == 11
    assert sorted(fit.mape for fit in fits)[5] <= 0.02
    assert max(fit.worst for fit in fits) <= 0.06


def ml_energy(model: str) -> list[tuple[float, float]]:
    """Batch and output tokens a second of one model's chat curve."""
    if not THROUGHPUT.exists():
        pytest.skip("the measured points lie in ../shared beside the project")
    with THROUGHPUT.open(encoding="utf-8") as file:
        return [
            (float(row["avg_batch"]), float(row["out_tok_s"]))
            for row in csv.DictReader(file)
            if "ml-energy" in row["source"]
            and model in row["model"]
            and row["gpu"] == "H100 SXM"
            and row["isl"] == "dataset:lm-arena-chat"
        ]


def dense_curves() -> Iterator[list[Point]]:
    """Every dense model's chat curve on H100s."""
    if not THROUGHPUT.exists():
        pytest.skip("the measured points lie in ../shared beside the project")
    groups: dict[tuple[str, ...], list[Point]] = {}
    with THROUGHPUT.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            is_chat = "ml-energy" in row["source"] and row["isl"] == "dataset:lm-arena-chat"
            if is_chat and row["gpu"] == "H100 SXM" and row["total_params_b"] == row["active_params_b"]:
                key = tuple(row[field] for field in ("model", "weight_precision", "gpu_count", "parallelism"))
                batch, rate = float(row["avg_batch"]), float(row["out_tok_s"])
                groups.setdefault(key, []).append(step(batch, 1000 * batch / rate))
    yield from (curve for curve in groups.values() if len(curve) > 3)


def test_a_curve_that_is_no_line_says_so() -> None:
    """A step that grows by itself twice over is not affine: read the points."""
    assert not fit_step([step(batch, batch**2) for batch in (1, 4, 16, 64)]).is_affine
    assert fit_step([step(1, 10.0), step(9, 18.0)]).loo_mape is None
    with pytest.raises(ValueError, match="no curve"):
        fit_step([step(4, 10.0)])


def test_the_best_rate_of_a_shape_is_taken_and_doubted_where_it_still_rises() -> None:
    """A sweep that ends while the rate still grows has not shown what the box can do."""
    sweep = [
        Point(input_tokens=100, output_tokens=100, requests_per_s=rate, batch=batch)
        for rate, batch in ((1.0, 1), (1.9, 2), (3.5, 4))
    ]
    flat = [*sweep, Point(input_tokens=101, output_tokens=99, requests_per_s=3.55, batch=8)]
    offered = Point(input_tokens=900, output_tokens=100, requests_per_s=2.0, offered_per_s=2.0)
    assert saturated(sweep) == ([sweep[-1]], [sweep[-1]])
    assert saturated(flat) == ([flat[-1]], [])
    assert saturated([offered]) == ([offered], [offered])
    assert curves([*flat, offered]) == []
