"""Cascades: judged answers go on along the list that was fixed before, and never to a door that the law shut."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from action_rig import Room, chat, speaking
from gateway_rig import ANYONE, USED

from localfleet.actions.bench import Bench
from localfleet.actions.cascade import Cascades
from localfleet.core.ask import Api
from localfleet.core.cascade import Cascade, steps
from localfleet.core.fleet import Readiness
from localfleet.core.judges.confidence import Confidence
from localfleet.core.judges.consistency import Consistency
from localfleet.core.judges.grade import Grader
from localfleet.core.judges.validators import Json, Length, Refusal
from localfleet.core.judges.verdict_of_call import Judged
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute
from localfleet.gateway import Answer

LONG_ENOUGH = Cascade(checks=(Length(least_chars=20), Refusal()))
ENOUGH = "a long and thorough answer to it"
TWO = {"work": ("small", "mini")}
ONE_CALL = Decimal(USED.input_tokens + USED.output_tokens) / 1_000_000


@dataclass
class Asked:
    """What came back, read to its end."""

    answer: Answer
    data: bytes

    @property
    def text(self) -> str:
        """What the client reads."""
        return chat(self.data)


def ask(
    room: Room, cascade: Cascade, text: str = "hello", callables: Mapping[str, Any] | None = None, **more: Any
) -> Asked:
    """Send one request through a cascade."""
    letter = room.letter(text, **more)
    bench = Bench(gateway=room.gateway, callables=callables or {})
    cascades = Cascades(gateway=room.gateway, bench=bench, by_task={"work": cascade})

    async def story() -> Asked:
        answer = await cascades.answer(letter, room.visit(letter), cascade)
        parts = [answer.whole] if answer.whole is not None else []
        if answer.stream is not None:
            parts = [chunk async for chunk in answer.stream]
        return Asked(answer=answer, data=b"".join(parts))

    return asyncio.run(story())


def tries(room: Room) -> list[tuple[str, str]]:
    """The doors of the action and how each ended."""
    return [(attempt.model, attempt.reason) for attempt in room.root.attempts]


@pytest.mark.parametrize("stream", [False, True])
def test_a_good_answer_of_the_first_door_goes_out(*, stream: bool) -> None:
    """Nothing is escalated, nothing hosted is asked, and the action costs nothing."""
    room = Room(small=lambda _: ENOUGH)
    asked = ask(room, LONG_ENOUGH, stream=stream)
    assert asked.text.strip() == ENOUGH
    assert room.books.events == ["send small"]
    assert tries(room) == [("small", "answered")]
    assert (room.root.model, room.root.reason) == ("small", Reason.TASK_RULE)
    assert [(part.role, part.verdict) for part in room.root.parts] == [("draft", "passed")]


@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_answer_goes_on_and_both_are_paid_for(*, stream: bool) -> None:
    """The next doors of the list answer in turn; the action's receipt lists each try, its verdict and its money."""
    room = Room(small=lambda _: "no", mini=lambda _: "sorry, i cannot help you with that", best=lambda _: ENOUGH)
    asked = ask(room, LONG_ENOUGH, stream=stream)
    assert asked.text.strip() == ENOUGH
    assert tries(room) == [("small", "answer_invalid"), ("mini", "answer_invalid"), ("best", "answered")]
    assert room.books.events == ["send small", "intent mini", "send mini", "intent best", "send best"]
    root = room.root
    assert (root.model, root.reason, root.outcome) == ("best", Reason.ANSWER_INVALID, Reason.ANSWERED)
    assert [part.verdict for part in root.parts] == ["too_short", "refused", ""]
    assert [part.cost_usd for part in root.parts] == [0, ONE_CALL, ONE_CALL * 10]
    assert root.cost_usd == 0
    if not stream:
        assert asked.answer.visit.total_usd == ONE_CALL * 11
    spent = {model: sum(r.cost_usd or 0 for r in room.books.receipts if r.model == model) for model in ("mini", "best")}
    assert spent == {"mini": ONE_CALL, "best": ONE_CALL * 10}


