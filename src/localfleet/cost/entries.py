"""Every figure of an outcome, entered in the book with its formula, its inputs and who states them."""

from collections.abc import Iterator

from localfleet.core.cost.hour import Owned, usd_per_month_fixed
from localfleet.core.plan.bills import MONTH_S, Bill, hosted_usd, own_usd
from localfleet.core.plan.case import Case, Hosted, Sigmas, Triangle, Work
from localfleet.cost.caches import cache_figures
from localfleet.cost.chances import Chances
from localfleet.cost.figures import Book, Figure, Input, slug
from localfleet.cost.outcome import Outcome

__all__ = ["bill_id", "book_of"]


def book_of(outcome: Outcome) -> Book:
    """The whole book, in the order in which a person would work it out."""
    book = Book()
    case = outcome.case
    for figure in (
        *_box(case),
        *_works(case),
        *_bills(outcome),
        *_crossing(outcome),
        *_chances(outcome),
        *cache_figures(case),
    ):
        book.put(figure)
    return book


def _box(case: Case) -> Iterator[Figure]:
    box = case.box
    fixed = float(usd_per_month_fixed(box.box))
    hour = "USD per GPU and hour"
    if isinstance(box.box, Owned):
        formula = "(C - S / (1 + i)^n) CRF(i, n) / 8760 + idle power + maintenance + colocation + other, all / GPUs"
        inputs: tuple[Input, ...] = (
            Input(name="C", value=float(box.box.box_purchase_usd), unit="USD", source=box.origin),
            Input(name="S", value=float(box.box.box_residual_usd), unit="USD"),
            Input(name="n", value=box.box.life_months / 12, unit="years"),
            Input(name="i", value=float(box.box.cost_of_capital_per_year), unit="a year"),
            Input(name="P", value=float(box.box.box_power_w), unit="W at full load"),
            Input(name="idle", value=float(box.box.idle_power_share), unit="of P"),
            Input(name="PUE", value=float(box.box.pue), unit=""),
            Input(name="kWh", value=float(box.box.usd_per_kwh), unit="USD"),
        )
    else:
        formula = "list price (1 - commitment discount) + other / 730 / GPUs"
        inputs = (
            Input(
                name="list price", value=float(box.box.usd_per_gpu_hour), unit="USD per GPU and hour", source=box.origin
            ),
            Input(name="commitment discount", value=float(box.box.commit_discount_share), unit=""),
            Input(name="other", value=float(box.box.other_usd_per_month), unit="USD a month"),
        )
    yield Figure(
        id="box.usd_per_gpu_hour",
        value=fixed / 730 / box.box.gpus,
        unit=hour,
        basis="fixed",
        formula=formula,
        inputs=inputs,
    )
    yield Figure(
        id="box.usd_per_month",
        value=fixed,
        unit="USD a month",
        basis="fixed",
        formula="box.usd_per_gpu_hour x 730 x GPUs",
        inputs=(Input(name="GPUs", value=box.box.gpus, unit="", source="stated"),),
    )


def _works(case: Case) -> Iterator[Figure]:
    for work in case.works:
        capacity = case.box.capacity[work.name]
        yield Figure(
            id=f"work.{slug(work.name)}.box_seconds",
            value=float(capacity.box_seconds_per_request),
            unit="seconds of the whole box per request",
            formula="1e-6 (a I (1 - h) + b0 O + k O (I + O / 2)), or as stated, or the roofline",
            inputs=(*_shape(work), Input(name="speed", value=capacity.basis, unit="", source=case.box.speed)),
            note="" if capacity.error_share is None else f"expected error {float(capacity.error_share):.1%}",
        )
        yield Figure(
            id=f"work.{slug(work.name)}.usd_per_request_box",
            value=own_usd(case.box, work),
            unit="USD a request",
            basis="marginal",
            formula="power above idle x box seconds / 3600; zero where the rent has the power in it",
        )
        for model in case.hosted:
            yield Figure(
                id=f"work.{slug(work.name)}.usd_per_request.{slug(model.name)}",
                value=hosted_usd(model, work),
                unit="USD a request",
                basis="list",
                formula="1e-6 (I (1 - h - w) p_in + I h p_read + I w p_write + O p_out) d",
                inputs=(*_shape(work), *_price(model)),
            )


