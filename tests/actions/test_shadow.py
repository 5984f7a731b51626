"""Shadows on their way through the gateway: by the law alone, at nobody's expense, judged, recorded, and dropped."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from action_rig import Room, chat, model
from gateway_rig import ANYONE, Talker, Words, always

from localfleet.actions.bench import Bench
from localfleet.actions.shadow import Shadows
from localfleet.core.ask import Caller, Priority
from localfleet.core.cascade import Cascade
from localfleet.core.conversation import prints_of
from localfleet.core.data_policy import NO_DEMAND, Demand
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.judges.grade import INSTRUCTIONS, Grader
from localfleet.core.judges.validators import Length
from localfleet.core.label import Label
from localfleet.core.policy import decide
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute, Route
from localfleet.core.routing.caps import Caps
from localfleet.core.routing.shares import Shares
from localfleet.core.shadow import Hours, Shadow, as_if_asked, drawn, once
from localfleet.core.split import Experiment
from localfleet.ports import Call
from localfleet.redacting import Redactor, Sessions

GRADED = "Grade (1-5):"


def grades(question: str) -> str:
    """The box: it answers, and it grades answers of `best` higher than its own."""
    if not question.endswith(GRADED):
        return "from small"
    return "5" if "from best" in question else "2"


def shadow(to: str = "best", **more: Any) -> Shadow:
    """A shadow of every request of `work`."""
    experiment = Experiment(
        name="newer", task="work", doors=(to,), share=more.pop("share", 1.0), by=more.pop("by", "request"), margin=0.02,
        most_cost_ratio=1.0,
    )  # fmt: skip
    cascade = Cascade(checks=(Length(least_chars=1),), grader=Grader(model="small"))
    facts: dict[str, Any] = {"usd_per_day": Decimal(1), "requests_per_hour": 100, "cascade": cascade} | more
    return Shadow(experiment=experiment, **facts)


def built(room: Room, *ones: Shadow) -> Shadows:
    """As `workflows` builds them."""
    gateway = room.gateway
    return Shadows(gateway=gateway, bench=Bench(gateway=gateway), by_task={"work": ones}, hours=Hours())


def mirrored(
    room: Room, one: Shadow, *, ask: Mapping[str, Any] | None = None, patience_s: float = 1.0, **more: Any
) -> bytes:
    """One request with its shadow, to the end; what its caller got."""
    letter = room.letter(ask=dict(ask or {}), **more)

    async def run() -> bytes:
        shadows = replace(built(room, one), patience_s=patience_s)
        visit = room.visit(letter)
        answer = await shadows.after(letter, visit, await room.gateway.answer(letter, visit))
        data = answer.whole or b""
        if answer.stream is not None:
            data = b"".join([chunk async for chunk in answer.stream])
        await shadows.rest()
        return data

    return asyncio.run(run())


@pytest.mark.parametrize("stream", [False, True])
def test_the_caller_gets_its_answer_and_the_shadow_is_judged_beside_it(*, stream: bool) -> None:
    """Both answers are graded on the box; its own receipts, linked to the caller's, hold both grades and both costs."""
    room = Room(small=grades)
    assert chat(mirrored(room, shadow(), stream=stream)).strip() == "from small"
    caller, call, *judges, root = room.books.receipts
    assert (caller.action, caller.role, caller.key_id) == (None, None, "k")
    assert (root.request_id, root.action, root.role, root.arm) == ("r1-shadow", "r1", "shadow", "newer:trial")
    assert (call.request_id, call.action, call.model, call.key_id) == (
        "r1-shadow.1",
        "r1-shadow",
        "best",
        "shadow:newer",
    )
    assert [one.role for one in judges] == ["judge", "judge"]
    assert {one.model for one in judges} == {"small"}
    control, trial, *_ = root.parts
    assert (control.role, control.request_id, control.score, control.cost_usd) == ("control", "r1", 0.25, Decimal(0))
    assert (trial.role, trial.score, trial.model) == ("shadow", 1.0, "best")
    assert trial.cost_usd == call.cost_usd == Decimal("0.0011")
    assert [intent.request_id for intent in room.books.intents] == ["r1-shadow.1"]
    assert room.books.events.index("intent best") < room.books.events.index("send best")
    body = room.engines["best"].calls[0].body
    assert "stream" not in body