def test_every_part_has_its_own_receipt_and_intents_are_settled_by_it() -> None:
    """Ids of intents and receipts agree part by part, so that a restart finds open exactly what is open."""
    room = Room(small=lambda _: "no", mini=lambda _: ENOUGH)
    ask(room, LONG_ENOUGH)
    assert [receipt.request_id for receipt in room.books.receipts] == ["r1.1", "r1.2", "r1"]
    assert [receipt.action for receipt in room.books.receipts] == ["r1", "r1", None]
    assert [intent.request_id for intent in room.books.intents] == ["r1.2"]


def test_restricted_text_never_escalates_out() -> None:
    """A restricted request has no hosted door in its list, however bad the answer."""
    room = Room(small=lambda _: "no")
    asked = ask(room, LONG_ENOUGH, ask={"declared": Label.RESTRICTED})
    assert asked.text == "no"
    assert room.leaving == ""


def test_the_last_answer_is_better_than_none() -> None:
    """Where the stronger door fails, the answer that was not good enough goes out, and the receipt says so."""
    room = Room(small=lambda _: "no", mini=lambda _: Reason.UPSTREAM_ERROR, best=lambda _: Reason.CONNECT_FAILED)
    asked = ask(room, LONG_ENOUGH)
    assert asked.text == "no"
    assert tries(room) == [
        ("small", "answer_invalid"), ("mini", "upstream_error"), ("best", "connect_failed"), ("small", "answered"),
    ]  # fmt: skip
    assert room.root.model == "small"


def fails(_: str) -> Reason:
    """No connection."""
    return Reason.CONNECT_FAILED


def test_a_door_that_fails_is_passed_and_all_failing_is_an_error() -> None:
    """Failures walk on as without a cascade; when nothing answered, the last failure speaks."""
    room = Room(small=lambda _: Reason.CONNECT_FAILED, mini=lambda _: ENOUGH)
    assert ask(room, LONG_ENOUGH).text == ENOUGH
    room = Room(small=fails, mini=fails, best=fails)
    asked = ask(room, LONG_ENOUGH)
    assert asked.answer.error is not None
    assert asked.answer.error.reason is Reason.CONNECT_FAILED
    assert (room.root.outcome, len(room.root.parts)) == (Reason.CONNECT_FAILED, 3)


def test_a_stream_that_began_is_never_followed_by_another_door() -> None:
    """Law 5: with a buffer of a few tokens the judges see those, and what goes out then is the first door's alone."""
    good = "one two three four five six seven eight nine ten " * 3
    room = Room(small=lambda _: good + "sorry, i cannot help")
    asked = ask(room, replace(LONG_ENOUGH, buffer=8), stream=True)
    assert asked.text.split() == [*good.split(), "sorry,", "i", "cannot", "help"]
    assert room.books.events == ["send small"]
    room = Room(small=lambda _: "I cannot help with that, " + good, mini=lambda _: ENOUGH)
    asked = ask(room, replace(LONG_ENOUGH, buffer=8), stream=True)
    assert asked.text.strip() == ENOUGH
    assert room.engines["small"].replies[0].given < len(room.engines["small"].replies[0].chunks)
    assert tries(room) == [("small", "answer_invalid"), ("mini", "answered")]


def test_without_a_buffer_streams_are_not_judged() -> None:
    """`buffer: none`: the first door streams at once; whole answers are judged all the same."""
    room = Room(small=lambda _: "no")
    assert ask(room, replace(LONG_ENOUGH, buffer="none"), stream=True).text.strip() == "no"
    room = Room(small=lambda _: "no", mini=lambda _: ENOUGH)
    assert ask(room, replace(LONG_ENOUGH, buffer="none")).text == ENOUGH


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_are_asked_for_and_not_shown(*, stream: bool) -> None:
    """The judge sees them, the client who did not ask does not; one who did keeps them."""
    cascade = Cascade(checks=(Confidence(least_logprob=-0.5),), logprobs=True)
    room = Room(small=lambda _: ENOUGH)
    asked = ask(room, cascade, stream=stream)
    assert room.engines["small"].calls[0].body["logprobs"] is True
    assert b"logprob" not in asked.data
    assert asked.text.strip() == ENOUGH
    room = Room(small=lambda _: ENOUGH)
    assert b"logprobs" in ask(room, cascade, stream=stream, logprobs=True).data
    room = Room(small=lambda _: ENOUGH)
    room.engines["small"].reply = speaking(lambda _: ENOUGH, logprob=-2.0)
    ask(room, cascade, stream=stream)
    assert tries(room)[0] == ("small", "answer_unsure")


