"""`bench` against an engine whose truth is known: coefficients, held-out shapes, the rate under limits, bounds."""

import random
from math import inf

import pytest
from known_engine import KnownEngine, run_jumping

from localfleet.bench.loops import closed_loop, open_loop
from localfleet.bench.plan import Bounds, Limits, Plan, loads, shapes_for
from localfleet.bench.run import benchmark, keeps
from localfleet.bench.sample import Sample, ask
from localfleet.bench.summary import percentile, point_of
from localfleet.core.cost.calibration import Calibration
from localfleet.core.reason import Reason
from localfleet.errors import FleetError

SHAPES = ((64, 32), (64, 256), (256, 32), (256, 128), (512, 32), (128, 384), (1024, 64), (1024, 256))


def plan(**changes: object) -> Plan:
    """Eight shapes, three loads."""
    given = {"shapes": SHAPES, "loads": (1, 4, 8), "limits": Limits(), "bounds": Bounds(rounds=3, total_s=400)}
    return Plan(**{**given, **changes})  # type: ignore[arg-type]  # a table of a test


def bench(engine: KnownEngine, wanted: Plan) -> tuple[Calibration, list[tuple[float, str]]]:
    """Run it on a clock that jumps."""
    told: list[tuple[float, str]] = []
    work = benchmark(
        engine.target(), wanted, draw=random.Random(1).random, told=lambda share, what: told.append((share, what))
    )
    return run_jumping(work), told


@pytest.fixture(scope="module")
def measured() -> tuple[Calibration, list[tuple[float, str]]]:
    """One run for all that is read off it."""
    return bench(KnownEngine(), plan())


@pytest.mark.slow
def test_eight_shapes_predict_four_that_were_not_measured(measured: tuple[Calibration, object]) -> None:
    """V9 where the truth is known, on a box without moods: within 1 %."""
    work, truth = measured[0].work, KnownEngine()
    assert work is not None
    held_out = ((160, 96), (400, 200), (768, 48), (96, 200))
    errors = [abs(work.box_s(*shape) / truth.box_s(*shape) - 1) for shape in held_out]
    assert max(errors) < 0.01
    assert work.extrapolates(400, 200) == ""
    assert work.extrapolates(4000, 200) != ""


def test_the_step_is_the_engines_own(measured: tuple[Calibration, object]) -> None:
    """At loads of 1, 4 and 8 it is alpha and beta for each request together; context and prompts between add some."""
    (_, step), *_ = measured[0].steps
    assert step.points == 3
    assert step.alpha_ms == pytest.approx(8.0, rel=0.3)


def test_a_rate_under_limits_is_below_the_full_box_and_keeps_them(measured: tuple[Calibration, object]) -> None:
    """Every rate that was tried has its answer, and what is reported is the highest that kept them."""
    (rate,) = measured[0].slo
    assert 0 < rate.derate < 1
    assert rate.requests_per_s == max(tried for tried, kept in rate.trials if kept)
    assert all(tried > rate.requests_per_s for tried, kept in rate.trials if not kept)


def test_progress_goes_forwards_to_the_end(measured: tuple[object, list[tuple[float, str]]]) -> None:
    """A bar that goes back, or ends at half, is worse than none."""
    shares = [share for share, _ in measured[1]]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 24


@pytest.mark.slow
def test_limits_that_nothing_keeps_are_a_rate_of_zero() -> None:
    """A box that is too slow for the limits at any rate serves nothing under them: 0, not an error."""
    wanted = plan(limits=Limits(ttft_p99_ms=1, tpot_ms=1), loads=(8,))
    (rate,) = bench(KnownEngine(), wanted)[0].slo
    assert rate.requests_per_s == rate.derate == 0


def test_the_time_given_is_kept_and_too_few_shapes_are_no_result() -> None:
    """A bench that is cut off says so in the fit, and one that measured nothing is an error."""
    cut = bench(KnownEngine(), plan(bounds=Bounds(rounds=3, total_s=9)))[0]
    assert cut.work is None
    assert "too few" in cut.no_work
    with pytest.raises(FleetError, match="did not answer"):
        bench(KnownEngine(refuses=True), plan())


def test_a_shape_beyond_the_context_is_refused_at_once() -> None:
    """It would take all the time given and come to nothing."""
    with pytest.raises(FleetError, match=r"longer than the context of \d+ tokens: name smaller --shapes"):
        bench(KnownEngine(), plan(shapes=(*SHAPES, (999_999, 64))))


@pytest.mark.parametrize("shapes", [SHAPES[:3], SHAPES[:1] * 4])
def test_fewer_than_four_shapes_are_refused(shapes: tuple[tuple[int, int], ...]) -> None:
    """Before anything is started."""
    with pytest.raises(ValueError, match="shapes are too few"):
        plan(shapes=shapes)


def test_shapes_suit_the_context_and_the_time() -> None:
    """Longer where there is time, shorter where not, and an error with the seconds that would do."""
    roomy = shapes_for(32_768, takes_s=lambda _: 1.0, budget_s=100)
    short = shapes_for(32_768, takes_s=lambda shape: sum(shape) / 10, budget_s=700)
    assert len(set(roomy)) == len(set(short)) == 8
    assert max(roomy) == (4096, 1024)
    assert sum(map(sum, short)) / 10 <= 700
    assert all(into + out <= 4096 for into, out in shapes_for(4096, takes_s=lambda _: 0.0, budget_s=1))
    with pytest.raises(ValueError, match="--seconds"):
        shapes_for(4096, takes_s=lambda _: 100.0, budget_s=10)


def test_loads_go_up_to_the_slots() -> None:
    """One alone, powers of four, and all together."""
    assert (loads(1), loads(2), loads(64)) == ((1,), (1, 2), (1, 4, 16, 64))


def test_a_closed_loop_measures_the_full_box_alone() -> None:
    """Neither the start nor the end, when the box is half empty, is in the rate."""
    engine = KnownEngine()

    async def once(due_s: float) -> Sample:
        return await ask(engine.target(), "word " * 80, output_tokens=50, due_s=due_s)

    closed = run_jumping(closed_loop(once, together=8, rounds=4, most_s=10_000))
    point = point_of(closed)
    assert point is not None
    assert point.requests == 32
    assert point.requests_per_s == pytest.approx(1 / engine.box_s(100, 50), rel=0.08)


def test_an_open_loop_sends_on_time_whatever_the_engine_does() -> None:
    """Waits count from when a request was due; a line that is too long is refused, and told."""
    engine = KnownEngine(slots=1)

    async def once(due_s: float) -> Sample:
        return await ask(engine.target(), "word " * 80, output_tokens=50, due_s=due_s, patience_s=2.0)

    samples = run_jumping(open_loop([(0.01 * number, once) for number in range(20)], most_s=1000))
    assert len(samples) == 20
    refused = [sample for sample in samples if sample.failed is Reason.QUEUE_TOO_LONG]
    assert 10 < len(refused) < 20
    served = [sample for sample in samples if sample.failed is None]
    assert served[-1].ttft_s > served[0].ttft_s + 1
    assert not keeps(samples, Limits(ttft_p99_ms=inf, tpot_ms=inf), 100)


def test_percentiles_are_nearest_ranks() -> None:
    """And nothing has none."""
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert percentile([], 0.5) is None
