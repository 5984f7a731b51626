"""One whole JSON answer of an upstream: whether it is one, what it counted, how much text it holds."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from localfleet.core.ask import WORDLESS, Api
from localfleet.core.usage import Usage
from localfleet.core.value import value
from localfleet.wire.upstream_error import UpstreamSaid, code_of
from localfleet.wire.usage import OBJECT, input_usage, messages_usage, openai_usage

__all__ = ["Whole", "read_whole", "text_size", "texts_of_turn"]


CHAT, COMPLETION = Api.CHAT, Api.COMPLETION
USAGES = {Api.MESSAGES: messages_usage, **dict.fromkeys(WORDLESS, input_usage)}


@value
class Whole:
    """A parsed answer. `text_bytes` counts the UTF-8 bytes of generated text."""

    data: dict[str, Any]
    usage: Usage | None
    text_bytes: int


def read_whole(api: Api, body: bytes) -> Whole:
    """Read an answer in the given API; raise `ValueError` if it is no JSON object, `UpstreamSaid` if it is an error."""
    data = orjson.loads(body)
    if not isinstance(data, dict):
        raise ValueError("an answer is a JSON object")  # noqa: TRY004  # callers catch what orjson raises, a ValueError
    if data.get("error"):
        raise UpstreamSaid(code_of(data))
    read_usage = USAGES.get(api, openai_usage)
    size = sum(map(text_size, _texts(api, data)))
    return Whole(data=data, usage=read_usage(data.get("usage")), text_bytes=size)


def text_size(text: object) -> int:
    """UTF-8 bytes of a text; 0 for anything else. A lone surrogate cannot come out of the parser."""
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode())


def texts_of_turn(turn: Mapping[str, Any]) -> list[object]:
    """What a chat `message` or `delta` says: text, reasoning, refusal and tool calls."""
    texts = [turn.get("content"), turn.get("reasoning_content") or turn.get("reasoning"), turn.get("refusal")]
    for call in _mappings(turn.get("tool_calls")):
        function = call.get("function")
        if isinstance(function, OBJECT):
            texts += (function.get("name"), function.get("arguments"))
    return texts


def _texts(api: Api, data: Mapping[str, Any]) -> Iterable[object]:
    if api is CHAT or api is COMPLETION:
        return _texts_of_choices(data)
    if api is Api.MESSAGES:
        return _texts_of_blocks(data.get("content"))
    return _texts_of_items(data) if api is Api.RESPONSES else ()


def _texts_of_choices(data: Mapping[str, Any]) -> list[object]:
    texts: list[object] = []
    for choice in _mappings(data.get("choices")):
        texts.append(choice.get("text"))
        message = choice.get("message")
        if isinstance(message, OBJECT):
            texts += texts_of_turn(message)
    return texts


def _texts_of_items(data: Mapping[str, Any]) -> Iterator[object]:
    for item in _mappings(data.get("output")):
        yield item.get("name")
        yield item.get("arguments")
        yield from _texts_of_blocks(item.get("content"))


def _texts_of_blocks(blocks: object) -> Iterator[object]:
    for block in _mappings(blocks):
        yield block.get("text")
        yield block.get("thinking")
        if block.get("type") == "tool_use":
            yield orjson.dumps(block.get("input")).decode()


def _mappings(value: object) -> Iterable[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, OBJECT)] if isinstance(value, list) else ()
