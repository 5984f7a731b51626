"""Shares of tiers and the alarm on escalations: held at every moment, given back, forgotten after a day."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.ask import Api, Ask, Caller
from localfleet.core.budget import Purses
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Receipt
from localfleet.core.routing.caps import Caps, plan_scope
from localfleet.core.routing.escalation import ESCALATIONS, Alarm, escalated
from localfleet.core.routing.shares import Shares

CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
DAY_S = 86_400
OF = ("task", "t")


def ask(task: str | None = None, plan: str | None = None) -> Ask:
    """A request of a task and a plan."""
    return Ask(
        request_id="r", api=Api.CHAT, model="auto", caller=replace(CALLER, plan=plan), spans=(), task=task
    )  # fmt: skip


@given(st.floats(min_value=0, max_value=1), st.lists(st.booleans(), max_size=120))
def test_a_share_is_never_exceeded(most: float, tries: list[bool]) -> None:
    """After every request, whoever tries: no more than the share of all, or one where the share is above nothing."""
    shares, cap, taken = Shares(), ((OF, "premium", most),), 0
    for n, wants in enumerate(tries, 1):
        shares.arrived([OF], 0)
        full = "premium" in shares.full(cap, 0)
        got = wants and shares.take(cap, "premium", 0)
        assert not (got and full)
        taken += got
        assert taken <= max(most * n, 1 if most > 0 else 0)


def test_a_place_comes_back_and_a_day_is_forgotten() -> None:
    """A door without an answer frees its place; requests of yesterday count for nothing."""
    shares, cap = Shares(), ((OF, "premium", 0.5),)
    shares.arrived([OF], 0)
    assert shares.take(cap, "premium", 0)
    assert not shares.take(cap, "premium", 0)
    shares.give_back(cap, "premium", 0)
    assert shares.take(cap, "premium", 0)
    assert shares.share(OF, "premium") == 1
    assert shares.full(cap, DAY_S - 1) == {"premium"}
    assert shares.full(cap, DAY_S + 3600) == frozenset()


def test_a_task_s_cap_goes_before_the_one_of_all_and_plans_have_their_own() -> None:
    """Requests of no task count together; a task that the file does not declare is none."""
    caps = Caps(
        shares=Shares(), each_task={"premium": 0.0}, tasks={"t": {"premium": 1.0}, "u": {}},
        plans={"free": {"mid": 0.0}},
    )  # fmt: skip
    for task, plan in ((None, None), ("t", None), ("u", "free"), ("unknown", "free")):
        caps.arrived(ask(task, plan), 0)
    assert caps.full(ask(), 0) == {"premium"}
    assert caps.full(ask("t"), 0) == frozenset()
    assert caps.full(ask("u", "free"), 0) == {"premium", "mid"}
    assert caps.full(ask("unknown"), 0) == {"premium"}
    assert not caps.take(ask("t", "free"), "mid", 0)


def test_a_plan_has_a_purse_for_each_tier() -> None:
    """The smaller of what the tier and the plan have left counts; other plans see the tier's alone."""
    caps = Caps(shares=Shares(), usd_per_day={"free": {"premium": Decimal(2)}})
    purses = Purses()
    purses.book(plan_scope("free", "premium"), Decimal(1), 0)
    tiers = {"premium": Decimal(50), "mid": Decimal(3)}
    assert caps.left(ask(plan="free"), purses, tiers, 0) == {"premium": Decimal(1), "mid": Decimal(3)}
    assert caps.left(ask(), purses, tiers, 0) == tiers
    assert caps.purses(ask(plan="free"), "premium") == {("plan", "free/premium"): Decimal(2)}
    assert not caps.purses(ask(plan="free"), "mid")


def receipt(reason: Reason, *, task: str = "t", action: str | None = None, model: str | None = "m") -> Receipt:
    """What happened, as far as an alarm looks."""
    return Receipt(
        request_id="r", at=0, api=Api.CHAT, key_id="k", plan=None, task=task, session=None, label=Label.PUBLIC,
        findings=(), because=(), wanted="auto", model=model, tier="local", reason=reason, outcome=Reason.ANSWERED,
        status=200, stream=False, doors=(), attempts=(), usage=None, cost_usd=Decimal(0), price_version=None,
        queue_ms=0, first_byte_ms=1, total_ms=1, action=action,
    )  # fmt: skip


@pytest.mark.parametrize("reason", sorted(ESCALATIONS))
def test_every_escalation_has_a_reason_of_the_one_list(reason: Reason) -> None:
    """And a part of an action, or a request without an answer, is no escalation."""
    assert escalated(receipt(reason))
    assert not escalated(receipt(reason, action="r"))
    assert not escalated(receipt(reason, model=None))


def test_the_alarm_rings_at_two_fifths_of_enough_requests() -> None:
    """Not with few, not below, and not for another task (S55)."""
    alarm = Alarm()
    for n in range(19):
        alarm.watch(receipt(Reason.BY_KEYWORDS if n < 8 else Reason.TASK_RULE))
        alarm.watch(receipt(Reason.TASK_RULE, task="u"))
    assert alarm.ringing() == frozenset()
    alarm.watch(receipt(Reason.TASK_RULE))
    alarm.watch(receipt(Reason.TASK_RULE, task="u"))
    assert alarm.shares() == {"t": 0.4, "u": 0.0}
    assert alarm.ringing() == {"t"}
    alarm.watch(receipt(Reason.TASK_RULE))
    assert alarm.ringing() == frozenset()
