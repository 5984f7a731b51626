"""Which layers read whose requests: by plan, by task, in answers; naming a task takes no layer away."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from here import run_here
from hypothesis import given
from hypothesis import strategies as st

from localfleet.config import Settings, parse_settings
from localfleet.core.ask import Api, Ask, Caller, Span
from localfleet.core.classify import Rules, classify, named, names_to_read, unclassified
from localfleet.core.detectors import SECRET_KINDS
from localfleet.core.label import Label, Verdict
from localfleet.core.layers import LAYERS, layer_of
from localfleet.core.reading import Reading, narrowed
from localfleet.core.reason import Reason
from localfleet.core.usage import Usage
from localfleet.overhearing import Overheard
from localfleet.readers.aside import Aside
from localfleet.readers.load import load_meaning, load_reader
from localfleet.rulebook import build_reading, layers_ever

FILE = """
version: 1
local: {box: {weights: w}}
privacy: {default: public, layers: [patterns], output_layers: [secrets]}
plans:
  free: {layers: [own]}
  careful: {layers: all}
  plain: {weight: 2}
tasks:
  keys: {first: local, layers: [secrets]}
"""
MAIL = "write to joe@firm.io"
TOKEN = "use ghp_16C7e42F292c6912E7710c838347Ae178B4a"
OWN = "My biopsy came back and I have lymphoma, what do I tell my kids?"
READER = load_reader()
"""Loads nothing until it reads, and then once for all tests."""
SETS = st.frozensets(st.sampled_from(LAYERS))


def settings(text: str = FILE) -> Settings:
    """A checked file."""
    return parse_settings(text.encode())


def ask(text: str, plan: str | None = None, **more: Any) -> Ask:
    """A public request of a key of this plan."""
    caller = Caller(key_id="k", name="k", default_label=Label.PUBLIC, plan=plan)
    spans = (Span(where="m", text=text),)
    return Ask(request_id="r", api=Api.CHAT, model="auto", caller=caller, spans=spans, **more)


@pytest.fixture(scope="module")
def reading() -> Reading:
    """Of the file above."""
    return build_reading(settings(), load_meaning())


@pytest.mark.parametrize(
    ("text", "plan", "task", "found"),
    [
        (MAIL, None, None, True), (TOKEN, None, None, False), (OWN, None, None, False),
        (MAIL, "free", None, False), (TOKEN, "free", None, False),
        (MAIL, "careful", None, True), (TOKEN, "careful", None, True), (OWN, "careful", None, True),
        (MAIL, "plain", None, True), (TOKEN, "plain", None, False), (MAIL, "unknown", None, True),
        (TOKEN, None, "keys", True), (MAIL, None, "keys", True), (TOKEN, "free", "keys", True),
        (TOKEN, None, "x", False),
    ],
)  # fmt: skip
def test_a_plan_chooses_and_a_task_adds(
    reading: Reading, text: str, plan: str | None, task: str | None, *, found: bool
) -> None:
    """The plan's layers in place of the usual ones, the task's beside them; unknown names change nothing."""
    asked = ask(text, plan, task=task)
    assert (classify(asked, reading.rules(asked)).label is Label.RESTRICTED) is found
    hidden = ask(text, plan, also_task=task)
    assert (classify(hidden, reading.rules(hidden)).label is Label.RESTRICTED) is found


@given(SETS, SETS, SETS, st.booleans())
def test_no_task_takes_a_layer_away(
    usual: frozenset[str], plan: frozenset[str], task: frozenset[str], planned: bool
) -> None:
    """Law 1, over all sets: with a task named, every layer reads that would have read without."""
    made = Reading.of(Rules(), usual, plans={"p": plan}, tasks={"t": task})
    asked = ask("x", "p" if planned else None)
    without, with_ = (made.rules(one).kinds for one in (asked, ask("x", "p" if planned else None, task="t")))
    assert with_ is None or (without is not None and without <= with_)


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_alone(layer: str) -> None:
    """Narrowed to one layer, the rules hold that layer's kinds and nothing of the others."""
    meaning = load_meaning()
    rules = narrowed(Rules(topics=meaning, names=meaning), frozenset({layer}))
    assert rules.kinds is not None
    assert {layer_of(kind) for kind in rules.kinds} <= {layer}
    assert bool(rules.kinds) == (layer in {"secrets", "patterns"})
    assert ((rules.topics is not None), (rules.names is not None)) == (layer == "topics", layer == "names")
    assert (rules.kinds == SECRET_KINDS) == (layer == "secrets")


def test_the_file_says_which_layers_are_ever_needed() -> None:
    """A model of names is loaded where a plan or a task asks for it, not otherwise."""
    assert "names" in layers_ever(settings())
    assert layers_ever(settings("version: 1\nlocal: {box: {weights: w}}\n")) == set(LAYERS)
    few = "version: 1\nlocal: {box: {weights: w}}\nprivacy: {layers: [own, patterns]}\n"
    assert layers_ever(settings(few)) == {"own", "patterns"}


