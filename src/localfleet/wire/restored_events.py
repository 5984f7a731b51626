"""Where texts stand in the events of each API's streams, which event ends which text, and how one more is written."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

from localfleet.core.ask import Api

__all__ = ["DIALECTS", "Channel", "Dialect", "Slot"]

CHAT_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
BLOCK_TEXTS = {"text": "text_delta", "thinking": "thinking_delta", "partial_json": "input_json_delta"}
OVER = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})


class Channel(NamedTuple):
    """One text that grows event by event. `group`: when another text of it grows, this one has ended."""

    group: str
    name: str
    is_json: bool = False
    place: int = 0


Slot = tuple[Channel, dict[str, Any], str]
"""A text of an event: its channel, the object that holds it, and the key there."""


class Dialect(Protocol):
    """What one stream has shown so far, as far as it takes to write an event of ours into it."""

    def slots(self, data: dict[str, Any]) -> Iterator[Slot]:
        """The texts of an event that go on in others."""
        ...

    def ended(self, data: Mapping[str, Any]) -> Callable[[Channel], bool]:
        """Which channels have their end with, or before, this event."""
        ...

    def tail(self, channel: Channel, rest: str) -> bytes:
        """One more event for a channel."""
        ...

    def written(self, name: str | None, data: dict[str, Any]) -> bytes:
        """An event as bytes."""
        ...


class ChatEvents:
    """Chat completions and completions."""

    def __init__(self) -> None:
        """Nothing was seen."""
        self._head: dict[str, Any] = {}

    def slots(self, data: dict[str, Any]) -> Iterator[Slot]:
        """Contents, reasoning, refusals, texts, arguments of calls."""
        self._head = {key: data[key] for key in ("id", "object", "created", "model") if key in data}
        for choice in _objects(data.get("choices")):
            group = str(choice.get("index", 0))
            delta = choice.get("delta")
            if isinstance(choice.get("text"), str):
                yield Channel(group, "text"), choice, "text"
            if isinstance(delta, dict):
                for name in CHAT_TEXTS:
                    if isinstance(delta.get(name), str):
                        yield Channel(group, name), delta, name
                yield from self._calls(group, delta)

    def _calls(self, group: str, delta: dict[str, Any]) -> Iterator[Slot]:
        for at, call in enumerate(_objects(delta.get("tool_calls"))):
            function, place = call.get("function"), call.get("index", at)
            if isinstance(function, dict) and isinstance(function.get("arguments"), str):
                yield Channel(group, "call", is_json=True, place=place), function, "arguments"

    def ended(self, data: Mapping[str, Any]) -> Callable[[Channel], bool]:
        """A finish reason ends all texts of its choice."""
        over = {
            str(one.get("index", 0)) for one in _objects(data.get("choices")) if one.get("finish_reason") is not None
        }
        return lambda channel: channel.group in over

    def tail(self, channel: Channel, rest: str) -> bytes:
        """A chunk with one text."""
        choice: dict[str, Any] = {"index": int(channel.group), "finish_reason": None}
        if channel.name == "text":
            choice["text"] = rest
        elif channel.name == "call":
            choice["delta"] = {"tool_calls": [{"index": channel.place, "function": {"arguments": rest}}]}
        else:
            choice["delta"] = {channel.name: rest}
        return self.written(None, {**self._head, "choices": [choice]})

    def written(self, name: str | None, data: dict[str, Any]) -> bytes:
        """Without a name."""
        return _event(name, data)


class MessagesEvents:
    """Anthropic's Messages."""

    def slots(self, data: dict[str, Any]) -> Iterator[Slot]:
        """Texts, thinking, input of tools."""
        delta = data.get("delta")
        if data.get("type") == "content_block_delta" and isinstance(delta, dict):
            for name in BLOCK_TEXTS:
                if isinstance(delta.get(name), str):
                    yield Channel(str(data.get("index", 0)), name, is_json=name == "partial_json"), delta, name

    def ended(self, data: Mapping[str, Any]) -> Callable[[Channel], bool]:
        """The end of its block, or of the message."""
        kind, index = data.get("type"), str(data.get("index", 0))
        return lambda channel: (
            (kind == "content_block_stop" and channel.group == index) or kind in {"message_delta", "message_stop"}
        )

    def tail(self, channel: Channel, rest: str) -> bytes:
        """A delta of the block."""
        delta = {"type": BLOCK_TEXTS[channel.name], channel.name: rest}
        return _event(
            "content_block_delta", {"type": "content_block_delta", "index": int(channel.group), "delta": delta}
        )

    def written(self, name: str | None, data: dict[str, Any]) -> bytes:
        """Under its name."""
        return _event(name, data)


class ResponsesEvents:
    """OpenAI's Responses; events are numbered, so those after one of ours are numbered anew."""

    def __init__(self) -> None:
        """Nothing was seen."""
        self._added = self._number = 0
        self._last: dict[Channel, dict[str, Any]] = {}

    def slots(self, data: dict[str, Any]) -> Iterator[Slot]:
        """The `delta` of any event that is one."""
        kind = data.get("type")
        if isinstance(kind, str) and kind.endswith(".delta") and isinstance(data.get("delta"), str):
            channel = _responses_channel(kind, data)
            self._last[channel] = dict(data)
            yield channel, data, "delta"

    def ended(self, data: Mapping[str, Any]) -> Callable[[Channel], bool]:
        """The `.done` of a text, or the end of all."""
        kind = data.get("type")
        if kind in OVER:
            return lambda _: True
        if not isinstance(kind, str) or not kind.endswith(".done"):
            return lambda _: False
        over = _responses_channel(kind, data)
        return lambda channel: channel == over

    def tail(self, channel: Channel, rest: str) -> bytes:
        """The last event of this text again, with the rest."""
        data = {**self._last[channel], "delta": rest}
        if "sequence_number" in data:
            self._added += 1
            data["sequence_number"] = self._number + 1 - self._added
        return self.written(str(data["type"]), data)

    def written(self, name: str | None, data: dict[str, Any]) -> bytes:
        """With the number that it has now."""
        if isinstance(data.get("sequence_number"), int):
            self._number = data["sequence_number"] + self._added
            data = {**data, "sequence_number": self._number}
        return _event(name, data)


def _responses_channel(kind: str, data: Mapping[str, Any]) -> Channel:
    text = kind.rpartition(".")[0]
    places = (data.get("item_id"), data.get("output_index"), data.get("content_index"), data.get("summary_index"))
    name = f"{text} {places}"
    return Channel(name, name, is_json="arguments" in text)


def _event(name: str | None, data: Mapping[str, Any]) -> bytes:
    head = b"" if name is None else b"event: %b\n" % name.encode()
    return head + b"data: %b\n\n" % orjson.dumps(data)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


DIALECTS: Mapping[Api, Callable[[], Dialect]] = {
    Api.CHAT: ChatEvents,
    Api.COMPLETION: ChatEvents,
    Api.MESSAGES: MessagesEvents,
    Api.RESPONSES: ResponsesEvents,
}
