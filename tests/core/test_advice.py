"""Advice: each rule fires where it should, stays silent where it should, and never calls an unknown price zero."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from localfleet.core.advice.alerts import Listing, alerts, moves
from localfleet.core.advice.bother import Circumstances, worth_the_bother
from localfleet.core.advice.mix import mix_findings, tier_shares
from localfleet.core.advice.output import output_findings
from localfleet.core.advice.savings import savings
from localfleet.core.advice.score import score, waste_findings
from localfleet.core.advice.stack import PRESETS, TASKS, Part, build_stack
from localfleet.core.advice.work import Finding, Role, Work, role_of, total_usd
from localfleet.core.pricing import Price

TODAY = date(2026, 11, 25)
MINI = Price(usd_per_mtok_in=Decimal("0.15"), usd_per_mtok_out=Decimal("0.60"))
HAIKU = Price(usd_per_mtok_in=Decimal(1), usd_per_mtok_out=Decimal(5))
OPUS = Price(usd_per_mtok_in=Decimal(5), usd_per_mtok_out=Decimal(25))
LISTINGS = (
    Listing(name="mini", role=Role.LOW_COST, price=MINI),
    Listing(name="haiku", role=Role.BALANCED, price=HAIKU),
    Listing(name="opus", role=Role.PREMIUM, price=OPUS),
)


def work(model: str = "mini", role: Role = Role.LOW_COST, usd: str | None = "10", **changes: object) -> Work:
    """A month of a thousand requests of a thousand tokens in and a hundred out."""
    plain = Work(
        task="intent",
        model=model,
        role=role,
        requests=Decimal(1000),
        input_tokens=Decimal(1_000_000),
        output_tokens=Decimal(100_000),
        usd=None if usd is None else Decimal(usd),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("tier", "role"),
    [("Premium", Role.PREMIUM), ("local", Role.LOCAL), ("low-cost", Role.LOW_COST), ("x", Role.UNNAMED)],
)
def test_a_tier_is_known_by_its_name(tier: str, role: Role) -> None:
    """Usual names are understood, others are said to be unknown and not guessed."""
    assert role_of(tier) is role


def test_premium_over_thirty_percent_of_the_bill_is_flagged() -> None:
    """S58: the flag stands above 30 % of the cost and not at it."""
    at = [work(usd="70"), work("opus", Role.PREMIUM, usd="30", requests=Decimal(100))]
    over = [work(usd="60"), work("opus", Role.PREMIUM, usd="40", requests=Decimal(100))]
    assert "premium-cost" not in {item.kind for item in mix_findings(at)}
    (found,) = (item for item in mix_findings(over) if item.kind == "premium-cost")
    assert "40%" in found.sentence
    assert found.usd_per_month == 40


def test_the_table_that_the_rule_comes_from_breaks_it() -> None:
    """Claim 0j: the article's own stack has 79 % of its cost on one model, over its own limit."""
    published = [
        work("flash", usd="0.003"),
        work("mini", Role.BALANCED, usd="0.54"),
        work("haiku", Role.PREMIUM, usd="2.00"),
    ]
    (found,) = (item for item in mix_findings(published) if item.kind == "premium-cost")
    assert "79%" in found.sentence


def test_a_healthy_mix_says_nothing() -> None:
    """70 / 20 / 10 of the requests and 30 % of the cost are within every band."""
    healthy = [
        work(requests=Decimal(700), usd="40"),
        work("haiku", Role.BALANCED, requests=Decimal(200), usd="30"),
        work("opus", Role.PREMIUM, requests=Decimal(100), usd="30"),
    ]
    assert mix_findings(healthy) == ()


@given(some.lists(some.tuples(some.sampled_from(list(Role)), some.integers(0, 9), some.integers(0, 99)), max_size=8))
def test_tier_shares_are_a_partition(rows: list[tuple[Role, int, int]]) -> None:
    """Requests and dollars of the shares add up to all of them."""
    works = [work(role=role, requests=Decimal(count), usd=str(usd)) for role, count, usd in rows]
    shares = tier_shares(works)
    if any(count for _, count, _ in rows):
        assert sum(share.requests for share in shares) == sum(count for _, count, _ in rows)
        assert sum(share.usd for share in shares) == total_usd(works)
        assert abs(sum((share.request_share for share in shares), Decimal(0)) - 1) < Decimal("1e-20")
    else:
        assert shares == ()


