"""The story of one request: doors fixed before dispatch, money and intent before egress, a receipt whatever happens."""

import asyncio
import types
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from gateway_rig import ANYONE, HANGS, Books, Clock, Talker, Words, in_turn

from localfleet.core.ask import Api, Ask, Caller, Priority, Span
from localfleet.core.classify import Rules, TextRule
from localfleet.core.fleet import Model
from localfleet.core.form import Form
from localfleet.core.label import Label
from localfleet.core.names import Entity
from localfleet.core.policy import Policy
from localfleet.core.pricing import Price
from localfleet.core.reading import Reading
from localfleet.core.reason import Reason
from localfleet.core.retry_budget import RetryBudget
from localfleet.core.route import HostedRoute
from localfleet.core.routing.order import Preference
from localfleet.core.usage import Usage
from localfleet.gateway import Answer, Gateway
from localfleet.judging import BUDGET_CHARS
from localfleet.readers.load import load_meaning
from localfleet.traffic import Traffic
from localfleet.visit import Visit
from localfleet.wire.read import Letter

PRICE = Price(usd_per_mtok_in=Decimal(1), usd_per_mtok_out=Decimal(2), version="test")


@dataclass
class Scene:
    """A gateway over a local and two hosted engines."""

    small: list[Any] = field(default_factory=list)
    mini: list[Any] = field(default_factory=list)
    other: list[Any] = field(default_factory=list)
    prefer_caller: Caller = ANYONE

    def __post_init__(self) -> None:
        """Build it."""
        self.books = Books()
        self.events = self.books.events
        self.clock = Clock()
        spoken = frozenset({Api.CHAT, Api.RESPONSES})
        models = [
            Model(name="small", tier="local", accepts=None, context_tokens=9999, apis=spoken),
            Model(
                name="mini", tier="low_cost", accepts=Label.INTERNAL, context_tokens=9999, apis=spoken, price=PRICE,
                max_output_tokens=100,
            ),
            Model(
                name="other", tier="premium", accepts=Label.INTERNAL, context_tokens=9999, apis=spoken,
                price=Price(usd_per_mtok_in=Decimal(9), usd_per_mtok_out=Decimal(9)), max_output_tokens=100,
            ),
        ]  # fmt: skip
        scripts = {"small": self.small, "mini": self.mini, "other": self.other}
        self.engines = {
            name: Talker(name, name != "small", self.books, in_turn(script)) for name, script in scripts.items()
        }
        self.gateway = Gateway(
            models={model.name: model for model in models},
            engines=self.engines,
            ledger=self.books,
            policy=Policy(retries_per_door=1),
            rules=Rules(),
            clock=self.clock,
            print_key=b"k" * 32,
            jitter=lambda: 0.0,
        )

    def letter(self, **changes: Any) -> Letter:
        """A small public request."""
        facts: dict[str, Any] = {
            "request_id": "r1", "api": Api.CHAT, "model": "auto", "caller": self.prefer_caller, "input_tokens": 10,
            "input_bytes": 40, "turns": (b'"hello"',), "spans": (Span(where="messages[].content", text="hello"),),
        } | changes  # fmt: skip
        return Letter(ask=Ask(**facts), body={"messages": []}, wants_usage=False)

    async def ask(self, **changes: Any) -> Answer:
        """Ask once."""
        letter = self.letter(**changes)
        return await self.gateway.answer(letter, Visit(ask=letter.ask, arrived=self.clock.at, wanted="auto"))


def outcomes(scene: Scene) -> list[tuple[str, str]]:
    """The attempts of the only receipt."""
    (receipt,) = scene.books.receipts
    return [(attempt.model, attempt.reason) for attempt in receipt.attempts]


def test_the_doors_are_fixed_before_dispatch() -> None:
    """Law 4: the walk is the decision's list, in its order, and ends with it."""
    scene = Scene(mini=[Reason.UPSTREAM_ERROR, Reason.CONNECT_FAILED], other=[Reason.TIMED_OUT], small=[Words(b"{}")])
    answer = asyncio.run(scene.ask())
    assert answer.whole == b"{}"
    assert [route.model for route in answer.visit.decided.routes] == [
        "mini",
        "mini",
        "other",
        "other",
        "small",
        "small",
    ]
    assert outcomes(scene) == [
        ("mini", "upstream_error"), ("mini", "connect_failed"), ("other", "timed_out"), ("small", "answered"),
    ]  # fmt: skip
    assert scene.books.receipts[0].reason is Reason.TIMED_OUT
    assert scene.books.receipts[0].cost_usd == 0