def test_a_judge_is_told_what_to_look_at() -> None:
    """The shipped words for safety reach the judge, and both scores say that they are of it."""
    room = Room(small=grades)
    grader = Grader(model="small", instruction=INSTRUCTIONS["safety"], aspect="safety")
    mirrored(room, shadow(cascade=Cascade(checks=(Length(least_chars=1),), grader=grader)))
    control, trial, *_ = room.books.receipts[-1].parts
    assert [(one.aspect, one.score) for one in (control, trial)] == [("safety", 0.25), ("safety", 1.0)]
    asked = [
        call.body["messages"][0]["content"]
        for call in room.engines["small"].calls
        if "Grade" in call.body["messages"][-1]["content"]
    ]
    assert asked == [INSTRUCTIONS["safety"]] * 2


def test_nobody_else_pays() -> None:
    """Neither the caller's key nor its plan is charged; the tier and the experiment's purse are."""
    room = Room(small=grades)
    caller = replace(ANYONE, usd_per_month=Decimal(5), plan="free")
    caps = Caps(shares=Shares(), usd_per_day={"free": {"tier_best": Decimal(5)}}, each_task={"tier_best": 1.0})
    room.gateway.caps = caps
    mirrored(room, shadow(), ask={"caller": caller})
    spent = {scope: usd for (scope, _), usd in room.gateway.purses.spent.items() if usd}
    cost = Decimal("0.0011")
    assert spent == {("key", "shadow:newer"): cost, ("tier", "tier_best"): cost, ("shadow", "newer"): cost}
    assert {receipt.plan for receipt in room.books.receipts if receipt.action is not None} == {None}
    assert not any(room.gateway.purses.reserved.values())


def test_its_money_is_bounded_and_taken_before() -> None:
    """A purse that cannot pay the worst shuts the door; what is reserved for one cannot be had by the next."""
    room = Room(small=grades)
    mirrored(room, shadow(usd_per_day=Decimal("0.0001")))
    root = room.books.receipts[-1]
    assert (root.role, root.outcome) == ("shadow", Reason.OVER_BUDGET)
    assert room.leaving == ""


def test_an_unknown_price_is_no_price() -> None:
    """Where nobody knows what it costs at most, no budget can hold it: it is not asked."""
    room = Room(small=grades, more={"dark": (model("dark", Label.INTERNAL), lambda _: "from dark")})
    mirrored(room, shadow("dark"))
    assert room.books.receipts[-1].outcome is Reason.PRICE_UNKNOWN
    assert room.leaving == ""


def test_so_many_an_hour() -> None:
    """The place of one is taken in one step; the next hour has places again."""
    hours = Hours()
    assert [hours.take("newer", 2, 7200.0) for _ in range(3)] == [True, True, False]
    assert hours.take("other", 2, 7200.0)
    assert hours.take("newer", 2, 10800.0)
    assert list(hours.begun) == [("newer", 3)]


def test_it_is_drawn_by_lot_or_with_its_session() -> None:
    """A share of requests, each by itself; by session all or none."""
    room = Room()
    key = room.gateway.print_key
    asks = [replace(room.letter().ask, request_id=f"r{n}", session="s") for n in range(2000)]
    each = sum(drawn(shadow(share=0.25), one, key=key) for one in asks)
    assert 400 < each < 600
    assert sum(drawn(shadow(share=0.25, by="session"), one, key=key) for one in asks) in {0, 2000}


def test_it_is_tried_once() -> None:
    """A door that fails is not tried again, no other is, and the caller hears nothing of it."""
    room = Room(small=grades, best=lambda _: Reason.UPSTREAM_ERROR)
    assert chat(mirrored(room, shadow())) == "from small"
    assert [len(room.engines[name].calls) for name in ("best", "mini")] == [1, 0]
    assert room.books.receipts[-1].outcome is Reason.UPSTREAM_ERROR


