"""Pipelines through a gateway: labels go with the text, each stage by the law, the last one streams."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from action_rig import Room, chat, model, text_of
from gateway_rig import ANYONE, USED
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.actions.bench import Bench
from localfleet.actions.pipeline import Pipelines
from localfleet.core.cascade import Cascade
from localfleet.core.classify import TextRule
from localfleet.core.fleet import Readiness
from localfleet.core.judges.grade import Grader
from localfleet.core.judges.validators import Length
from localfleet.core.label import Label
from localfleet.core.pipeline import Pipeline, Stage
from localfleet.core.reason import Reason
from localfleet.gateway import Answer
from localfleet.rulebook import matcher_of
from localfleet.wire.staged import NUMBERS

CANARY = "Jane Canary, jane.canary@posteo.de"
"""The address is what a detector finds."""
ONE_CALL = Decimal(USED.input_tokens + USED.output_tokens) / 1_000_000
EXTRACT = Stage(
    name="facts",
    model="local",
    prompt="Read: {input}",
    fields={"age": "integer", "band": ("low", "high")},
    release=True,
)
REASON = Stage(name="reason", model="mini", prompt="Given {facts}, advise.")
PRIVATE = Pipeline(name="private", stages=(EXTRACT, REASON))


def run(
    room: Room, pipeline: Pipeline, text: str = "hello", *, stream: bool = False, **more: object
) -> tuple[Answer, bytes]:
    """Send one request through a pipeline, read to its end."""
    letter = room.letter(text, task=None, stream=stream, model=f"pipeline/{pipeline.name}", **more)
    pipelines = Pipelines(gateway=room.gateway, bench=Bench(gateway=room.gateway), by_name={pipeline.name: pipeline})

    async def story() -> tuple[Answer, bytes]:
        answer = await pipelines.answer(letter, room.visit(letter), pipeline)
        if answer.stream is None:
            return answer, answer.whole or b""
        return answer, b"".join([chunk async for chunk in answer.stream])

    return asyncio.run(story())


def facts(_: str) -> str:
    """A local model that says more than it should."""
    return json.dumps({"age": 41, "band": "high", "name": CANARY})


@pytest.mark.parametrize("stream", [False, True])
def test_extract_here_reason_there(*, stream: bool) -> None:
    """S40: the hosted model reasons over a clean structure of a restricted text, and hears no word of the text."""
    room = Room(small=facts, mini=lambda text: f"advice on {text}")
    answer, data = run(room, PRIVATE, CANARY, stream=stream)
    assert answer.error is None
    assert "advice on Given" in chat(data)
    assert json.loads(chat(data).split("Given ")[1].split(", advise")[0]) == {"age": 41, "band": "high"}
    assert "anary" not in room.leaving
    assert CANARY in room.engines["small"].heard
    root = room.root
    assert root.label is Label.RESTRICTED
    assert [(part.role, part.model, part.label) for part in root.parts] == [
        ("stage:facts", "small", Label.RESTRICTED), ("stage:reason", "mini", Label.PUBLIC),
    ]  # fmt: skip
    assert (root.model, root.wanted) == ("mini", "pipeline/private")


@pytest.mark.parametrize(
    "key", [key for key in NUMBERS if key not in {"stream", "max_tokens", "max_completion_tokens"}]
)
def test_no_option_carries_words_beside_a_structure(key: str) -> None:
    """What goes along with a released structure is a truth value or a short number, whatever the caller wrote there."""
    for words in (CANARY, [CANARY], {"include_usage": CANARY, CANARY: 1}, 4111111111111111, -77.123456789):
        room = Room(small=facts)
        option: dict[str, Any] = {key: words}
        _, data = run(room, PRIVATE, CANARY, **option)
        assert "Given" in room.leaving or not data
        assert not [held for held in ("anary", "4111", "123456") if held in room.leaving]


def test_what_is_not_released_stays() -> None:
    """Law 1: the same structure without `release`, or a stage that reads the text beside it, has no hosted door."""
    kept = replace(EXTRACT, release=False)
    both = replace(REASON, prompt="Given {facts} and {input}, advise.")
    for stages in ((kept, REASON), (EXTRACT, both)):
        room = Room(small=facts)
        answer, _ = run(room, Pipeline(name="p", stages=stages), CANARY)
        assert answer.error is not None
        assert answer.error.reason is Reason.PRIVACY_FORBIDS
        assert room.leaving == ""
        assert room.root.status == answer.error.status


def test_what_somebody_said_to_be_restricted_is_not_released() -> None:
    """A label of key, header or conversation is not about words that can be left out: nothing of it is released."""
    for more in (
        {"ask": {"declared": Label.RESTRICTED}},
        {"ask": {"caller": replace(ANYONE, default_label=Label.RESTRICTED)}},
    ):
        room = Room(small=facts)
        answer, _ = run(room, PRIVATE, "harmless", **more)
        assert answer.error is not None
        assert room.leaving == ""


def test_a_conversation_that_was_restricted_releases_nothing_later() -> None:
    """The second request of a restricted conversation is restricted by what was said before, not by its own words."""
    room = Room(small=facts)
    run(room, PRIVATE, CANARY)
    before = room.leaving
    answer, _ = run(room, PRIVATE, CANARY)
    assert answer.error is not None
    assert room.leaving == before


def test_a_released_structure_is_read_again() -> None:
    """An operator's own words are read by the rules as any text: a structure that holds what they forbid stays."""
    rule = TextRule(name="project", label=Label.RESTRICTED, matcher=matcher_of("bluebird"))
    fields = {"project": ("bluebird", "other")}
    stages = (replace(EXTRACT, fields=fields), REASON)
    room = Room(small=lambda _: '{"project": "bluebird"}', rules=(rule,))
    answer, _ = run(room, Pipeline(name="p", stages=stages), CANARY)
    assert answer.error is not None
    assert room.leaving == ""
    room = Room(small=lambda _: '{"project": "other"}', rules=(rule,))
    answer, _ = run(room, Pipeline(name="p", stages=stages), CANARY)
    assert answer.error is None