def test_no_second_door_after_the_first_byte() -> None:
    """Law 5: a stream that dies ends there; the other doors are never tried."""
    dying = Words(b"data: a\n\n", then="dies")
    scene = Scene(mini=[dying], small=[Words(b"never")])

    async def story() -> list[bytes]:
        answer = await scene.ask(stream=True)
        assert answer.stream is not None
        return [chunk async for chunk in answer.stream]

    assert asyncio.run(story()) == [b"data: a\n\n"]
    assert scene.events == ["intent mini", "send mini"]
    assert scene.books.receipts[0].outcome is Reason.DIED_MIDSTREAM
    assert dying.closed


@pytest.mark.parametrize(("go_on", "tried"), [(False, ["mini"]), (True, ["mini", "other"])])
def test_a_safety_refusal_is_not_routed_around_unless_the_operator_says_so(tried: list[str], *, go_on: bool) -> None:
    """An error of a provider's filter ends the walk; with `after_refusal: next` another door is asked."""
    scene = Scene(mini=[Reason.PROVIDER_REFUSED], other=[Words(b"{}")])
    scene.gateway.policy = Policy(refusals_go_on=go_on)
    answer = asyncio.run(scene.ask())
    assert [model for model, _ in outcomes(scene)] == tried
    assert (answer.error is None) is go_on
    assert go_on or scene.books.receipts[0].outcome is Reason.PROVIDER_REFUSED


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_says_it_refuses_goes_out_as_it_is_and_is_recorded_as_one(*, stream: bool) -> None:
    """Its own outcome, at the door that refused, and no other door is asked."""
    said = b'data: {"choices":[{"delta":{},"finish_reason":"content_filter"}]}\n\n'
    scene = Scene(mini=[Words(said)])

    async def story() -> bytes:
        answer = await scene.ask(stream=stream)
        return answer.whole or b"".join([chunk async for chunk in answer.stream or ()])  # type: ignore[union-attr]  # one of the two is there

    assert asyncio.run(story()) == said
    assert scene.books.receipts[0].outcome is Reason.PROVIDER_REFUSED
    assert outcomes(scene) == [("mini", "answered")]


def test_no_egress_without_a_durable_record() -> None:
    """Law 7: the intent is durable before the send, for every hosted attempt, and a closed ledger shuts the door."""
    scene = Scene(mini=[Reason.UPSTREAM_ERROR, Words(b"{}")])
    asyncio.run(scene.ask())
    assert scene.events == ["intent mini", "send mini", "intent mini", "send mini"]
    shut = Scene(small=[Words(b"{}")])
    shut.books.failing = True
    answer = asyncio.run(shut.ask())
    assert answer.whole == b"{}"
    assert shut.events == ["send small"]
    assert outcomes(shut)[0] == ("mini", "ledger_closed")


def test_money_is_reserved_before_it_is_spent() -> None:
    """Law 9: of many requests at once only as many go out as the budget can pay at worst."""
    worst = (40 * PRICE.usd_per_mtok_in + 100 * PRICE.usd_per_mtok_out) / 1_000_000
    caller = Caller(key_id="k", name="k", default_label=Label.PUBLIC, usd_per_month=worst * 3)
    hosted = [Words(b"{}", usage=Usage(input_tokens=40, output_tokens=100)) for _ in range(9)]
    scene = Scene(mini=hosted, small=[Words(b"{}") for _ in range(9)], prefer_caller=caller)

    async def rush() -> None:
        await asyncio.gather(*(scene.ask() for _ in range(9)))

    asyncio.run(rush())
    paid = [receipt for receipt in scene.books.receipts if receipt.model == "mini"]
    assert len(paid) == 3
    assert sum(receipt.cost_usd or 0 for receipt in paid) == worst * 3
    assert len(scene.books.receipts) == 9


