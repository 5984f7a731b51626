"""Routing strategies: each orders doors as it says, and none adds or forgets one, however things are."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import combinations, pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.ask import Api, Ask, Caller, Priority
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.label import Label, Verdict
from localfleet.core.policy import Policy, decide
from localfleet.core.pricing import Price
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute
from localfleet.core.routing.asked import Objective, Row, Strategy, Trait
from localfleet.core.routing.chain import chained
from localfleet.core.routing.context import Context
from localfleet.core.routing.counts import Counts
from localfleet.core.routing.difficulty import Difficulty, Thresholds
from localfleet.core.routing.graded import Graded, read_grade
from localfleet.core.routing.keywords import Keywords
from localfleet.core.routing.kinds import KINDS, kind_of
from localfleet.core.routing.latency import LatencyAim
from localfleet.core.routing.left import BudgetLeft
from localfleet.core.routing.length import Length
from localfleet.core.routing.load import Load
from localfleet.core.routing.marginal import Aim
from localfleet.core.routing.moment import Moment, Stay
from localfleet.core.routing.order import Preference
from localfleet.core.routing.pace import Pace
from localfleet.core.routing.parts import Parts
from localfleet.core.routing.plan import PlanTiers
from localfleet.core.routing.quality import QualityBar
from localfleet.core.routing.row import TaskRow
from localfleet.core.routing.session import SameDoor, stay_after
from localfleet.core.routing.stays import Stays
from localfleet.core.routing.table import Table
from localfleet.core.routing.tier import TierAim
from localfleet.core.routing.volume import Volume

APIS = frozenset({Api.CHAT})
PUBLIC = Verdict(label=Label.PUBLIC)


def model(name: str, tier: str, usd: str = "", **more: object) -> Model:
    """A model; local where it has no price."""
    price = Price(usd_per_mtok_in=Decimal(usd), usd_per_mtok_out=Decimal(usd)) if usd else None
    facts: dict[str, object] = {
        "name": name, "tier": tier, "accepts": Label.INTERNAL if usd else None, "context_tokens": 9999, "apis": APIS,
        "price": price, "queue_limit": None if usd else 2, "host": name if usd else "",
    }  # fmt: skip
    return Model(**(facts | more))  # type: ignore[arg-type]  # a test's keyword bag


SMALL, BIG = model("small", "local"), model("big", "local")
MINI, MID, BEST = model("mini", "low", "1"), model("mid", "mid", "3"), model("best", "top", "9", accepts=Label.PUBLIC)
ALL = (SMALL, BIG, MINI, MID, BEST)
TRAITS = {
    "small": Trait(level=1, quality={"": 0.5}, latency_ms=100),
    "big": Trait(level=3, quality={"code": 0.9}, latency_ms=900),
    "mini": Trait(level=2, quality={"": 0.85}, latency_ms=300),
    "mid": Trait(level=4, quality={"": 0.92}, latency_ms=2000),
    "best": Trait(level=5, quality={"": 0.97}, latency_ms=9000, objective=Objective.QUALITY),
}
ROWS = {
    "code": Row(quality=0.9, latency_ms=1000, level=3),
    "bulk": Row(volume=True),
    "plain": Row(doors=("small", "mini"), escalates=False),
    "fast": Row(objective=Objective.LATENCY),
}


class Word:
    """A finder of one word."""

    def __init__(self, word: str) -> None:
        """Look for it."""
        self.word = word

    def count(self, text: str) -> int:
        """How often it stands there."""
        return text.split().count(self.word)


SIGNALS = (
    Keywords(finders=((5, Word("prove")), (3, Word("sort")))),
    Length(tokens=Thresholds(((3, 100), (4, 1000)))),
    Context(tokens={"context": Thresholds(((4, 5000),)), "documents": Thresholds(((3, 500),))}),
    Graded(),
)
STRATEGIES: tuple[Strategy, ...] = (
    PlanTiers(tiers={"free": ("local", "low")}), Volume(an_hour=100), Difficulty(), QualityBar(), SameDoor(), TaskRow(),
    BudgetLeft(spare=Decimal("0.2"), usd_per_day={"top": Decimal(10)}), LatencyAim(), Load(), Aim(), TierAim(),
)  # fmt: skip
FULL = Table(strategies=STRATEGIES, signals=SIGNALS, rows=ROWS, traits=TRAITS, sticky=3)
CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)


def ask(**changes: object) -> Ask:
    """A small public chat request for `auto`."""
    facts: dict[str, object] = {
        "request_id": "r", "api": Api.CHAT, "model": "auto", "caller": CALLER, "spans": (), "input_tokens": 100,
        "input_bytes": 400,
    }  # fmt: skip
    return Ask(**(facts | changes))  # type: ignore[arg-type]  # a test's keyword bag


def fleet(moment: Moment, states: Mapping[str, EngineState] | None = None, **more: object) -> Fleet:
    """All models, ready where nothing else is said."""
    ready = {one.name: EngineState(readiness=Readiness.READY) for one in ALL}
    return Fleet(models=ALL, states={**ready, **(states or {})}, moment=moment, **more)  # type: ignore[arg-type]  # a test's keyword bag


def order(table: Table, asked: Ask, moment: Moment, here: Fleet | None = None) -> list[str]:
    """The doors as the table alone sorts them."""
    judged = table.judged(asked, moment)
    at = replace(here or fleet(judged), moment=judged)
    return [one.name for one in table.order(table.asked(asked, at), list(ALL))]


MOMENTS = (
    Moment(),
    Moment(text="prove it", parts=Parts(user=2), stay=Stay(model="big", level=3), ms_by_model={"mini": 5000.0}),
    Moment(parts=Parts(user=2000, documents=9000), requests_an_hour=500, marginal_usd={"small": Decimal(1)}),
    Moment(graded=5, stay=Stay(model="gone", level=5)),
)
DOWN = EngineState(readiness=Readiness.DOWN)
FULL_LINE = EngineState(readiness=Readiness.READY, in_flight=2, waiting=3, wait_s=9)
STATES: tuple[Mapping[str, EngineState], ...] = (
    {},
    {"small": FULL_LINE, "mini": DOWN},
    {"big": EngineState(readiness=Readiness.ASLEEP), "best": EngineState(readiness=Readiness.LOADING, ready_in_s=5)},
    {"small": DOWN, "big": DOWN, "mid": DOWN},
)
MONEY: tuple[dict[str, object], ...] = (
    {},
    {"ledger_open": False},
    {"usd_left_for_key": Decimal(0)},
    {"usd_left_by_tier": {"top": Decimal(1), "low": Decimal(0)}},
)


def asks() -> Iterator[Ask]:
    """Every task, priority, permission, plan, budget and name that the strategies tell apart."""
    callers = (
        CALLER,
        replace(CALLER, plan="free", usd_per_month=Decimal(5)),
        replace(CALLER, models=frozenset({"small", "mid"})),
    )
    for task, priority, caller, name in product((None, *ROWS), Priority, callers, ("auto", "local", "best")):
        yield ask(task=task, priority=priority, caller=caller, model=name)


def tables() -> Iterator[Table]:
    """All strategies, each alone, and each pair in both orders of strength."""
    yield FULL
    for one in STRATEGIES:
        yield replace(FULL, strategies=(one,))
    for one, two in combinations(STRATEGIES[::4], 2):
        yield replace(FULL, strategies=(two, one))


def test_no_strategy_adds_or_forgets_a_door() -> None:
    """Over every label, permission, budget, engine state and table: the same doors as without strategies, reordered."""
    rows = {name: row.doors for name, row in ROWS.items() if row.doors}
    plain = Policy(preference=Preference(tasks=rows), fallbacks_per_request=20, retries_per_door=0)
    seen = 0
    everyone = list(asks())
    for table, states, money in product(tables(), STATES, MONEY):
        steered = replace(plain, preference=Preference(tasks=rows, table=table, chain=seen % 2 == 0))
        for n, asked in enumerate(everyone):
            moment = table.judged(asked, MOMENTS[n % len(MOMENTS)])
            here = fleet(moment, states, **money)
            verdict = Verdict(label=Label(n % 3))
            without, with_ = decide(asked, verdict, here, plain), decide(asked, verdict, here, steered)
            assert {route.model for route in with_.routes} == {route.model for route in without.routes}
            assert {d.model for d in with_.doors if d.legal} == {d.model for d in without.doors if d.legal}
            if verdict.label is Label.RESTRICTED:
                assert not any(isinstance(route, HostedRoute) for route in with_.routes)
            seen += 1
    assert seen == len(list(tables())) * len(STATES) * len(MONEY) * len(everyone)


@given(st.permutations(STRATEGIES), st.sampled_from(MOMENTS), st.sampled_from(list(asks())))
def test_the_order_is_that_of_the_strongest_strategy_that_tells_two_doors_apart(
    strategies: list[Strategy], moment: Moment, asked: Ask
) -> None:
    """For each pair of neighbours no stronger strategy prefers the later one, whatever the order of strategies."""
    table = replace(FULL, strategies=tuple(strategies))
    facts = table.asked(asked, fleet(table.judged(asked, moment)))
    doors = table.order(facts, list(ALL))
    assert sorted(one.name for one in doors) == sorted(one.name for one in ALL)
    speaking = [one for one in strategies if one.speaks(facts)]
    for earlier, later in pairwise(doors):
        ranks = [(one.rank(facts, earlier), one.rank(facts, later)) for one in speaking]
        told = next((pair for pair in ranks if pair[0] != pair[1]), (0, 1))
        assert told[0] < told[1]
    assert [said.strategy for said in table.said(facts, list(ALL))] == [one.name for one in speaking]


def only(*strategies: Strategy, **more: object) -> Table:
    """A table of these alone."""
    return replace(FULL, strategies=strategies, **more)  # type: ignore[arg-type]  # a test's keyword bag


@pytest.mark.parametrize(
    ("moment", "task", "level", "because", "first"),
    [
        (Moment(), None, 2, None, ["big", "mini", "mid", "best", "small"]),
        (Moment(text="please prove it"), None, 5, Reason.BY_KEYWORDS, ["best", "mid", "big", "mini", "small"]),
        (Moment(parts=Parts(user=150)), None, 3, Reason.BY_LENGTH, ["big", "mid", "best", "mini", "small"]),
        (Moment(parts=Parts(documents=6000)), None, 4, Reason.BY_CONTEXT, ["mid", "best", "big", "mini", "small"]),
        (Moment(graded=5), None, 5, Reason.BY_GRADE, ["best", "mid", "big", "mini", "small"]),
        (Moment(), "code", 3, Reason.TASK_RULE, ["big", "mid", "best", "mini", "small"]),
        (Moment(stay=Stay(model="x", level=4)), None, 4, Reason.BY_SESSION, ["mid", "best", "big", "mini", "small"]),
        (Moment(graded=5), "plain", 5, Reason.BY_GRADE, ["small", "big", "mini", "mid", "best"]),
    ],
)
def test_the_hardest_signal_counts_and_weaker_doors_come_last(
    moment: Moment, task: str | None, level: int, because: Reason | None, first: list[str]
) -> None:
    """Every signal has its reason; what is too weak comes after, the least weak first; some tasks never escalate."""
    judged = FULL.judged(ask(task=task), moment)
    assert (judged.level, judged.because) == (level, because)
    assert order(only(Difficulty()), ask(task=task), moment) == first


def test_each_strategy_puts_first_what_it_says() -> None:
    """One example for each, where the order is otherwise that of the file."""
    free = ask(caller=replace(CALLER, plan="free"))
    assert order(only(PlanTiers(tiers={"free": ("top", "low")})), free, Moment())[:2] == ["best", "mini"]
    assert order(only(Volume(an_hour=100)), ask(), Moment(requests_an_hour=100))[:2] == ["small", "big"]
    assert order(only(QualityBar()), ask(task="code"), Moment()) == ["big", "mid", "best", "mini", "small"]
    assert order(only(SameDoor()), ask(), Moment(stay=Stay(model="mid", level=1)))[0] == "mid"
    assert order(only(TaskRow()), ask(task="plain"), Moment())[:2] == ["small", "mini"]
    slow = Moment(ms_by_model={"small": 4000.0})
    assert order(only(LatencyAim()), ask(task="code"), slow) == ["big", "mini", "small", "mid", "best"]
    assert order(only(LatencyAim()), ask(deadline_ms=200), Moment())[0] == "small"
    assert order(only(Aim(usual=Objective.QUALITY)), ask(), Moment())[:2] == ["best", "mid"]
    assert order(only(Aim()), ask(task="fast"), Moment()) == ["small", "mini", "big", "mid", "best"]


def test_a_full_local_model_costs_what_it_displaces() -> None:
    """Law 11: free while idle, the cheapest hosted price when full, what a file of marginal prices says before both."""
    full = {name: EngineState(readiness=Readiness.READY, in_flight=2, wait_s=1.0) for name in ("small", "big")}
    assert order(only(Aim()), ask(), Moment()) == ["small", "big", "mini", "mid", "best"]
    busy = fleet(Moment(), {"small": full["small"]})
    assert order(only(Aim()), ask(), Moment(), busy) == ["big", "small", "mini", "mid", "best"]
    dear = Moment(marginal_usd={"small": Decimal(1), "big": Decimal(1)})
    assert order(only(Aim()), ask(), dear) == ["mini", "mid", "best", "small", "big"]


def test_an_emptying_budget_is_kept_for_hard_requests() -> None:
    """A tier with less than a fifth left comes last for easy work, and where it belongs for hard work."""
    table = only(BudgetLeft(spare=Decimal("0.2"), usd_per_day={"low": Decimal(10)}), Difficulty())
    low = fleet(Moment(), usd_left_by_tier={"low": Decimal(1)})
    assert order(table, ask(), Moment(), low)[-1] == "mini"
    assert order(table, ask(), Moment(graded=4), low)[0] == "mid"
    assert "mini" in order(table, ask(), Moment(graded=4), low)[2:4]


def test_load_spreads_over_local_models() -> None:
    """The one with more places free comes first."""
    here = fleet(Moment(), {"small": EngineState(readiness=Readiness.READY, in_flight=1)})
    assert order(only(Load()), ask(), Moment(), here)[0] == "big"
    assert order(only(Load()), ask(), Moment())[0] == "small"


def test_a_tier_sorts_its_own_models_by_its_own_objective() -> None:
    """`quality` inside one tier, while the tiers stand where their cheapest puts them."""
    two = model("two", "top", "12")
    traits = {**TRAITS, "two": Trait(quality={"": 0.99}, objective=Objective.QUALITY)}
    table = replace(FULL, strategies=(Aim(), TierAim()), traits=traits)
    here = replace(fleet(Moment()), models=(*ALL, two))
    doors = [one.name for one in table.order(table.asked(ask(), here), [*ALL, two])]
    assert doors == ["small", "big", "mini", "mid", "two", "best"]


def test_a_conversation_falls_slowly() -> None:
    """It rises at once; "commit it" keeps the level; after three easier requests it falls by one, then by one again."""
    stay = stay_after(None, model="best", level=5, holds=3)
    levels = []
    for _ in range(7):
        stay = stay_after(stay, model="best", level=1, holds=3)
        levels.append(stay.level)
    assert levels == [5, 5, 4, 4, 4, 3, 3]
    assert stay_after(stay, model="mid", level=5, holds=3) == Stay(model="mid", level=5)


def test_stays_are_found_by_the_longest_beginning_and_forgotten() -> None:
    """In time and in number."""
    stays, one, two = Stays(forget_after_s=10, most=2), Stay(model="a", level=1), Stay(model="b", level=2)
    stays.keep([b"1"], one, 0)
    stays.keep([b"12"], two, 1)
    assert stays.find([b"1", b"12", b"123"], 2) is two
    assert stays.find([b"1"], 2) is one
    assert stays.find([b"12"], 11) is None
    stays.keep([b"x"], one, 3)
    assert stays.find([b"1"], 3) is None


def test_the_chain_is_same_level_elsewhere_then_stronger_then_weaker() -> None:
    """The first door stays; a model of the same host and level is no other provider."""
    other, twin = model("other", "low", "2"), model("twin", "low", "2", host="mini")
    traits = {**TRAITS, "other": TRAITS["mini"], "twin": TRAITS["mini"]}
    table = replace(FULL, traits=traits)
    doors = [MINI, SMALL, BEST, twin, MID, other]
    found = chained(table.asked(ask(), fleet(Moment())), doors)
    assert [one.name for one in found] == ["mini", "other", "twin", "mid", "best", "small"]


def test_the_reason_is_the_strategy_that_decided() -> None:
    """Against the door that would have been first without strategies; what the law decided keeps its own reason."""
    policy = Policy(preference=Preference(table=FULL), fallbacks_per_request=5)

    def decided(moment: Moment, label: Label = Label.PUBLIC, **more: object) -> tuple[str, Reason]:
        asked = ask(**more)
        here = fleet(FULL.judged(asked, moment))
        decision = decide(asked, Verdict(label=label), here, policy)
        return decision.routes[0].model, decision.reason

    assert decided(Moment(text="prove it")) == ("best", Reason.BY_KEYWORDS)
    assert decided(Moment()) == ("big", Reason.BY_COST)
    assert decided(Moment(), task="bulk")[1] is Reason.VOLUME_STAYS_LOCAL
    assert decided(Moment(text="prove it"), Label.RESTRICTED) == ("big", Reason.RESTRICTED_STAYS_LOCAL)
    assert decided(Moment(text="prove it"), model="mini") == ("mini", Reason.PINNED_HOSTED)


def test_a_grade_is_a_digit_that_stands_alone() -> None:
    """Models add words; what is no grade is no opinion."""
    found = [read_grade(said) for said in ("3", " 4.", "Grade: 5/5", "2\n\nbecause", "10", "hard", "", "6")]
    assert found == [3, 4, 5, 2, None, None, None, None]


def test_counts_forget_after_an_hour() -> None:
    """Requests of one task, in steps of five minutes."""
    counts = Counts()
    assert [counts.note("t", at) for at in (0.0, 10.0, 400.0)] == [1, 2, 3]
    assert counts.note("u", 400.0) == 1
    assert counts.note("t", 3700.0) == 2


def test_pace_leans_to_the_latest() -> None:
    """The first figure counts whole."""
    pace = Pace()
    for ms in (100.0, 200.0):
        pace.note("m", ms)
    assert pace.ms_by_model == {"m": pytest.approx(110.0)}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Summarise this letter", "summarisation"), ("Please translate into German: hello", "translation"),
        ("Classify the ticket", "classification"), ("Extract all names", "entity-extraction"),
        ("Write a function that sorts", "code-generation"), ("Write a poem on rain", "creative"),
        ("Prove that it is prime", "complex-query"), ("Should we sign this contract?", "critical-decision"),
        ("Draft a reply", "generation"), ("Make a plan for the week", "planning"), ("hello", None),
    ],
)  # fmt: skip
def test_a_kind_is_told_by_cues(text: str, kind: str | None) -> None:
    """And nothing is said where nothing tells; documents and tools tell the rest."""
    assert kind_of(ask(), Parts(), text) == kind
    assert kind is None or kind in KINDS
    assert kind_of(ask(), Parts(documents=5), "what does it say?") == "rag-answer"