FREE = EngineState(readiness=Readiness.READY)
WANTED = replace(FREE, waiting=1)


@dataclass
class Shared(Talker):
    """A local engine whose state is as told; once asked, somebody else waits for it, and it does not get on."""

    shown: EngineState = FREE

    def state(self) -> EngineState:
        """As told."""
        return self.shown

    async def send(self, route: Route, call: Call) -> Words:
        """Never answer."""
        self.calls.append(call)
        self.shown = WANTED
        await asyncio.sleep(60)
        return await Talker.send(self, route, call)


def with_shared(shown: EngineState) -> tuple[Room, Shared]:
    """A room with one more local model."""
    room = Room(small=grades, more={"other": (model("other", None), lambda _: "from other")})
    room.engines["other"] = other = Shared("other", False, room.books, always(Reason.UPSTREAM_ERROR), shown=shown)
    return room, other


@pytest.mark.parametrize("shown", [WANTED, replace(FREE, wait_s=1.0), replace(FREE, readiness=Readiness.ASLEEP)])
def test_a_local_shadow_does_not_begin_where_somebody_waits(shown: EngineState) -> None:
    """Nor where there is no room, nor at an engine that it would have to wake."""
    room, other = with_shared(shown)
    mirrored(room, shadow("other"), patience_s=0.0)
    assert other.calls == []
    assert room.books.receipts[-1].outcome is Reason.QUEUE_TOO_LONG


def test_a_local_shadow_gives_way() -> None:
    """It goes in the batch lane, and stops in the middle as soon as somebody waits."""
    room, other = with_shared(FREE)
    mirrored(room, shadow("other"))
    (call,) = other.calls
    assert call.priority is Priority.BATCH
    part, root = room.books.receipts[-2:]
    assert (part.outcome, root.outcome) == (Reason.CLIENT_LEFT, Reason.QUEUE_TOO_LONG)


LABELS = tuple(Label)
PERMITTED = (None, frozenset({"small"}), frozenset({"small", "best"}))
MONEY = (None, Decimal(0), Decimal(100))
CLOSED = (False, True)
STATES = (Readiness.READY, Readiness.DOWN)


def test_no_shadow_opens_a_closed_door() -> None:
    """
    All labels, permissions, demands, budgets of key and tier, ledger states and engine states, to each kind of model.

    What the policy shuts to the caller who names the model stays shut, and what it opens is all that is asked.
    """
    strict = Demand(no_training=True)
    combos = product(LABELS, PERMITTED, MONEY, MONEY, CLOSED, STATES, (NO_DEMAND, strict), ("best", "public"))
    asked = 0
    for label, models, key_usd, tier_usd, closed, state, demand, to in combos:
        room = Room(
            small=grades, more={"public": (model("public", Label.PUBLIC, "1"), lambda _: "from public")}, fallbacks=0
        )
        caller = Caller(
            key_id="k", name="k", default_label=Label.PUBLIC, models=models, usd_per_month=key_usd,
            providers=demand,
        )  # fmt: skip
        room.engines[to].readiness = state
        room.books.shut = closed
        if tier_usd is not None:
            room.gateway.usd_per_day = {f"tier_{to}": tier_usd}
        facts = {"declared": label, "caller": caller}
        letter = room.letter(ask=dict(facts))
        visit = room.visit(letter)
        asyncio.run(room.gateway.decide(letter, visit))
        wished = as_if_asked(letter.ask, to, visit.judged.label)
        law = decide(wished, visit.judged, room.gateway.fleet(wished), once(room.gateway.policy))
        mirrored(room, shadow(to), ask=facts)
        sent = {intent.model for intent in room.books.intents}
        assert sent == {route.model for route in law.routes if isinstance(route, HostedRoute)}
        assert bool(room.engines[to].calls) == bool(law.routes)
        if label is Label.RESTRICTED or closed:
            assert room.leaving == ""
        asked += bool(law.routes)
    assert asked > 10