def test_a_reservation_comes_back_after_a_failure() -> None:
    """A door that failed before its first byte spends nothing."""
    worst = (40 * PRICE.usd_per_mtok_in + 100 * PRICE.usd_per_mtok_out) / 1_000_000
    caller = Caller(key_id="k", name="k", default_label=Label.PUBLIC, usd_per_month=worst)
    used = Usage(input_tokens=1, output_tokens=1)
    scene = Scene(mini=[Reason.UPSTREAM_ERROR, Words(b"{}", usage=used)], prefer_caller=caller)
    answer = asyncio.run(scene.ask(model="mini"))
    assert answer.whole == b"{}"
    assert answer.visit.cost_usd == Decimal(3) / 1_000_000
    assert scene.gateway.purses.reserved["key", "k"] == 0


def test_a_restricted_conversation_stays_restricted() -> None:
    """Once flagged, the same conversation needs no header again: by its prefix, its session or its response id."""
    for later in (
        {"turns": (b'"hello"', b'"more"')},
        {"turns": (b'"new"',), "session": "s"},
        {"turns": (b'"x"',), "previous_response": "resp_r1", "api": Api.RESPONSES},
    ):
        scene = Scene(small=[Words(b"{}"), Words(b"{}")], mini=[Words(b"never")])

        async def story(scene: Scene = scene, later: dict[str, Any] = later) -> Answer:
            await scene.ask(declared=Label.RESTRICTED, session="s", api=later.get("api", Api.CHAT))
            return await scene.ask(**later)

        answer = asyncio.run(story())
        assert answer.visit.judged.label is Label.RESTRICTED
        assert answer.visit.judged.because == ("conversation",)
        assert scene.events == ["send small", "send small"]


def test_another_conversation_is_not_tainted() -> None:
    """A restricted conversation says nothing about one that begins otherwise, or about another caller's."""
    scene = Scene(small=[Words(b"{}")], mini=[Words(b"{}")] * 2)

    async def story() -> list[Label]:
        await scene.ask(declared=Label.RESTRICTED)
        other = Caller(key_id="k2", name="k2", default_label=Label.PUBLIC)
        answers = [await scene.ask(turns=(b'"else"',)), await scene.ask(caller=other)]
        return [answer.visit.judged.label for answer in answers]

    assert asyncio.run(story()) == [Label.PUBLIC, Label.PUBLIC]


class Heard:
    """An operator's rule that matches nothing, and says that it was asked."""

    def __init__(self, events: list[str]) -> None:
        """Where it says so."""
        self.events = events

    def count(self, _: str) -> int:
        """Nothing."""
        self.events.append("classified")
        return 0


@pytest.mark.parametrize(("many", "in_flight", "begun"), [(1, 1, 1), (4, 4, 0), (4, 1, 4)])
def test_requests_that_come_at_once_go_abreast(many: int, in_flight: int, begun: int) -> None:
    """All are classified before the first is sent, though the others only began; one that is alone waits for nobody."""
    scene = Scene(small=[Words(b"{}") for _ in range(many)])
    scene.gateway.rules = Rules(texts=(TextRule(name="r", label=Label.PUBLIC, matcher=Heard(scene.events)),))
    scene.gateway.traffic.in_flight, scene.gateway.traffic.begun = in_flight, range(begun)

    async def together() -> list[Answer]:
        return await asyncio.gather(*[scene.ask(request_id=f"r{at}", model="local") for at in range(many)])

    answers = asyncio.run(together())
    assert [answer.whole for answer in answers] == [b"{}"] * many
    assert scene.events == ["classified"] * many + ["send small"] * many


class Leaving(Traffic):
    """A client that leaves while its request ends a stage: the first, the second, and so on."""

    left_at = 0

    @types.coroutine
    def abreast(self) -> Generator[None]:
        """Cut short as a cancelled wait is."""
        self.left_at -= 1
        if self.left_at == 0:
            raise asyncio.CancelledError
        yield


@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_who_leaves_between_two_stages_has_a_receipt(stage: int) -> None:
    """Whichever stage it was: one receipt, and an answer that had come is let go."""
    words = Words(b"{}")
    scene = Scene(mini=[words])
    scene.gateway.traffic = Leaving()
    scene.gateway.traffic.left_at = stage
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(scene.ask())
    assert len(scene.books.receipts) == 1
    assert words.closed is (stage == 4)


class Broken:
    """A matcher that fails as code does."""

    def count(self, text: str) -> int:
        """Fail."""
        raise ZeroDivisionError(text)


class Slow:
    """A matcher that takes its time."""

    def count(self, text: str) -> int:
        """Sleep past the budget."""
        import time

        time.sleep(0.3)
        return 0


