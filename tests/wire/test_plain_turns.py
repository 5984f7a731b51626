"""Nearly every chat is of plain turns, and is read in fewer steps: what is read is the same."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localfleet.core.ask import Api, Caller, Need
from localfleet.core.label import Label
from localfleet.wire.read import TURN_FIELDS, read_ask
from localfleet.wire.texts import spans_of
from localfleet.wire.turns import fingerprinted, plain_prints, plain_turns, turns_of
from localfleet.wire.unreadable import unreadable_in

CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
_TEXTS = st.one_of(
    st.text(max_size=30), st.sampled_from(["cache_control", "data:image/png;base64," + "A" * 40, "A1b2C3d4E5" * 60])
)
_ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])
_PLAIN = st.fixed_dictionaries({"role": _ROLES, "content": _TEXTS})
_SETTINGS = st.dictionaries(
    st.sampled_from(["temperature", "max_tokens", "user", "images", "metadata", "tools", "stop", "seed", "x"]),
    st.one_of(st.integers(-20_000, 20_000), st.floats(0, 2), st.text(max_size=8), st.just([{"type": "image"}])),
    max_size=4,
)


@given(st.lists(_PLAIN, min_size=1, max_size=5), _SETTINGS)
def test_plain_turns_are_read_as_any_others(messages: list[dict[str, str]], settings: dict[str, Any]) -> None:
    """Fingerprints and what cannot be read are those that the longer way finds."""
    body = {"model": "auto", **settings, "messages": messages}
    plain, turns = plain_turns(Api.CHAT, body), turns_of(Api.CHAT, body)
    said = TURN_FIELDS[Api.CHAT]
    assert plain is messages
    assert plain_prints(plain) == fingerprinted(body, turns)
    spans = spans_of(body)
    assert unreadable_in((), body, said, spans) == unreadable_in(turns, body, said, spans)


@given(
    st.one_of(
        st.fixed_dictionaries({"role": _ROLES, "content": st.lists(st.just({"type": "text", "text": "a"}))}),
        st.fixed_dictionaries({"role": _ROLES, "content": _TEXTS, "name": st.just("n")}),
        st.fixed_dictionaries({"role": st.one_of(st.text(max_size=5), st.just([])), "content": _TEXTS}),
        st.fixed_dictionaries({"role": _ROLES}),
        st.text(max_size=3),
    )
)
@example({"role": "user", "content": None})
@example({"role": "user", "content": "a", "localfleet_label": "restricted"})
def test_a_turn_that_is_more_than_a_role_and_a_text_is_not_plain(turn: Any) -> None:
    """One of them, and the whole chat is read the longer way."""
    messages = [{"role": "user", "content": "hello"}, turn]
    assert plain_turns(Api.CHAT, {"messages": messages}) == []


def test_only_a_chat_has_plain_turns() -> None:
    """Other APIs say more beside their messages, or have none."""
    body = {"messages": [{"role": "user", "content": "hello"}]}
    assert plain_turns(Api.CHAT, body)
    assert not any(plain_turns(api, body) for api in Api if api is not Api.CHAT)
    assert plain_turns(Api.CHAT, {}) == plain_turns(Api.CHAT, {"messages": []}) == []


_SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, {"needs": {Need.TOOLS}}),
        ({"functions": [{"name": "f"}]}, {"needs": {Need.TOOLS}}),
        ({"logprobs": True}, {"needs": {Need.LOGPROBS}}),
        ({"response_format": _SCHEMA}, {"needs": {Need.JSON}}),
        ({"output_format": _SCHEMA}, {"needs": {Need.JSON}}),
        ({"text": {"format": _SCHEMA}}, {"needs": {Need.JSON}}),
        ({"output_config": {"format": _SCHEMA}}, {"needs": {Need.JSON}}),
        ({"n": 3}, {"choices": 3}),
        ({"best_of": 4}, {"choices": 4}),
        ({"previous_response_id": "resp_1"}, {"previous_response": "resp_1"}),
        ({"stream_options": {"include_usage": True}}, {"wants_usage": True}),
    ],
)
def test_what_few_requests_say_is_read_of_a_plain_chat(said: dict[str, Any], changes: dict[str, Any]) -> None:
    """One question stands for all of these fields, and none of them may be missing from it."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], "stream": True, **said}
    letter = read_ask(body, api=Api.CHAT, headers={}, caller=CALLER, request_id="r", size=100)
    ask = letter.ask
    read = {
        "needs": set(ask.needs),
        "choices": ask.choices,
        "previous_response": ask.previous_response,
        "wants_usage": letter.wants_usage,
    }
    assert read == {"needs": set(), "choices": 1, "previous_response": None, "wants_usage": False, **changes}