def _shape(work: Work) -> tuple[Input, ...]:
    return (
        Input(name="I", value=work.input_tokens, unit="tokens", source="workload"),
        Input(name="O", value=work.output_tokens, unit="tokens", source="workload"),
        Input(name="h", value=work.cache_read_share, unit="of I", source="workload"),
        Input(name="w", value=work.cache_write_share, unit="of I", source="workload"),
    )


def _price(model: Hosted) -> tuple[Input, ...]:
    price = model.price
    if price is None:
        return (Input(name="price", value=None, unit="", source="unknown: declare `prices:` in models.yaml"),)
    rates = (
        ("p_in", price.usd_per_mtok_in),
        ("p_read", price.usd_per_mtok_cache_read),
        ("p_write", price.usd_per_mtok_cache_write),
        ("p_out", price.usd_per_mtok_out),
    )
    return tuple(
        Input(
            name=name,
            value="as p_in" if rate is None else float(rate),
            unit="USD per Mtok" if rate is not None else "",
            source=model.origin,
        )
        for name, rate in rates
    )


def _bills(outcome: Outcome) -> Iterator[Figure]:
    for bill in outcome.bills:
        yield from _bill(outcome.case, bill)


def bill_id(bill: Bill) -> str:
    """`bill.` and the way's name; a box without its spares says so."""
    bare = ".no-spare" if bill.kind == "box" and not bill.spare else ""
    return f"bill.{slug(bill.name)}{bare if bill.kind == 'box' else ''}"


def _bill(case: Case, bill: Bill) -> Iterator[Figure]:
    key, unit = bill_id(bill), "USD a month"
    parts = (
        (
            "fixed",
            bill.usd_fixed,
            "boxes x box.usd_per_month",
            (Input(name="boxes", value=bill.boxes, unit="", source=key),),
        ),
        ("power", bill.usd_power, "sum over works: requests on the box x usd_per_request_box", ()),
        ("staff", bill.usd_staff, "once, however many boxes", (_staff(case),)),
        ("hosted", bill.usd_hosted, "sum over works: calls x usd_per_request; escalations and retries are calls", ()),
        ("checks", bill.usd_checks, "sum over works: requests x (classifier + judge)", ()),
    )
    for name, value, formula, inputs in parts:
        yield Figure(id=f"{key}.{name}", value=value, unit=unit, basis="total", formula=formula, inputs=inputs)
    yield Figure(
        id=f"{key}.total",
        value=bill.total,
        unit=unit,
        basis="total",
        formula="fixed + power + staff + hosted + checks",
        note="" if bill.total is not None else "a price is unknown, so the sum is: never zero",
    )
    yield Figure(
        id=f"{key}.usd_per_completed",
        value=bill.usd_per_completed,
        unit="USD a completed action",
        basis="allocated",
        formula=f"{key}.total / requests that end well",
        inputs=(Input(name="requests that end well", value=bill.completed, unit="a month", source="workload"),),
    )
    if bill.boxes:
        yield Figure(
            id=f"{key}.busy_share",
            value=bill.busy_share,
            unit="of the boxes' time",
            formula="sum over works: requests on the box x box_seconds / (boxes x 2,628,000 s)",
            inputs=(Input(name="seconds of a month", value=MONTH_S, unit="s", source="730 h"),),
        )


def _staff(case: Case) -> Input:
    return Input(name="staff", value=case.box.staff_usd, unit="USD a month", source="stated or assumed")


def _crossing(outcome: Outcome) -> Iterator[Figure]:
    point = outcome.crossing
    if point is None or outcome.against is None:
        return
    name = outcome.against.name
    never = "never: a request there costs no more than the box's power for it"
    rows = (
        (
            "requests_per_month",
            point.requests,
            "requests a month",
            f"(boxes x box + staff) / (hosted - power) on {name}",
        ),
        ("boxes", point.boxes, "boxes, spares left out", "the first number of boxes that can serve the crossing"),
        ("busy_share", point.busy_share, "of the boxes' time", "work at the crossing / boxes, spares included"),
        ("usd_per_request", point.usd_per_request, "USD a request", "list price of a request x the factor of a tie"),
        (
            "usd_per_gpu_hour",
            point.usd_per_gpu_hour,
            "USD per GPU and hour",
            "today's x the factor at which both ways cost the same for the same completed actions",
        ),
        ("payback_months", point.payback_months, "months", "purchase / (hosted bill - running cost)"),
    )
    for key, value, unit, formula in rows:
        rented = "does not apply: nothing was bought, or it never pays back"
        notes = {"requests_per_month": never, "payback_months": rented}
        note = notes.get(key, "") if value is None else ""
        yield Figure(id=f"breakeven.{key}", value=value, unit=unit, formula=formula, note=note)