def test_a_detector_that_fails_or_is_late_makes_it_restricted() -> None:
    """Law 2, at the caller of the classifier."""
    for matcher, because, text in ((Broken(), "detector_failed", "x"), (Slow(), "detector_timed_out", "x" * 30_000)):
        scene = Scene(small=[Words(b"{}")])
        scene.gateway.rules = Rules(texts=(TextRule(name="r", label=Label.INTERNAL, matcher=matcher),))
        scene.gateway.detector_budget_s = 0.05
        answer = asyncio.run(scene.ask(spans=(Span(where="user", text=text),)))
        assert answer.visit.judged.because == (because,)
        assert scene.events == ["send small"]


def test_a_text_four_times_as_long_has_four_times_the_budget() -> None:
    """200,000 tokens of code take some seconds: that is no reason to call them restricted."""
    because = {}
    for size in (30_000, 10 * BUDGET_CHARS):
        scene = Scene(small=[Words(b"{}")])
        scene.gateway.rules = Rules(texts=(TextRule(name="r", label=Label.INTERNAL, matcher=Slow()),))
        scene.gateway.detector_budget_s = 0.25
        answer = asyncio.run(scene.ask(model="small", spans=(Span(where="user", text="x" * size),)))
        because[size] = answer.visit.judged.because
    assert because == {30_000: ("detector_timed_out",), 10 * BUDGET_CHARS: ("key_default",)}


class Namer:
    """A model of names that finds a street with its number, late or never where that is wanted."""

    def __init__(self, *, wait_s: float = 0.0, fault: Exception | None = None) -> None:
        """How it behaves."""
        self.wait_s, self.fault, self.asked = wait_s, fault, 0

    async def read(self, text: str, budget_s: float, *, whose: str) -> Sequence[Entity]:
        """What it finds, or its fault."""
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        await asyncio.wait_for(asyncio.sleep(self.wait_s), budget_s)
        return [Entity(kind=kind, start=0, end=4, score=0.9) for kind in ("BUILDING_NUMBER", "STREET_NAME")]


@pytest.mark.parametrize(
    ("namer", "because"),
    [
        (Namer(), "name:address"),
        (Namer(wait_s=9), "detector_timed_out"),
        (Namer(fault=ValueError()), "detector_failed"),
    ],
    ids=["finds", "late", "fails"],
)
def test_the_model_of_names_restricts_by_what_it_finds_and_by_failing(namer: Namer, because: str) -> None:
    """It is asked where names could matter, and only there; a fault or a late answer is restricted (law 2)."""
    scene = Scene(small=[Words(b"{}")], mini=[Words(b"{}")])
    scene.gateway.rules, scene.gateway.names = Rules(names=load_meaning()), namer
    scene.gateway.detector_budget_s = 0.05
    answer = asyncio.run(scene.ask(spans=(Span(where="user", text="the number 12 Elm stands empty"),)))
    assert answer.visit.judged.because == (because,)
    assert scene.events == ["send small"]
    other = Scene(mini=[Words(b"{}")])
    other.gateway.rules, other.gateway.names = scene.gateway.rules, namer
    asyncio.run(other.ask(spans=(Span(where="user", text="what is the boiling point of water"),)))
    assert namer.asked == 1


@pytest.mark.parametrize(
    ("namer", "found"),
    [(Namer(), "output:name:address"), (Namer(wait_s=9), "output:unread")],
    ids=["finds", "late"],
)
def test_names_in_an_answer_restrict_the_conversation_from_then_on(namer: Namer, found: str) -> None:
    """`output_layers: [names]`: the answer goes out, and the next request of its conversation stays at home."""
    said = b'{"choices": [{"message": {"content": "the number 12 Elm stands empty"}}]}'
    scene = Scene(small=[Words(b"{}")], mini=[Words(said, media_type="application/json")])
    full = Rules(names=load_meaning())
    scene.gateway.reading = Reading.of(full, frozenset({"own"}), output=frozenset({"names"}))
    scene.gateway.names, scene.gateway.detector_budget_s = namer, 0.05

    async def story() -> list[Answer]:
        return [await scene.ask(), await scene.ask(turns=(b'"hello"', b'"more"'))]

    first, second = asyncio.run(story())
    assert (first.whole, first.visit.judged.label) == (said, Label.PUBLIC)
    assert [one.kind for one in scene.books.receipts[0].findings] == [found]
    assert (second.visit.judged.label, second.visit.judged.because) == (Label.RESTRICTED, ("conversation",))
    assert scene.events[-1] == "send small"


