"""The study's targets on two public traces (Azure 2023, CC BY 4.0): what they are, what they cost, how they queue."""

import csv
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from localfleet.core.cost.capacity import SECONDS_PER_MONTH, TokenWork
from localfleet.core.cost.hosted_trace import usd_hosted
from localfleet.core.cost.replay import replay, work_s
from localfleet.core.cost.traffic import Floats, Late, Requests, TrafficClass, merge, requests, trace_facts
from localfleet.core.pricing import Price

SHARED = Path(__file__).resolve().parents[4] / "shared" / "cost"
QWEN_8B_FP8_H100 = TokenWork(a_us=Decimal("17.42"), b0_us=Decimal("28.18"), k_us=Decimal("0.05908"))
LLAMA_70B_FP4_PRO_6000 = TokenWork(a_us=Decimal("116.54"), b0_us=Decimal("130.76"), k_us=Decimal("0.24118"))
"""Fitted to saturated shapes of silybench (CC BY 4.0) and of TensorRT-LLM's performance overview (Apache-2.0)."""
POINT = 0.05
"""Percentage points that a share may differ by."""


def read(name: str) -> Requests:
    """One of the two traces; skips where the data does not lie beside the project."""
    path = SHARED / f"AzureLLMInferenceTrace_{name}.csv"
    if not path.exists():
        pytest.skip("the traces lie in ../shared beside the project")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return requests(
        at_s=[datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp() for row in rows],
        input_tokens=[int(row["ContextTokens"]) for row in rows],
        output_tokens=[int(row["GeneratedTokens"]) for row in rows],
        classes=[TrafficClass(name=name)],
    )


@pytest.fixture(scope="module")
def code() -> Requests:
    """Bursts of long prompts with short answers."""
    return read("code")


@pytest.fixture(scope="module")
def conv() -> Requests:
    """A nearly steady stream of conversations."""
    return read("conv")


def spill_percent(trace: Requests, seconds: Floats, *, replicas: int) -> float:
    """Of all requests."""
    return 100 * replay(trace, seconds, replicas=replicas).spill_share


def test_v10_the_code_trace(code: Requests) -> None:
    """Count, span, lengths and bursts within 0.5 %."""
    seen = trace_facts(code)
    numbers = (seen.span_s, seen.requests_per_s, seen.input_mean, seen.input_p50, seen.input_p99, seen.output_mean)
    more = (seen.output_p50, seen.output_p99, seen.interarrival_cv, *(peak for _, peak in seen.peak_to_mean))
    assert seen.requests == 8819
    assert numbers == pytest.approx((3435.948, 2.56669, 2047.848, 1469, 7436, 27.8825), rel=0.005)
    assert more == pytest.approx((13, 251.46, 13.1513, 4.10387, 12.7402, 26.1037), rel=0.005)


def test_v10_the_conversation_trace(conv: Requests) -> None:
    """The same for the steady one."""
    seen = trace_facts(conv)
    numbers = (seen.span_s, seen.requests_per_s, seen.input_mean, seen.input_p50, seen.input_p99, seen.output_mean)
    more = (seen.output_p50, seen.output_p99, seen.interarrival_cv, *(peak for _, peak in seen.peak_to_mean))
    assert seen.requests == 19366
    assert numbers == pytest.approx((3501.722, 5.53042, 1154.697, 1020, 4142, 211.126), rel=0.005)
    assert more == pytest.approx((129, 601, 1.09417, 1.52791, 1.77202, 2.89309), rel=0.005)


def test_v11_spill_of_both_traces_on_two_boxes(code: Requests, conv: Requests) -> None:
    """Published shares at 1, 2 and 3 replicas, waiting budget 2 s."""
    for trace, work, offered, spilled in (
        (code, QWEN_8B_FP8_H100, 0.102589, (1.6328, 0, 0)),
        (conv, QWEN_8B_FP8_H100, 0.228787, (0, 0, 0)),
        (code, LLAMA_70B_FP4_PRO_6000, 0.658694, (54.6887, 24.8327, 12.2236)),
        (conv, LLAMA_70B_FP4_PRO_6000, 1.242422, (22.4414, 0.1807, 0)),
    ):
        seconds = work_s(trace, work)
        seen = tuple(spill_percent(trace, seconds, replicas=replicas) for replicas in (1, 2, 3))
        assert seen == pytest.approx(spilled, abs=POINT)
        assert replay(trace, seconds, replicas=1).offered_share == pytest.approx(offered, rel=1e-3)


