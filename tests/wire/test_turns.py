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


def test_other_words_give_other_prints() -> None:
    """What was said decides: another text, another order, another caller."""
    one, two = {"role": "user", "content": "a"}, {"role": "user", "content": "b"}
    assert prints(Api.CHAT, chat(one, two))[-1] != prints(Api.CHAT, chat(two, one))[-1]
    turns = fingerprinted({}, [one])
    assert prefix_prints(turns, key=b"k" * 32, caller="c") != prefix_prints(turns, key=b"k" * 32, caller="d")