def test_a_client_that_leaves_is_recorded_and_stops_the_upstream() -> None:
    """Disconnect before the first byte, and in the middle of a stream."""
    words = Words(b"a", b"b", b"c", usage=None)
    scene = Scene(mini=[words, HANGS])

    async def leaves_midstream() -> None:
        answer = await scene.ask(stream=True)
        assert answer.stream is not None
        await anext(answer.stream)
        await answer.stream.aclose()

    async def leaves_early() -> None:
        task = asyncio.create_task(scene.ask())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(leaves_midstream())
    asyncio.run(leaves_early())
    assert words.closed
    assert [receipt.outcome for receipt in scene.books.receipts] == [Reason.CLIENT_LEFT] * 2
    first = scene.books.receipts[0].usage
    assert first is not None
    assert not first.measured


def test_a_stream_that_nobody_reads_is_recorded_too() -> None:
    """A client that leaves before its stream was begun: the upstream is let go, and the receipt is there."""
    words = Words(b"a")
    scene = Scene(mini=[words])

    async def never_reads() -> None:
        answer = await scene.ask(stream=True)
        assert answer.stream is not None
        await answer.stream.aclose()

    asyncio.run(never_reads())
    assert words.closed
    assert [receipt.outcome for receipt in scene.books.receipts] == [Reason.CLIENT_LEFT]


def test_a_plain_rejection_is_not_shopped_around() -> None:
    """A provider that rejects the request as such ends the walk; nobody else gets the text."""
    scene = Scene(mini=[Reason.UPSTREAM_REJECTED], small=[Words(b"never")])
    answer = asyncio.run(scene.ask())
    assert (answer.status, answer.error is None) == (400, False)
    assert scene.events == ["intent mini", "send mini"]
    assert scene.books.receipts[0].outcome is Reason.UPSTREAM_REJECTED


def test_what_is_too_long_for_a_door_goes_to_a_larger_one() -> None:
    """The engine says so: doors that are no larger are passed over, a larger one answers, and the reason says why."""
    scene = Scene(mini=[Reason.CONTEXT_TOO_LONG], other=[Words(b"never")], small=[Words(b"{}")])
    models = scene.gateway.models
    scene.gateway.models = {**models, "small": replace(models["small"], context_tokens=99_999)}
    answer = asyncio.run(scene.ask())
    assert answer.whole == b"{}"
    assert outcomes(scene) == [("mini", "context_too_long"), ("small", "answered")]
    assert scene.books.receipts[0].reason is Reason.CONTEXT_TOO_LONG
    assert not scene.engines["other"].calls


def test_what_is_too_long_for_all_is_told() -> None:
    """With a status of the caller's own, after no more doors than make sense."""
    scene = Scene(mini=[Reason.CONTEXT_TOO_LONG], other=[Words(b"never")], small=[Words(b"never")])
    answer = asyncio.run(scene.ask())
    assert (answer.status, outcomes(scene)) == (400, [("mini", "context_too_long")])


def test_a_deadline_is_kept() -> None:
    """A deadline that has passed opens no door."""
    scene = Scene(mini=[Words(b"never")])

    async def late() -> Answer:
        letter = scene.letter(deadline_ms=10)
        return await scene.gateway.answer(letter, Visit(ask=letter.ask, arrived=scene.clock.at - 1, wanted="auto"))

    answer = asyncio.run(late())
    assert (answer.status, scene.events) == (504, [])


def test_a_line_sends_batch_work_nowhere_and_a_failure_does() -> None:
    """Volume work waits for a busy box; it leaves one that is broken."""
    for reason in (Reason.QUEUE_FULL, Reason.QUEUE_TOO_LONG):
        busy = Scene(small=[reason], mini=[Words(b"never")])
        answer = asyncio.run(busy.ask(priority=Priority.BATCH))
        assert (answer.status, busy.events) == (503, ["send small"])
        assert busy.books.receipts[0].outcome is reason
    broken = Scene(small=[Reason.TIMED_OUT], mini=[Words(b"{}")])
    assert asyncio.run(broken.ask(priority=Priority.BATCH)).whole == b"{}"
    live = Scene(small=[Reason.QUEUE_FULL], mini=[Words(b"{}")])
    live.gateway.policy = Policy(preference=Preference(prefer="local"))
    assert asyncio.run(live.ask()).whole == b"{}"
    assert live.books.receipts[0].reason is Reason.QUEUE_FULL


