"""A piece of a restricted request is known again in another conversation of its caller; shared phrases are not."""

import asyncio
import json
from typing import Any

import pytest
from gateway_rig import Books, Clock, Talker, Words, always

from localfleet.core.ask import Api, Caller
from localfleet.core.classify import Rules
from localfleet.core.fleet import Model
from localfleet.core.label import Label, Verdict
from localfleet.core.policy import Policy
from localfleet.gateway import Gateway
from localfleet.redacting import Redactor, Sessions
from localfleet.visit import Visit
from localfleet.wire.read import parse_body, read_ask

CHUNK = (
    "The board agreed to sell the northern plant to its largest rival. Tell it to nobody before the spring has come."
)
RECORD = "Customer since 2011, lives on the hill above the old mill. Complained about the broken gate three times."
MAIL = "anna.schmidt@kundenbank.de"
TEMPLATE = "You answer questions about our products, in one short paragraph, politely and without any jargon."
CALL: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]}


class Router:
    """A gateway that reads real bodies, over a local engine."""

    def __init__(self, *, redacts: bool = False) -> None:
        """Nothing is remembered."""
        model = Model(name="small", tier="local", accepts=None, context_tokens=99_999, apis=frozenset(Api))
        books = Books()
        self.gateway = Gateway(
            models={"small": model},
            engines={"small": Talker("small", False, books, always(Words(b"{}")))},
            ledger=books,
            policy=Policy(),
            rules=Rules(),
            clock=Clock(),
            print_key=b"k" * 32,
            redactor=Redactor(key=b"r" * 32, sessions=Sessions(now=lambda: 0.0)) if redacts else None,
        )

    def ask(self, *messages: dict[str, Any], key: str = "k", **more: Any) -> Verdict:
        """The verdict on one chat."""
        raw = json.dumps({"model": "auto", "messages": list(messages), **more}).encode()
        caller = Caller(key_id=key, name=key, default_label=Label.PUBLIC)
        letter = read_ask(parse_body(raw), api=Api.CHAT, headers={}, caller=caller, request_id="r", size=len(raw))
        visit = Visit(ask=letter.ask, arrived=self.gateway.clock.monotonic(), wanted="auto")
        asyncio.run(self.gateway.answer(letter, visit))
        return visit.judged


def user(text: Any) -> dict[str, Any]:
    """A turn of a person."""
    return {"role": "user", "content": text}


def tool(text: str) -> dict[str, Any]:
    """A result of a tool."""
    return {"role": "tool", "tool_call_id": "c", "content": text}


LABELLED = [
    ({"messages": [user([{"type": "text", "text": CHUNK, "localfleet_label": "restricted"}])]}),
    ({"messages": [user("Sum up."), CALL, {**tool(CHUNK), "localfleet_label": "restricted"}]}),
    ({"messages": [user("Sum up.")], "documents": [{"text": CHUNK, "localfleet_label": "restricted"}]}),
]


@pytest.mark.parametrize("first", LABELLED)
@pytest.mark.parametrize("redacts", [False, True])
def test_a_labelled_chunk_is_known_in_another_conversation(first: dict[str, Any], *, redacts: bool) -> None:
    """In a template, in JSON, in a system prompt, by one sentence of it: restricted, and beyond redaction."""
    router = Router(redacts=redacts)
    again = [
        [user(f"What follows from this?\n\n{CHUNK}")],
        [{"role": "system", "content": f"{TEMPLATE} Context: {CHUNK}"}, user("And then?")],
        [user("Tell me."), CALL, tool(json.dumps({"hits": [{"text": CHUNK, "score": 0.7}]}))],
        [user(f"Write to {MAIL}. {CHUNK.partition('. ')[0]}.")],
    ]
    assert [router.ask(*turns).because for turns in again[:3]] == [("key_default",)] * 3
    assert router.ask(*first["messages"], **{k: v for k, v in first.items() if k != "messages"}).because == ("chunk",)
    for turns in again:
        verdict = router.ask(*turns)
        assert verdict.label is Label.RESTRICTED
        assert "known_chunk" in verdict.because
    assert router.ask(*again[0], key="another").because == ("key_default",)


def test_what_only_stood_beside_a_chunk_is_not_known() -> None:
    """The system prompt, the question and unlabelled chunks of a restricted request come again unhindered."""
    router, other = Router(), "The canteen serves soup from noon on, and cake in the afternoon of each Friday."
    system = {"role": "system", "content": TEMPLATE, "localfleet_label": "restricted"}
    parts = [{"type": "text", "text": CHUNK, "localfleet_label": "restricted"}, {"type": "text", "text": other}]
    assert router.ask(system, user(parts)).label is Label.RESTRICTED
    assert router.ask({"role": "system", "content": TEMPLATE}, user(other)).because == ("key_default",)


def test_the_result_of_a_tool_that_carried_a_finding_is_known_without_it() -> None:
    """Two of its sentences are enough; one, which may be a phrase of the tool, is not; the template is nobody's."""
    router = Router()
    system, question = {"role": "system", "content": TEMPLATE}, user("What do we know of her gate, and since when?")
    first = router.ask(system, question, CALL, tool(f"{RECORD} Reach her at {MAIL}."))
    assert first.because == ("detector:email",)
    assert router.ask(user("Sum this up."), CALL, tool(RECORD)).because == ("known_chunk",)
    assert router.ask(user(f"Is this right? {RECORD}")).because == ("known_chunk",)
    assert router.ask(user("New one."), CALL, tool(RECORD.partition(". ")[0])).because == ("key_default",)
    assert router.ask(system, user("And the opening hours of the shop in the town?")).because == ("key_default",)


def test_typed_words_with_a_finding_are_not_pieces() -> None:
    """A template that a restricted question was put into does not restrict the next question."""
    router, template = Router(), f"{TEMPLATE} Which of our four departments should look at this ticket first of all?\n"
    assert router.ask(user(f"{template}Mail me at {MAIL}.")).label is Label.RESTRICTED
    assert router.ask(user(f"{template}Where is the manual?")).because == ("key_default",)


def test_a_redacted_result_is_not_remembered() -> None:
    """Where its values can be replaced each time, the rest may come again."""
    router = Router(redacts=True)
    router.ask(user("Sum up."), CALL, tool(f"{RECORD} Reach her at {MAIL}."))
    assert router.ask(user(RECORD)).because == ("key_default",)


def test_long_texts_are_known_too() -> None:
    """Beside the event loop, with a chunk deep inside."""
    router, filler = Router(), "Nothing of note was said about the weather on that day in the valley. " * 400
    router.ask(user([{"type": "text", "text": CHUNK, "localfleet_label": "restricted"}]))
    assert router.ask(user(f"{filler}{CHUNK} {filler}")).because == ("known_chunk",)
