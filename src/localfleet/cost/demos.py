"""
The two places where a mean answers wrongly, each as one page: a spare box, and work that must stay.

Both are on an hour that is made up to published figures of two public traces (Azure LLM inference 2023, CC-BY 4.0: a
coding service in bursts, a chat service nearly even); the traces themselves can be given. Prices and speed are those of
the published study: H100 at $3.99 an hour, Qwen3-8B in fp8 under vLLM, gpt-4o-mini at $0.15 and $0.60.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from random import Random

from localfleet import __version__
from localfleet.core.cost.capacity import Capacity, Level, TokenWork
from localfleet.core.cost.hour import Rented
from localfleet.core.cost.replay import ReplayResult, replay, work_s
from localfleet.core.cost.traffic import Late, Requests, TrafficClass, merge, requests
from localfleet.core.plan.bills import MONTH_S, hosted_usd
from localfleet.core.plan.case import Arrivals, BoxCase, Case, Hosted, Work
from localfleet.core.pricing import Price
from localfleet.cost.chances import chances
from localfleet.cost.figures import Book
from localfleet.cost.outcome import work_out
from localfleet.cost.paper import dollars, percent
from localfleet.cost.plots.bars import Bar, bar_plot
from localfleet.cost.plots.load import spill_picture
from localfleet.cost.sheet import Answer, Grid, Picture, Section, Sheet
from localfleet.cost.sheets import sheet_of
from localfleet.traces.values import Arrival

__all__ = ["Hour", "mandatory_local", "n_plus_one", "published_hour", "trace_hour"]

SPEED = TokenWork(a_us=Decimal("17.42"), b0_us=Decimal("28.18"), k_us=Decimal("0.05908"))
H100 = Rented(usd_per_gpu_hour=Decimal("3.99"))
USD_PER_BOX = 3.99 * 730
MINI = Hosted(
    name="gpt-4o-mini",
    price=Price(
        usd_per_mtok_in=Decimal("0.15"),
        usd_per_mtok_out=Decimal("0.60"),
        since=date(2026, 11, 20),
        source="genai-prices",
    ),
)
MADE_UP = (
    "an hour made up to the published figures of the Azure 2023 traces (CC-BY 4.0); --code and --conv play the traces"
)
CODE_WAIT_S, CONV_WAIT_S = 2.0, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One hour of both services; `origin` says whose."""

    code: Requests
    conv: Requests
    origin: str


def published_hour(seed: int = 1) -> Hour:
    """
    An hour with the published counts, spans, mean lengths and busiest ten seconds of the two traces.

    Coding comes in clusters (busiest ten seconds 12.7 times the mean), chat nearly evenly (1.8 times).
    """
    random = Random(seed)  # noqa: S311  # a demonstration is no secret
    code = sorted([*_evenly(random, 7_838, 3_436.0), *_clusters(random, 3, 327, 3_436.0, 6.0)])
    conv = sorted(_evenly(random, 19_366, 3_502.0))
    return Hour(
        code=_trace(code, _lengths(random, len(code), 2_047.8), _lengths(random, len(code), 27.9), must_stay=True),
        conv=_trace(conv, _lengths(random, len(conv), 1_154.7), _lengths(random, len(conv), 211.1), must_stay=False),
        origin=MADE_UP,
    )


def trace_hour(code: Iterable[Arrival], conv: Iterable[Arrival], origin: str) -> Hour:
    """The same of two traces."""
    return Hour(code=_of_arrivals(code, must_stay=True), conv=_of_arrivals(conv, must_stay=False), origin=origin)


def n_plus_one(hour: Hour, *, today: date) -> Sheet:
    """Chat on one H100 beats gpt-4o-mini; with a spare box it does not."""
    bare = work_out(_case(hour, today, spare=0))
    safe = work_out(_case(hour, today, spare=1))
    assert bare.box is not None
    assert bare.hosted is not None
    assert safe.box is not None
    assert bare.stakes is not None
    assert safe.stakes is not None
    chance, safe_chance = (chances(item.stakes, item.case.sigmas) for item in (bare, safe) if item.stakes is not None)
    one, two = dollars(bare.box.total), dollars(safe.box.total)
    verdict = (
        f"A spare box flips it: one H100 {one} < {MINI.name} {dollars(bare.hosted.total)} < one H100 and a spare {two} "
        f"a month. The box is cheaper in {percent(chance.box_cheaper)} of the draws, with the spare in "
        f"{percent(safe_chance.box_cheaper)}."
    )
    return replace(sheet_of(safe), title="A spare box can flip the answer", verdict=verdict)


def mandatory_local(hour: Hour, *, today: date) -> Sheet:
    """Code must stay and needs its boxes anyway; then chat on the same boxes is nearly free."""
    boxes, curve = _boxes_for_code(hour.code)
    pooled = _pooled(hour, boxes)
    conv = pooled.of("conv")
    api = _month_usd(hour.conv)
    left = api * conv.spill_share
    fleet = boxes * USD_PER_BOX
    bars = [
        Bar(name=f"chat on {MINI.name}", value=api, words=dollars(api), kind="hosted"),
        Bar(name=f"chat on {boxes} boxes of its own", value=fleet, words=dollars(fleet), kind="spare"),
        Bar(name="chat beside the code that must stay", value=left, words=dollars(left), kind="box"),
    ]
    late = percent(pooled.of("code").over_budget / len(hour.code))
    verdict = (
        f"Work that must stay makes the rest free: code needs {boxes} H100 ({dollars(fleet)} a month) whatever else "
        f"happens; chat on the same boxes costs {dollars(left)} a month in place of {dollars(api)} on {MINI.name}, and "
        f"{late} of the code waits too long. Chat alone would not justify them."
    )
    return Sheet(
        title="Work that must stay makes the rest free",
        verdict=verdict,
        answers=(
            Answer(question="What is owed anyway?", short=f"{dollars(fleet)} a month", detail=_owed(boxes)),
            Answer(question="What does chat add?", short=f"{dollars(left)} a month", detail=_added(conv.spill_share)),
            Answer(
                question="What would it cost outside?", short=f"{dollars(api)} a month", detail=f"all on {MINI.name}."
            ),
        ),
        sections=(_pooled_section(curve, bars),),
        warnings=(hour.origin, "one hour scaled flat to a month; a fluid queue stands for the engine"),
        book=Book(),
        made=f"localfleet {__version__}, {today.isoformat()}",
    )