@pytest.mark.parametrize(("name", "spilled"), [("code", (59.814, 52.58, 35.537, 9.48)), ("conv", (3.656, 0.17, 0, 0))])
def test_v11_the_same_mean_utilisation_spills_a_thousand_times_more(
    name: str, spilled: tuple[float, ...], request: pytest.FixtureRequest
) -> None:
    """Both traces at a mean utilisation of 0.62 on one server, for four waiting budgets."""
    trace: Requests = request.getfixturevalue(name)
    seconds = work_s(trace, LLAMA_70B_FP4_PRO_6000)
    seconds = seconds * (0.62 * trace.span_s / seconds.sum())
    seen = []
    for budget in (0.5, 2, 10, 60):
        patient = replace(trace, classes=(TrafficClass(name=name, wait_budget_s=budget),))
        seen.append(spill_percent(patient, seconds, replicas=1))
    assert seen == pytest.approx(spilled, abs=POINT)


def price(usd_in: str, usd_out: str) -> Price:
    """A list price of 20 November 2026 (genai-prices)."""
    return Price(usd_per_mtok_in=Decimal(usd_in), usd_per_mtok_out=Decimal(usd_out))


MINI = price("0.15", "0.60")


@pytest.mark.parametrize(
    ("model", "usd_code", "usd_conv"),
    [
        (price("2.50", "10"), 36413.9, 72640.7),
        (MINI, 2184.8, 4358.4),
        (price("1", "5"), 14753.6, 32124.8),
        (price("0.10", "0.40"), 1456.6, 2905.6),
        (price("5", "25"), 73768.1, 160623.9),
    ],
)
def test_v12_a_month_of_each_trace_on_hosted_models(
    model: Price, usd_code: float, usd_conv: float, code: Requests, conv: Requests
) -> None:
    """Each trace scaled flat to 730 hours, on gpt-4o, 4o-mini, Haiku 4.5, Gemini 2.0 Flash and Opus 4.7."""
    for trace, usd in ((code, usd_code), (conv, usd_conv)):
        month = float(usd_hosted(model, trace).sum()) * float(SECONDS_PER_MONTH) / trace.span_s
        assert month == pytest.approx(usd, rel=1e-3)


def test_v15_work_that_must_stay_makes_the_rest_nearly_free(code: Requests, conv: Requests) -> None:
    """Code that must be local needs two replicas; the conversations on the same two cost $4 a month and not $4,395."""
    stays = replace(code, classes=(TrafficClass(name="code", late=Late.QUEUE, restricted=True),))
    alone = replay(stays, work_s(stays, QWEN_8B_FP8_H100), replicas=2)
    rest = replace(conv, classes=(TrafficClass(name="conv", wait_budget_s=0.5),))
    both = merge(stays, rest, until_s=code.span_s)
    seen = replay(both, work_s(both, QWEN_8B_FP8_H100), replicas=2)
    usd = usd_hosted(MINI, both) * float(SECONDS_PER_MONTH) / code.span_s
    guests = both.of("conv")
    assert alone.utilisation_share == pytest.approx(0.051, abs=0.0005)
    assert seen.utilisation_share == pytest.approx(0.166, abs=0.001)
    assert (seen.of("code").spilled, alone.of("code").over_budget, seen.of("code").over_budget) == (0, 0, 0)
    assert 100 * seen.of("conv").spill_share == pytest.approx(0.083, abs=POINT)
    assert float(usd[guests].sum()) == pytest.approx(4395, rel=0.01)
    assert float(usd[guests & seen.left].sum()) == pytest.approx(4, abs=0.5)
    assert not np.any(seen.left & both.of("code"))