def test_an_engine_is_told_what_a_line_must_know() -> None:
    """Whose request it is, how much work, how urgent; and time in line comes back into the receipt."""
    caller = Caller(key_id="team", name="team", default_label=Label.PUBLIC, weight=2.0)
    scene = Scene(small=[Words(b"{}")], mini=[Words(b"never")], prefer_caller=caller)
    scene.gateway.policy = Policy(preference=Preference(prefer="local", patience_s=0.7))
    asyncio.run(scene.ask(max_output_tokens=7, choices=3))
    (told,) = scene.engines["small"].calls
    assert (told.key_id, told.weight, told.priority) == ("team", 2.0, Priority.LIVE)
    assert (told.input_tokens, told.output_tokens, told.patience_s) == (10, 21, 0.7)
    assert scene.books.receipts[0].queue_ms == 0
    visit = Visit(ask=scene.letter().ask, arrived=0, wanted="auto")
    visit.waited(0.25)
    visit.waited(0.5)
    assert visit.queue_ms == 750


def test_retries_of_all_requests_have_one_budget() -> None:
    """When it is used up the same door is not tried again, and the next one is tried at once."""
    scene = Scene(mini=[Reason.UPSTREAM_ERROR] * 2, other=[Words(b"{}")] * 2)
    scene.gateway.retries = RetryBudget(0)
    asyncio.run(scene.ask())
    assert scene.events.count("send mini") == 2
    for _ in range(9):
        assert scene.gateway.retries.allows(scene.clock.at)
    scene.events.clear()
    scene.mini.append(Reason.UPSTREAM_ERROR)
    asyncio.run(scene.ask())
    assert [event for event in scene.events if event.startswith("send")] == ["send mini", "send other"]


def test_hosted_engines_get_hosted_routes() -> None:
    """Law 3, on the way: what a hosted engine is handed is what the policy built."""
    scene = Scene(mini=[Words(b"{}")], small=[Words(b"{}")])
    asyncio.run(scene.ask())
    asyncio.run(scene.ask(declared=Label.RESTRICTED))
    assert isinstance(scene.engines["mini"].routes[0], HostedRoute)
    assert not isinstance(scene.engines["small"].routes[0], HostedRoute)


@pytest.mark.parametrize(
    ("words", "tried"),
    [
        ("Be brief.", ["mini"]),
        ("Mail joe.doe@firm.io when unsure.", ["mini", "other"]),
    ],
)
def test_a_model_s_own_words_are_read_before_they_leave(words: str, tried: list[str]) -> None:
    """Law 2: what an operator adds for a hosted door is read beside the caller's words, and counts as input."""
    scene = Scene(mini=[Words(b"{}")], other=[Words(b"{}")])
    scene.gateway.models = {
        **scene.gateway.models,
        "mini": replace(scene.gateway.models["mini"], form=Form(before=words)),
    }
    answer = asyncio.run(scene.ask())
    assert answer.whole == b"{}"
    assert list(dict.fromkeys(name for name, _ in outcomes(scene))) == tried
    calls = scene.engines["mini"].calls
    if tried == ["mini"]:
        assert calls[0].body == {"messages": [{"role": "system", "content": words}]}
        assert calls[0].input_tokens == 10 + len(words) // 4 + 4
    else:
        assert not calls
        assert outcomes(scene)[0] == ("mini", "privacy_forbids")
        assert scene.books.intents[0].model == "other"
        assert scene.engines["other"].calls[0].body == {"messages": []}


def test_a_model_s_own_words_fill_its_context() -> None:
    """A request that fits without them and not with them finds the door shut."""
    scene = Scene(small=[Words(b"{}")])
    models = scene.gateway.models
    scene.gateway.models = {
        name: replace(model, form=Form(after="x" * 40_000)) if not model.local else model
        for name, model in models.items()
    }
    answer = asyncio.run(scene.ask())
    shut = {door.model: door.why for door in answer.visit.decided.doors if not door.legal}
    assert shut == {"mini": Reason.CONTEXT_TOO_LONG, "other": Reason.CONTEXT_TOO_LONG}