def _owed(boxes: int) -> str:
    return f"{boxes} H100 keep the code within {CODE_WAIT_S:g} s; it may not leave, so nothing else will do."


def _added(spill: float) -> str:
    return f"{percent(spill)} of the chat finds the boxes busy for over {CONV_WAIT_S:g} s and goes to {MINI.name}."


def _pooled_section(curve: Sequence[tuple[int, float]], bars: Sequence[Bar]) -> Section:
    says = ", ".join(f"{bar.name} {bar.words}" for bar in bars)
    plot = Picture(
        svg=bar_plot(bars, name="The month of chat, three ways, USD", says=says),
        caption="The same chat, US dollars a month: outside, on boxes bought for it, on boxes that stand there anyway.",
    )
    rows = [(bar.name, bar.words) for bar in bars]
    return Section(
        title="The same chat, three ways",
        prose=("On the total basis. The boxes are counted once: they are owed for the code.",),
        grids=(Grid(head=("way", "USD a month, total"), rows=rows, strong=2),),
        pictures=(plot, spill_picture([("code alone", curve)], wait_s=CODE_WAIT_S)),
    )


def _case(hour: Hour, today: date, *, spare: int) -> Case:
    work = _work(hour.conv)
    seconds = float(work_s(hour.conv, SPEED).mean())
    capacity = Capacity(
        box_seconds_per_request=Decimal(repr(seconds)),
        level=Level.CALIBRATED,
        basis="a 17.42 us, b0 28.18 us, k 0.05908 us, five published shapes",
        error_share=Decimal("0.047"),
    )
    return Case(
        title="chat on H100 SXM",
        works=(work,),
        hosted=(MINI,),
        box=BoxCase(
            name="H100 SXM",
            box=H100,
            capacity={work.name: capacity},
            derate=1.0,
            busy_limit=0.85,
            spare=spare,
            staff_usd=0.0,
            origin="RunPod secure, 2026-11-09",
            speed=f"calibrated, error 4.7 %: {capacity.basis}",
        ),
        today=today,
        arrivals=Arrivals(peak_to_mean=1.77),
        assumed=(("the work", f"{work.requests:,.0f} requests a month", hour.origin),),
        warnings=(hour.origin, "staff is left out, as in the published comparison"),
    )


def _work(trace: Requests) -> Work:
    return Work(
        name="chat",
        requests=len(trace) / trace.span_s * MONTH_S,
        input_tokens=float(trace.input_tokens.mean()),
        output_tokens=float(trace.output_tokens.mean()),
    )


def _month_usd(trace: Requests) -> float:
    work = _work(trace)
    return work.requests * (hosted_usd(MINI, work) or 0.0)


def _boxes_for_code(code: Requests) -> tuple[int, list[tuple[int, float]]]:
    """The fewest boxes on which none of it waits too long, and the share that does for each number."""
    seconds, curve = work_s(code, SPEED), []
    for boxes in range(1, 65):
        late = replay(code, seconds, replicas=boxes).of("code").over_budget / len(code)
        curve.append((boxes, late))
        if late == 0:
            break
    return curve[-1][0], [*curve, (curve[-1][0] + 1, 0.0)]


def _pooled(hour: Hour, boxes: int) -> ReplayResult:
    both = merge(hour.code, hour.conv, until_s=min(hour.code.span_s, hour.conv.span_s))
    return replay(both, work_s(both, SPEED), replicas=boxes)


def _evenly(random: Random, count: int, span_s: float) -> list[float]:
    return [random.uniform(0, span_s) for _ in range(count)]


def _clusters(random: Random, clusters: int, each: int, span_s: float, length_s: float) -> list[float]:
    starts = [span_s * (number + 0.5) / clusters for number in range(clusters)]
    return [start + random.uniform(0, length_s) for start in starts for _ in range(each)]


def _lengths(random: Random, count: int, mean: float) -> list[float]:
    """Exponential lengths, at least one token, with exactly this mean."""
    drawn = [max(1.0, random.expovariate(1 / mean)) for _ in range(count)]
    times = mean * count / sum(drawn)
    return [value * times for value in drawn]


def _trace(at_s: list[float], into: list[float], out: list[float], *, must_stay: bool) -> Requests:
    return requests(at_s=at_s, input_tokens=into, output_tokens=out, classes=(_class(must_stay=must_stay),))


def _of_arrivals(found: Iterable[Arrival], *, must_stay: bool) -> Requests:
    rows = list(found)
    return requests(
        at_s=[row.at_s for row in rows],
        input_tokens=[row.input_tokens for row in rows],
        output_tokens=[row.output_tokens for row in rows],
        classes=(_class(must_stay=must_stay),),
    )


def _class(*, must_stay: bool) -> TrafficClass:
    if must_stay:
        return TrafficClass(name="code", wait_budget_s=CODE_WAIT_S, late=Late.QUEUE, restricted=True)
    return TrafficClass(name="conv", wait_budget_s=CONV_WAIT_S)