def _chances(outcome: Outcome) -> Iterator[Figure]:
    drawn = outcome.chances
    if drawn is None:
        return
    sigmas = outcome.case.sigmas
    inputs = (
        *(Input(name=f"sigma of {name}", value=value, unit="ln") for name, value in _sigmas(sigmas)),
        *(Input(name=name, value=" / ".join(map(str, ends)), unit=unit) for name, ends, unit in _triangles(sigmas)),
        Input(name="correlation of hosted and GPU price", value=sigmas.price_correlation, unit="of logarithms"),
        Input(name="draws", value=drawn.draws, unit=f"from seed {sigmas.seed}"),
    )
    formula = (
        "share of draws in which R (v a outside + g fixed owed + care) > v a (there + f passed on) + g fixed boxes + "
        "care + v power; boxes = ceil(v need / (s d)) + spare; R = completed on the box / completed hosted"
    )
    yield Figure(id="chance.box_cheaper", value=drawn.box_cheaper, unit="of draws", formula=formula, inputs=inputs)
    for key, value in (("p10", drawn.p10), ("p50", drawn.p50), ("p90", drawn.p90)):
        yield Figure(
            id=f"saving.{key}",
            value=value,
            unit="USD a month",
            basis="total",
            formula=f"{key.removeprefix('p')}th percentile of R hosted - box over the draws of chance.box_cheaper",
        )
    yield from _waiting(drawn, sigmas)
    for reach in drawn.reaches:
        for end, factor, value in (("p10", reach.low, reach.at_low), ("p90", reach.high, reach.at_high)):
            yield Figure(
                id=f"tornado.{slug(reach.name)}.{end}",
                value=value,
                unit="USD a month",
                basis="total",
                formula=f"R hosted - box with {reach.name} x {factor:.4g}, its {end.upper()}, and all else as today",
            )


def _waiting(drawn: Chances, sigmas: Sigmas) -> Iterator[Figure]:
    months = sigmas.horizon_years * 12
    mean = Input(name="mean", value=drawn.mean, unit="USD a month, the mean of the draws", source="chance.box_cheaper")
    yield Figure(
        id="waiting.usd_per_month",
        value=drawn.knowing,
        unit="USD a month",
        basis="total",
        formula="mean of max(0, R hosted - box) over the draws - max(0, mean)",
        inputs=(mean,),
        note="what knowing volume, prices and speed before you decide would be worth; an upper bound of any study",
    )
    yield Figure(
        id="waiting.months",
        value=drawn.waiting_share * months,
        unit="months",
        formula="horizon waiting.usd_per_month / (waiting.usd_per_month + max(0, mean))",
        inputs=(mean, Input(name="horizon", value=months, unit="months", source="stated or assumed")),
        note="so long one may stay on the hosted model to learn; longer costs more than the knowledge is worth",
    )


def _sigmas(sigmas: Sigmas) -> tuple[tuple[str, float], ...]:
    return (
        ("volume", sigmas.volume),
        ("hosted price", sigmas.api),
        ("GPU price", sigmas.gpu),
        ("output length", sigmas.output),
    )


def _triangles(sigmas: Sigmas) -> tuple[tuple[str, Triangle, str], ...]:
    factors, change = "lowest, likeliest, highest factor", "lowest, likeliest, highest share a year"
    return (
        ("speed", sigmas.speed, factors),
        ("cache hits", sigmas.cached, factors),
        ("fallback rate", sigmas.fallback, factors),
        ("success on the box", sigmas.success, factors),
        ("limit's derate", sigmas.derate, factors),
        ("change of the hosted price", sigmas.api_change, change),
        ("change of the GPU price", sigmas.gpu_change, change),
    )