def test_options_that_hold_text_stay_where_the_text_does() -> None:
    """Tools and schemas of the caller go to the last stage, but not to one that may read less than the request."""
    tools = [{"type": "function", "function": {"name": "find", "description": CANARY}}]
    room = Room(small=facts)
    answer, _ = run(room, PRIVATE, "hello", tools=tools, temperature=0.5)
    assert answer.error is None
    (call,) = room.engines["mini"].calls
    assert (call.body["temperature"], "tools" in call.body) == (0.5, False)
    room = Room()
    run(room, Pipeline(name="p", stages=(replace(REASON, prompt="{input}"),)), "hello", tools=[{"type": "function"}])
    assert "tools" in room.engines["mini"].calls[0].body


POLISH = Pipeline(
    name="polish",
    stages=(
        Stage(name="draft", model="small", prompt="Answer: {input}", enough=Cascade(checks=(Length(least_chars=20),))),
        Stage(name="polish", model="mini", prompt="Make it better: {draft}"),
    ),
)


@pytest.mark.parametrize("stream", [False, True])
def test_a_draft_that_is_good_enough_is_not_polished(*, stream: bool) -> None:
    """S41: most drafts go out as they are; the others are polished, and both calls are one action's cost."""
    good = "a draft that is long enough to go out"
    room = Room(small=lambda _: good)
    answer, data = run(room, POLISH, stream=stream)
    assert chat(data).strip() == good
    assert room.books.events == ["send small"]
    assert (room.root.model, room.root.parts[0].verdict) == ("small", "passed")
    room = Room(small=lambda _: "short", mini=lambda text: f"polished {text}")
    answer, data = run(room, POLISH, stream=stream)
    assert chat(data).strip() == "polished Make it better: short"
    assert [part.verdict for part in room.root.parts] == ["too_short", ""]
    assert answer.visit.total_usd == ONE_CALL or stream