def test_samples_that_disagree_send_it_on() -> None:
    """The same door is asked again; its samples are parts of the action, and of nothing else."""
    answers = iter(["Paris", "Lyon", "Nice"])
    room = Room(small=lambda _: next(answers), mini=lambda _: "Paris", tasks=TWO)
    cascade = Cascade(checks=(), consistency=Consistency(samples=2, least=0.5))
    assert ask(room, cascade).text == "Paris"
    assert room.books.events == ["send small"] * 3 + ["intent mini", "send mini"]
    assert [part.role for part in room.root.parts] == ["draft", "sample", "sample", "draft"]
    assert room.root.parts[0].verdict == "inconsistent"
    assert room.root.parts[0].score == 0


@pytest.mark.parametrize(("grade", "model"), [("5", "small"), ("2", "mini"), ("what?", "mini")])
def test_a_local_model_judges(grade: str, model: str) -> None:
    """A good grade lets the answer go, a bad one or none sends it on."""
    room = Room(small=lambda text: grade if "Grade (1-5):" in text else ENOUGH, tasks=TWO)
    ask(room, Cascade(checks=(), grader=Grader(model="small")))
    assert room.root.model == model
    assert [part.role for part in room.root.parts][:2] == ["draft", "judge"]


def test_a_judge_sees_no_more_than_the_law_allows() -> None:
    """A hosted judge of a restricted answer has no open door: it is not asked, and the answer counts as unsure."""
    canary = "zq-canary-81"
    other = Room(small=lambda _: f"{ENOUGH} {canary}", tasks=TWO)
    cascade = Cascade(checks=(), grader=Grader(model="best"))
    asked = ask(other, cascade, canary, ask={"declared": Label.RESTRICTED})
    assert canary in asked.text
    assert other.leaving == ""


def good_judge(judged: Judged) -> bool:
    """A judge of an operator's."""
    return "thorough" in judged.answer and judged.request == "hello"


def broken_judge(judged: Judged) -> float:
    """One that fails with a request's words in its hands."""
    raise RuntimeError(judged.request)


@pytest.mark.parametrize(
    ("judge", "model", "verdict"),
    [(good_judge, "small", "passed"), (lambda _: 0.2, "mini", "low_score"), (broken_judge, "mini", "judge_failed")],
)
def test_an_operators_own_judge(judge: Any, model: str, verdict: str) -> None:
    """Its word counts; where it fails, the answer is unsure, and its exception is seen by nobody."""
    room = Room(small=lambda _: ENOUGH, tasks=TWO)
    ask(room, Cascade(checks=(), call="mine:judge"), callables={"mine:judge": judge})
    assert (room.root.model, room.root.parts[0].verdict) == (model, verdict)


def test_the_most_it_may_cost_holds_for_the_whole_action() -> None:
    """A door that would take the sum over the request's limit is not tried."""
    room = Room(small=lambda _: "no", mini=lambda _: "no", best=lambda _: ENOUGH)
    letter = room.letter()
    worst = 10 * (letter.ask.input_bytes + 100) * Decimal(1) / 1_000_000
    asked = ask(room, LONG_ENOUGH, ask={"max_cost_usd": worst})
    assert asked.text == "no"
    assert ("best", "over_max_cost") in tries(room)
    assert "send best" not in room.books.events


def test_a_client_that_leaves_while_it_is_judged_is_recorded() -> None:
    """Cancelled anywhere, the part and the action have a receipt each."""

    async def story() -> Room:
        room = Room(small=lambda _: ENOUGH)
        bench = Bench(gateway=room.gateway, callables={"mine:judge": wait})
        cascade = Cascade(checks=(), call="mine:judge")
        letter = room.letter()
        cascades = Cascades(gateway=room.gateway, bench=bench, by_task={})
        task = asyncio.create_task(cascades.answer(letter, room.visit(letter), cascade))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return room

    room = asyncio.run(story())
    assert [(r.request_id, r.outcome) for r in room.books.receipts] == [
        ("r1.1", Reason.ANSWERED), ("r1", Reason.CLIENT_LEFT),
    ]  # fmt: skip


