"""What a fingerprint is made of: the same conversation gives the same bytes, however a client dresses it."""

from typing import Any

import pytest

from localfleet.core.ask import Api
from localfleet.core.conversation import prefix_prints
from localfleet.wire.turns import fingerprinted, turns_of

SAID = "Summarise the merger plan."


def prints(api: Api, body: dict[str, Any]) -> tuple[bytes, ...]:
    """The prefix fingerprints of a body."""
    return prefix_prints(fingerprinted(body, turns_of(api, body)), key=b"k" * 32, caller="c")


def chat(*messages: dict[str, Any], system: str | None = None) -> dict[str, Any]:
    """A chat body."""
    head = [{"role": "system", "content": system}] if system is not None else []
    return {"messages": [*head, *messages]}


def test_a_system_prompt_that_changes_does_not_hide_a_conversation() -> None:
    """A date in the standing instructions differs in each request; the conversation is the same one."""
    first = prints(Api.CHAT, chat({"role": "user", "content": SAID}, system="Today is Monday."))
    later = chat(
        {"role": "user", "content": SAID},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "Shorter."},
        system="Today is Tuesday.",
    )
    assert first[-1] in prints(Api.CHAT, later)
    claude = {"system": "Monday", "messages": [{"role": "user", "content": SAID}]}
    assert prints(Api.MESSAGES, claude) == prints(Api.MESSAGES, {**claude, "system": [{"type": "text", "text": "Tue"}]})
    asked = {
        "instructions": "Monday",
        "input": [{"role": "developer", "content": "x"}, {"role": "user", "content": SAID}],
    }
    assert prints(Api.RESPONSES, asked) == prints(Api.RESPONSES, {"input": [{"role": "user", "content": SAID}]})


@pytest.mark.parametrize("kind", ["text", "input_text"])
def test_a_lone_text_part_is_the_same_as_a_plain_text(kind: str) -> None:
    """Clients write a single text either way, with cache marks or without."""
    plain = prints(Api.CHAT, chat({"role": "user", "content": SAID}))
    part = {"type": kind, "text": SAID, "cache_control": {"type": "ephemeral"}}
    assert prints(Api.CHAT, chat({"role": "user", "content": [part]})) == plain


LATER = ({"role": "assistant", "content": "Done."}, {"role": "user", "content": "Shorter."})


@pytest.mark.parametrize(
    "again",
    [
        {"role": "user", "content": SAID},
        {"type": "message", "role": "user", "content": SAID},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": SAID}]},
        {"id": "msg_1", "type": "message", "role": "user", "status": "completed", "content": SAID},
    ],
)
@pytest.mark.parametrize("first", [SAID, [{"role": "user", "content": SAID}]])
def test_a_question_put_as_a_text_is_the_same_as_an_item(first: Any, again: dict[str, Any]) -> None:
    """A client of responses begins with a text and goes on with a list; the conversation stays what it was."""
    begun = prints(Api.RESPONSES, {"input": first})
    assert begun[-1] in prints(Api.RESPONSES, {"input": [again, *LATER]})
    assert begun == prints(Api.CHAT, chat({"role": "user", "content": SAID}))


def test_an_answer_as_it_came_is_the_same_as_its_text() -> None:
    """SDKs send back what they got, with ids and empty fields, or only its words."""
    said = {"role": "user", "content": SAID}
    plain = prints(Api.CHAT, chat(said, {"role": "assistant", "content": "Done."}))
    part = {"type": "output_text", "text": "Done.", "annotations": [], "logprobs": []}
    item = {"id": "msg_2", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    assert prints(Api.RESPONSES, {"input": [said, item]}) == plain
    dumped: dict[str, Any] = {
        "role": "assistant",
        "content": "Done.",
        "refusal": None,
        "annotations": [],
        "tool_calls": None,
    }
    assert prints(Api.CHAT, chat(said, dumped)) == plain
    claude = {"role": "assistant", "content": [{"type": "text", "text": "Done.", "citations": None}]}
    assert prints(Api.MESSAGES, chat(said, claude)) == plain
    marked = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]
    bare = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    both = [chat({"role": "user", "content": parts}) for parts in (marked, bare)]
    assert prints(Api.MESSAGES, both[0]) == prints(Api.MESSAGES, both[1])


def test_what_an_answer_calls_is_said_too() -> None:
    """Fields that hold something count: a call of a tool is not the same as none."""
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    bare = {"role": "assistant", "content": None}
    assert prints(Api.CHAT, chat({**bare, "tool_calls": calls})) != prints(Api.CHAT, chat(bare))
    image = [{"type": "image_url", "image_url": {"url": "data:x"}}]
    assert prints(Api.CHAT, chat({"role": "user", "content": image})) != prints(Api.CHAT, chat({"role": "user"}))


def test_other_words_give_other_prints() -> None:
    """What was said decides: another text, another order, another caller."""
    one, two = {"role": "user", "content": "a"}, {"role": "user", "content": "b"}
    assert prints(Api.CHAT, chat(one, two))[-1] != prints(Api.CHAT, chat(two, one))[-1]
    turns = fingerprinted({}, [one])
    assert prefix_prints(turns, key=b"k" * 32, caller="c") != prefix_prints(turns, key=b"k" * 32, caller="d")