RESEARCH = Pipeline(
    name="research",
    stages=(
        Stage(name="claims", model="small", prompt="Claims on {input} in: {item}", each="documents", distinct=True),
        Stage(name="answer", model="best", prompt="From these claims:\n{claims}\nanswer {input}"),
    ),
)


def test_research_over_documents_of_the_caller() -> None:
    """S42: a question to each document, what says the same once, one synthesis; every call a part of one action."""
    claims = {"one": "- Wells: 9\n- It is old", "two": "* wells: 9", "three": "1. It has a lake"}
    room = Room(small=lambda text: next(said for name, said in claims.items() if text.endswith(name)))
    documents = ["one", {"title": "T", "text": "two"}, {"content": "three"}, 4]
    answer, _ = run(room, RESEARCH, "What of the town?", documents=documents)
    (call,) = room.engines["best"].calls
    assert call.body["messages"][0]["content"].splitlines()[1:-1] == ["Wells: 9", "It is old", "It has a lake"]
    assert [part.role for part in room.root.parts] == ["stage:claims"] * 3 + ["stage:answer"]
    assert answer.visit.total_usd == ONE_CALL * 10


def test_a_stage_that_fails_ends_it_with_its_error() -> None:
    """No later stage works on nothing; what was spent is in the receipts."""
    room = Room(small=lambda _: Reason.CONNECT_FAILED)
    answer, _ = run(room, RESEARCH, documents=["one", "two"])
    assert answer.error is not None
    assert room.root.outcome is Reason.CONNECT_FAILED
    assert len(room.root.parts) == 2
    assert room.leaving == ""


def test_the_most_it_may_cost_holds_for_all_stages() -> None:
    """What earlier stages spent is taken off what the next may cost."""
    two = Pipeline(
        name="two",
        stages=(Stage(name="a", model="mini", prompt="{input}"), Stage(name="b", model="mini", prompt="{a} {input}")),
    )
    room = Room()
    answer, _ = run(room, two, ask={"max_cost_usd": ONE_CALL * 2})
    assert answer.error is not None
    assert answer.error.reason is Reason.OVER_MAX_COST
    assert room.books.events == ["intent mini", "send mini"]


WEB = model("web", Label.INTERNAL, "1", specialised=True)


def found(*texts: str) -> str:
    """What a search endpoint's engine makes of its results."""
    return json.dumps([{"title": "", "url": f"https://x.example/{n}", "text": text} for n, text in enumerate(texts)])


SEARCH = Pipeline(
    name="search",
    stages=(
        Stage(name="queries", model="small", prompt="Queries for: {input}"),
        Stage(name="found", model="web", search=True, prompt="{item}", each="queries", distinct=True),
        Stage(name="claims", model="small", prompt="Claims in: {item}", each="found"),
        Stage(name="answer", model="mini", prompt="From {claims}"),
    ),
)


def searching(text: str = "What of the town?", **web: str) -> tuple[Room, Answer]:
    """Two queries; `web` says what is found for each."""
    room = Room(
        small=lambda asked: "- wells\n- lakes" if asked.startswith("Queries") else asked.removeprefix("Claims in: "),
        mini=lambda asked: asked,
        more={"web": (WEB, lambda query: found(web.get(query, f"of {query}"), "a page that both queries find"))},
    )
    answer, _ = run(room, SEARCH, text)
    return room, answer


def test_what_a_search_finds_are_the_documents_of_the_next_stage() -> None:
    """S42: a query for each line, results read one by one, the same one once; the stage is a part with its own door."""
    room, answer = searching()
    assert answer.error is None
    (call,) = room.engines["mini"].calls
    lines = [line for line in call.body["messages"][0]["content"].splitlines() if "example" not in line]
    assert lines == ["of wells", "a page that both queries find", "of lakes"]
    assert [text_of(call.body) for call in room.engines["web"].calls] == ["wells", "lakes"]
    assert room.books.events.index("intent web") < room.books.events.index("send web")
    searches = [(part.role, part.tier) for part in room.root.parts if part.model == "web"]
    assert searches == [("stage:found", WEB.tier)] * 2