def test_long_answers_are_flagged_with_what_a_third_less_saves() -> None:
    """S74: 80 of 100 dollars are output, so a third less output saves 26.67."""
    (found,) = output_findings([work(usd="100", usd_output=Decimal(80))])
    assert "80%" in found.sentence
    assert "26.67" in found.sentence
    assert output_findings([work(usd="100", usd_output=Decimal(50))]) == ()
    small = [work(usd="1", usd_output=Decimal(1)), work(task="big", usd="999", usd_output=Decimal(9))]
    assert output_findings(small) == (), "a task of a thousandth of the bill is not worth a word"


def seen(**changes: object) -> Circumstances:
    """A case worth the bother: 2,000 dollars, 3,000 calls a day, three tasks."""
    plain = Circumstances(usd_per_month=Decimal(2000), requests_per_month=Decimal(91_250), tasks=3)
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"usd_per_month": Decimal("9.99")}, "$9.99 a month"),
        ({"requests_per_month": Decimal(30_000), "usd_per_month": Decimal(100)}, "986 calls a day"),
        ({"spare_ms": Decimal(100)}, "100 ms to spare"),
        ({"tasks": 1, "team": 2}, "one use case"),
    ],
)
def test_do_not_bother_is_said_plainly(changes: dict[str, object], says: str) -> None:
    """S61: each published reason ends in the two words and the figure it rests on."""
    verdict = worth_the_bother(seen(**changes))
    assert not verdict.worth_it
    assert verdict.sentence.startswith("Do not bother: ")
    assert says in verdict.sentence


def test_bother_where_money_is_at_stake() -> None:
    """A real bill is worth a look; so are few calls that cost a lot; one soft reason alone decides nothing."""
    assert worth_the_bother(seen()).worth_it
    assert worth_the_bother(seen(requests_per_month=Decimal(9000))).worth_it
    assert worth_the_bother(seen(tasks=1)).worth_it
    assert not worth_the_bother(seen(requests_per_month=Decimal(0))).worth_it
    assert worth_the_bother(seen(usd_per_month=None)).worth_it, "an unknown bill is not a small one"


def test_privacy_is_a_reason_of_its_own() -> None:
    """Where text may not leave, `do not bother` says that it speaks of money only."""
    verdict = worth_the_bother(seen(usd_per_month=Decimal(5), restricted_share=Decimal("0.2")))
    assert "20% of the requests may not leave" in verdict.sentence


def test_savings_are_net_of_the_box() -> None:
    """S76: 100 against 10 hosted is +90 % on paper and -10 % once the box of 100 is paid."""
    hosted = work(usd="10", input_tokens=Decimal(20_000_000), output_tokens=Decimal(0))
    done = savings([hosted], baseline="opus", price=OPUS, usd_fixed=Decimal(80), usd_staff=Decimal(20))
    assert done.usd_baseline == 100
    assert (done.gross_share, done.net_share) == (Decimal("0.9"), Decimal("-0.1"))
    assert "this way cost $10.00 net (-10%)" in done.sentence
    idle = savings([], baseline="opus", price=OPUS, usd_fixed=Decimal(80))
    assert idle.net_share is None
    assert "the box cost $80.00 all the same" in idle.sentence


def test_savings_with_unknown_prices_are_an_upper_bound() -> None:
    """Requests without a price count as nothing paid, and the sentence says so."""
    done = savings([work(usd=None)], baseline="opus", price=OPUS, usd_fixed=Decimal(0))
    assert done.unknown_requests == 1000
    assert done.sentence.endswith("It is an upper bound: 1,000 requests have no known price.")


def test_a_changed_price_is_told_with_its_effect() -> None:
    """S18: mini doubles its input price; a million tokens more cost 0.15 more, and nothing else is said."""
    dearer = replace(MINI, usd_per_mtok_in=Decimal("0.30"))
    now = (replace(LISTINGS[0], price=dearer), *LISTINGS[1:])
    (alert,) = alerts(now, {"mini": MINI, "haiku": HAIKU}, [work()], today=TODAY)
    assert alert.kind == "price"
    assert "in $0.15 -> $0.3 " in alert.sentence
    assert alert.usd_per_month == Decimal("0.15")
    assert alerts(LISTINGS, {"mini": MINI}, [work()], today=TODAY) == ()