def wait(_: Judged) -> bool:
    """Take a moment."""
    import time

    time.sleep(0.2)
    return True


def test_a_stream_left_in_the_middle_has_its_receipts() -> None:
    """The client goes away while the last door streams: both receipts say so."""

    async def story() -> Room:
        room = Room(small=lambda _: "no", mini=lambda _: ENOUGH, tasks=TWO)
        letter = room.letter(stream=True)
        cascades = Cascades(gateway=room.gateway, bench=Bench(gateway=room.gateway), by_task={})
        answer = await cascades.answer(letter, room.visit(letter), LONG_ENOUGH)
        assert answer.stream is not None
        await anext(answer.stream)
        await answer.stream.aclose()
        return room

    room = asyncio.run(story())
    assert [(r.request_id, r.outcome) for r in room.books.receipts][1:] == [
        ("r1.2", Reason.CLIENT_LEFT), ("r1", Reason.CLIENT_LEFT),
    ]  # fmt: skip


PERMITTED = (None, frozenset({"small", "mini"}), frozenset({"best"}))
CASCADES = (
    LONG_ENOUGH,
    replace(LONG_ENOUGH, buffer=8),
    replace(LONG_ENOUGH, buffer="none"),
    Cascade(checks=(), consistency=Consistency(samples=1, least=1), grader=Grader(model="best")),
    Cascade(checks=(Json(always=True),), grader=Grader(model="mini")),
)


def test_no_cascade_opens_a_door_that_the_law_shuts() -> None:
    """Every label, permission, engine state, ledger, budget, stream and kind of judge: only the decision's doors."""
    seen = 0
    states = (Readiness.READY, Readiness.DOWN)
    for label, models, cascade, stream in product(Label, PERMITTED, CASCADES, (False, True)):
        for small, mini, ledger_open, usd in product(states, states, (True, False), (None, Decimal(0))):
            seen += 1
            room = Room(small=lambda _: "no", mini=lambda _: "no", best=lambda _: "no")
            room.engines["small"].readiness, room.engines["mini"].readiness = small, mini
            room.books.shut = not ledger_open
            caller = replace(ANYONE, models=models, usd_per_month=usd)
            ask(room, cascade, stream=stream, ask={"declared": label, "caller": caller})
            spoken = {event.removeprefix("send ") for event in room.books.events if event.startswith("send ")}
            allowed = {door.model for receipt in room.books.receipts for door in receipt.doors if door.legal}
            assert spoken <= allowed
            assert models is None or spoken <= models
            for name in spoken:
                assert room.engines[name].readiness is Readiness.READY
            if label is Label.RESTRICTED or not ledger_open or usd is not None:
                assert spoken <= {"small"}
            assert len([r for r in room.books.receipts if r.action is None]) == 1
    assert seen == 3 * 3 * 5 * 2 * 16


def test_the_steps_are_the_decision_and_no_more() -> None:
    """Law 4: put together again, the steps of a cascade are the routes of the decision, the very same objects."""
    room = Room()
    letter = room.letter()
    visit = room.visit(letter)
    asyncio.run(room.gateway.decide(letter, visit))
    decision = visit.decided
    parts = [route for step in steps(decision) for route in step.routes]
    assert [id(route) for route in parts] == [id(route) for route in decision.routes]
    assert any(isinstance(route, HostedRoute) for route in parts)


def test_embeddings_and_single_doors_go_the_plain_way() -> None:
    """Where no other door could follow there is nothing to judge: one call, one receipt, no parts."""
    room = Room(small=lambda _: "no", tasks={"work": ("small",)})
    assert ask(room, LONG_ENOUGH).text == "no"
    assert len(room.books.receipts) == 1
    assert room.books.receipts[0].parts == ()
    assert room.letter().ask.api is Api.CHAT