def test_one_document_that_was_found_is_not_a_list_of_lines() -> None:
    """A stage that is asked about each result gets it whole, also where it is the only one."""
    room = Room(small=lambda asked: asked, more={"web": (WEB, lambda _: found("two\nlines"))})
    stages = (
        Stage(name="found", model="web", search=True, prompt="{input}"),
        Stage(name="claims", model="small", prompt="In: {item}", each="found"),
        Stage(name="answer", model="small", prompt="{claims}"),
    )
    run(room, Pipeline(name="p", stages=stages))
    assert len(room.engines["small"].calls) == 2


def test_what_was_found_is_read_as_any_text() -> None:
    """A private value in a result keeps the stages that read it at home: what a door brought in has a label too."""
    room, answer = searching(wells=f"ask {CANARY}")
    assert answer.error is not None
    assert answer.error.reason is Reason.PRIVACY_FORBIDS
    assert not room.engines["mini"].calls
    room, answer = searching(f"What of {CANARY}?")
    assert answer.error is not None
    assert "too private for its search endpoint" in answer.error.message
    assert room.leaving == ""


NAMES = ("small", "mini", "best", "auto", "local")
PLACES = ("{input}", "{documents}", "{a}", "{b}")


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    """Any three stages over any models, with every place that stands before them, released or not."""
    stages: list[Stage] = []
    for number, name in enumerate(("a", "b", "c")):
        said = draw(st.lists(st.sampled_from(PLACES[: 2 + number]), max_size=3))
        judged = number < 2 and draw(st.booleans())
        searches = number < 2 and not judged and draw(st.booleans())
        released = number < 2 and not judged and not searches and draw(st.booleans())
        stages.append(
            Stage(
                name=name,
                model="web" if searches else draw(st.sampled_from(NAMES)),
                search=searches,
                prompt="Say. " + " ".join(said),
                each=draw(st.sampled_from([None, "documents", "input"])) if number < 2 and not judged else None,
                fields={"age": "integer", "band": ("low", "high")} if released else {},
                release=released,
                enough=Cascade(checks=(Length(least_chars=999),), grader=Grader(model="best")) if judged else None,
            )
        )
    return Pipeline(name="p", stages=tuple(stages))


@settings(max_examples=150, deadline=None)
@given(
    pipelines(),
    st.sampled_from(list(Label)),
    st.sampled_from([None, frozenset({"small", "mini"}), frozenset({"best"})]),
    st.sampled_from(list(product((Readiness.READY, Readiness.DOWN), (True, False), (None, Decimal(0))))),
    st.booleans(),
)
def test_no_stage_opens_a_closed_door(
    pipeline: Pipeline,
    declared: Label,
    models: frozenset[str] | None,
    state: tuple[Readiness, bool, Decimal | None],
    canary: bool,  # hypothesis passes by position
) -> None:
    """Every composition, label, permission, engine, ledger and budget: a canary is heard by no hosted engine."""
    readiness, ledger_open, usd = state
    parrot = lambda text: f"{text} age 41"  # noqa: E731  # a model that repeats all it reads is the worst case
    room = Room(small=parrot, mini=parrot, best=parrot, more={"web": (WEB, found)})
    room.engines["mini"].readiness, room.books.shut = readiness, not ledger_open
    caller = replace(ANYONE, models=models, usd_per_month=usd)
    text = CANARY if canary else "harmless"
    run(room, pipeline, text, documents=[text, "more"], ask={"declared": declared, "caller": caller})
    heard = {name for name, engine in room.engines.items() if engine.calls}
    if canary:
        assert "anary" not in room.leaving
    if declared is Label.RESTRICTED or not ledger_open or usd is not None:
        assert heard <= {"small"}
    assert models is None or heard <= models
    assert readiness is Readiness.READY or "mini" not in heard
    assert_one_action(room.books.receipts)


def assert_one_action(receipts: Sequence[object]) -> None:
    """One receipt for the whole, and each part's."""
    roots = [one for one in receipts if getattr(one, "action", "") is None]
    assert len(roots) == 1