def test_a_retiring_model_is_told_with_the_cost_of_migrating() -> None:
    """Half a year ahead and not before; the ways out are the same tokens at each other price, its own tier first."""
    leaving = replace(LISTINGS[1], retires_on=date(2027, 1, 24))
    other = Listing(name="sonnet", role=Role.BALANCED, price=replace(HAIKU, usd_per_mtok_in=Decimal(3)))
    found = (LISTINGS[0], leaving, LISTINGS[2], other)
    (alert,) = alerts(found, {}, [work("haiku", Role.BALANCED)], today=TODAY)
    assert "retires in 60 days" in alert.sentence
    assert [move.to for move in alert.moves] == ["sonnet", "mini", "opus"]
    assert [move.usd_difference for move in alert.moves] == [Decimal(2), Decimal("-1.29"), Decimal(6)]
    far = replace(leaving, retires_on=date(2028, 1, 1))
    assert alerts((far,), {}, [], today=TODAY) == ()
    (gone,) = alerts((replace(leaving, retires_on=TODAY),), {}, [], today=TODAY)
    assert gone.kind == "retired"
    assert gone.moves == ()


def test_nobody_is_told_to_move_to_a_model_that_leaves_too() -> None:
    """A way out that retires within half a year is none."""
    leaving = tuple(replace(item, retires_on=date(2027, 1, 1)) for item in LISTINGS)
    assert moves(leaving[0], leaving, [work()], today=TODAY) == ()


def test_waste_is_found() -> None:
    """Failures, a first model that 40 % of a task goes past, unknown prices, an idle box."""
    bad = work(failed=Decimal(100), second_tries=Decimal(400), usd=None)
    kinds = {item.kind for item in waste_findings([bad], usd_fixed=Decimal(2900))}
    assert kinds == {"failed", "fallback", "unknown-price", "idle-box"}
    assert waste_findings([work(second_tries=Decimal(399), failed=Decimal(19))]) == ()


def test_the_grade_follows_the_reasons() -> None:
    """A clean month is A+; each reason takes its points, down to F; without traffic there is no grade."""
    assert score([work()], []).grade == "A+"
    grades = [score([work()], [Finding(kind="x", sentence="", points=Decimal(n))]).grade for n in (5, 15, 25, 35, 45)]
    assert grades == ["A", "B", "C", "D", "F"]
    assert score([], []).grade is None


@given(some.lists(some.integers(0, 60), max_size=6))
def test_more_findings_never_raise_the_score(points: list[int]) -> None:
    """The score is between 0 and 100 and falls with every finding."""
    findings = [Finding(kind="x", sentence="", points=Decimal(item)) for item in points]
    scores = [score([work()], findings[:length]).points for length in range(len(findings) + 1)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= item <= 100 for item in scores)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_whole_of_known_tasks(preset: str) -> None:
    """S47: shares add up to one and name tasks of the table."""
    assert sum(PRESETS[preset].values()) == 1
    assert set(PRESETS[preset]) <= set(TASKS)


def test_a_stack_is_priced_with_its_fallbacks() -> None:
    """100,000 intents of 200/10 on mini are 3.60; the 3 % that fall back pay haiku too: 0.75."""
    stack = build_stack([Part(task=TASKS["intent"], requests=Decimal(100_000))], LISTINGS)
    assert stack.usd_per_month_hosted == Decimal("4.35")
    assert (stack.baseline, stack.usd_per_month_baseline) == ("opus", Decimal(125))
    assert not stack.needs_box


def test_restricted_work_stays_and_has_no_way_out() -> None:
    """The restricted part of each task is a row of its own, on the box, without a fallback."""
    part = Part(task=TASKS["rag-answer"], requests=Decimal(1000), restricted_share=Decimal("0.3"))
    stack = build_stack([part], LISTINGS)
    inside, outside = stack.rows
    assert (inside.model, inside.fallback, inside.requests) == ("local", None, Decimal(300))
    assert (outside.model, outside.requests) == ("haiku", Decimal(700))
    assert stack.needs_box


def test_a_tier_that_nobody_has_goes_one_step_up() -> None:
    """Without a balanced model its tasks start on the premium one, which then needs no fallback."""
    stack = build_stack([Part(task=TASKS["rag-answer"], requests=Decimal(1000))], (LISTINGS[0], LISTINGS[2]))
    assert [(row.model, row.fallback) for row in stack.rows] == [("opus", None)]
    assert build_stack([Part(task=TASKS["intent"], requests=Decimal(1))], ()).usd_per_month_hosted is None


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    """Never zero."""
    unknown = (replace(LISTINGS[0], price=None), *LISTINGS[1:])
    stack = build_stack([Part(task=TASKS["intent"], requests=Decimal(1000))], unknown)
    assert stack.usd_per_month_hosted is None