def test_a_shadow_reads_the_conversation_s_label() -> None:
    """What became restricted since, by the answer or by another request of the session, has no hosted shadow."""
    room = Room(small=grades)
    letter = room.letter("hello", ask={"session": "s"})

    async def run() -> None:
        shadows = built(room, shadow())
        visit = room.visit(letter)
        answer = await room.gateway.answer(letter, visit)
        room.books.remember(prints_of(letter.ask, room.gateway.print_key), Label.RESTRICTED)
        await shadows.after(letter, visit, answer)
        await shadows.rest()

    asyncio.run(run())
    assert room.leaving == ""
    assert room.books.receipts[-1].label is Label.RESTRICTED


def test_no_word_is_kept() -> None:
    """Receipts of a shadow hold names, numbers and grades."""
    room = Room(small=grades)
    mirrored(room, shadow(), text="quartz heron")
    assert "quartz" not in json.dumps([repr(receipt) for receipt in room.books.receipts])


def test_a_request_has_one_shadow_at_most() -> None:
    """Of those that are drawn the first; one of the model that answered has nothing to compare with."""
    room = Room(small=grades)

    async def run(*ones: Shadow) -> None:
        shadows, letter = built(room, *ones), room.letter()
        visit = room.visit(letter)
        await shadows.after(letter, visit, await room.gateway.answer(letter, visit))
        await shadows.rest()

    asyncio.run(run(shadow("small"), shadow("mini"), shadow("best")))
    assert [len(room.engines[name].calls) for name in ("mini", "best")] == [1, 0]


def test_what_is_redacted_is_mirrored_redacted() -> None:
    """Where the policy's proof opens a hosted door, what goes there is the redacted text, under its own label."""
    room = Room(small=grades)
    room.gateway.redactor = Redactor(key=b"r" * 32, sessions=Sessions(now=lambda: 0.0))
    mirrored(room, shadow(), text="Write to jane.doe@posteo.de of the rain.")
    (call,) = room.engines["best"].calls
    assert "of the rain" in json.dumps(call.body)
    assert "jane.doe" not in room.leaving
    (intent,) = room.books.intents
    assert intent.label < Label.RESTRICTED
    assert room.books.receipts[-1].label is Label.RESTRICTED


def test_tools_do_not_act_twice() -> None:
    """A request whose tool runs at the provider has no shadow; one with functions of the caller's has."""
    for tool, calls in (({"type": "mcp", "server_url": "https://x"}, 0), ({"type": "function", "function": {}}, 1)):
        room = Room(small=grades)
        mirrored(room, shadow(), tools=[tool])
        assert len(room.engines["best"].calls) == calls


def test_who_leaves_has_no_shadow() -> None:
    """A stream that its caller leaves, an error, and an answer of the same model have nothing to compare with."""
    room = Room(small=grades)
    letter = room.letter(stream=True)

    async def left() -> None:
        shadows, visit = built(room, shadow()), room.visit(letter)
        answer = await shadows.after(letter, visit, await room.gateway.answer(letter, visit))
        assert answer.stream is not None
        await anext(answer.stream)
        await answer.stream.aclose()
        assert not shadows.running

    asyncio.run(left())
    mirrored(Room(small=lambda _: Reason.UPSTREAM_ERROR, tasks={"work": ("small",)}, fallbacks=0), shadow())
    mirrored(room, shadow("small"))
    assert [receipt.role for receipt in room.books.receipts] == [None, None]


def test_stopping_ends_them_with_a_receipt() -> None:
    """A router that ends does not wait for shadows, and its books say what became of them."""
    room, _ = with_shared(FREE)

    letter = room.letter()

    async def run() -> None:
        shadows, visit = built(room, shadow("other")), room.visit(letter)
        await shadows.after(letter, visit, await room.gateway.answer(letter, visit))
        await asyncio.sleep(0.02)
        await shadows.stop()

    asyncio.run(run())
    assert [receipt.outcome for receipt in room.books.receipts[1:]] == [Reason.CLIENT_LEFT, Reason.CLIENT_LEFT]