class Whole:
    """A reply of given chunks."""

    def __init__(self, media_type: str, *chunks: bytes) -> None:
        """Status 200."""
        self.status, self.media_type, self.chunks = 200, media_type, chunks
        self.usage: Usage | None = None
        self.failure: Reason | None = None
        self.text_bytes = 0
        self.at_once: bytes | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The chunks."""
        for chunk in self.chunks:
            yield chunk

    async def aclose(self) -> None:
        """Nothing to close."""


def chunk(text: str) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


def reads(rules: Rules, *, late: bool = False) -> Callable[[Ask], Awaitable[Verdict]]:
    """What reads an answer, with the model of names where the rules want it; `late` never comes back in time."""
    aside = Aside(READER)

    async def read(answer: Ask) -> Verdict:
        await asyncio.sleep(0)
        if late:
            return unclassified("detector_timed_out")
        verdict = classify(answer, rules)
        for piece in names_to_read(answer.whole, verdict, rules):
            verdict = named(verdict, rules, piece, await aside.read(piece, 10, whose=answer.caller.key_id))
        return verdict

    return read


async def whole(one: Overheard) -> bytes:
    """All that is passed on."""
    return b"".join([chunk async for chunk in one])


@pytest.mark.parametrize("cut", [3, 9, 30])
def test_answers_are_read_whole_and_in_streams(cut: int) -> None:
    """A token in an answer is counted, also where deltas cut it; the bytes pass unchanged."""
    body = json.dumps({"id": "x", "choices": [{"message": {"content": TOKEN}}]}).encode()
    for reply in (Whole("application/json", body), Whole("text/event-stream", chunk(TOKEN[:cut]), chunk(TOKEN[cut:]))):
        overheard = Overheard(reply, ask("x"), Rules(), reads(Rules()))
        assert asyncio.run(whole(overheard)) == b"".join(reply.chunks)
        found, restricted = overheard.restricts()
        assert [(one.kind, one.count) for one in found] == [("output:github_token", 1)]
        assert restricted


NAMED = "Please write to Ottilie Brandvold that the lease ends in March."
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("cut", [3, 18, 40])
def test_names_in_an_answer_are_read_before_its_end_is_passed_on(cut: int) -> None:
    """The model of names reads what came when the end is there, and the client gets that end after it was read."""
    rules = narrowed(Rules(names=load_meaning()), frozenset({"names"}))
    body = json.dumps({"id": "x", "choices": [{"message": {"content": NAMED}}]}).encode()
    streamed = (chunk(NAMED[:cut]), chunk(NAMED[cut:]), DONE)
    for reply in (Whole("application/json", body), Whole("text/event-stream", *streamed)):
        overheard = Overheard(reply, ask("x"), rules, reads(rules))

        async def until_the_end(one: Overheard = overheard) -> list[list[str]]:
            return [[found.kind for found in one.found()] async for _ in one]

        told = asyncio.run(until_the_end())
        assert told[-1] == ["output:name:person"], "known before the last piece is passed on"
        assert overheard.restricts()[1]


def test_an_answer_whose_names_were_not_read_is_restricted() -> None:
    """Too slow, or cut off before its end: what could not be read counts as restricted (law 2)."""
    rules = narrowed(Rules(names=load_meaning()), frozenset({"names"}))
    late = Overheard(Whole("text/event-stream", chunk(NAMED), DONE), ask("x"), rules, reads(rules, late=True))
    asyncio.run(whole(late))
    assert ([one.kind for one in late.found()], late.restricts()[1]) == (["output:unread"], True)
    cut_off = Overheard(Whole("text/event-stream", chunk(NAMED), DONE), ask("x"), rules, reads(rules))

    async def leave() -> None:
        async for _ in cut_off:
            break

    asyncio.run(leave())
    assert [one.kind for one in cut_off.found()] == ["output:unread"]
    harmless = Overheard(Whole("text/event-stream", chunk("it is blue"), DONE), ask("x"), rules, reads(rules))
    asyncio.run(whole(harmless))
    assert harmless.restricts() == ((), False)


def test_a_file_may_have_names_read_in_answers() -> None:
    """`output_layers: [names]` is a layer that is needed, and the rules for answers hold it."""
    file = settings("version: 1\nlocal: {b: {weights: w}}\nprivacy: {layers: [own], output_layers: [names]}\n")
    assert "names" in layers_ever(file)
    answers = build_reading(file, load_meaning()).answers()
    assert answers is not None
    assert (answers.names is not None, answers.topics) == (True, None)


def test_check_shows_what_is_off_where(tmp_path: Path) -> None:
    """Line by line: the usual layers, each plan and task that differs, answers; a warning where a plan has fewer."""
    file = tmp_path / "models.yaml"
    text = FILE.replace("{weights: w}", '{engine: endpoint, url: "http://127.0.0.1:9/v1", context_tokens: 9000}')
    file.write_text(text, encoding="utf-8")
    env = {"LOCALFLEET_HOME": str(tmp_path / "state"), "PATH": "/usr/bin", "HOME": str(tmp_path)}
    said = run_here("check", "--config", str(file), folder=tmp_path, env=env).stdout.replace("\n", " ")
    for part in (
        "layers off: own, secrets, topics, names: ok", "plans.free: layers off: secrets, patterns, topics, names",
        "plans.careful: layers off: none", "tasks.keys: layers off: own, topics, names",
        "answers: layers off: own, patterns, topics, names",
        "plans.free.layers: off: patterns; what they would find there",
    ):  # fmt: skip
        assert part in said, (part, said)
