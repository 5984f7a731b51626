"""
What a chat server answered, whole or as a stream, read with patience.

Engines differ and some are odd: a wrong type is read as if the field were absent, and only an answer without any
message is refused (`ValueError`, a fixed sentence). Only the first choice is read: neither Anthropic's Messages nor
OpenAI's Responses can show a second one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from localfleet.wire.chat_blocks import Blocks, Kind, Step, clean

__all__ = ["Answer", "Counts", "arguments_object"]

_LARGEST = 2**53
_DEEPER = 8
"""How many levels an answer of any API puts around a tool call's arguments, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Tokens as the engine counted them; the cache's are part of `prompt`, `reasoning` is part of `completion`."""

    prompt: int = 0
    cached: int = 0
    cache_written: int = 0
    completion: int = 0
    reasoning: int = 0


class Answer:
    """One answer: what is known so far. Take chunks, or one whole reply, then `end`."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.blocks = Blocks()
        self.counts: Counts | None = None
        self.created = 0
        """Unix time, seconds, as the engine said it; 0 where it did not."""
        self.finish = ""
        """Chat's `finish_reason`; "" where none came."""
        self.stop_word: str | None = None
        """The stop sequence that ended the text, where the engine names it (vLLM, SGLang)."""
        self.logprobs: list[dict[str, Any]] = []
        """The log probabilities of the object read last."""

    def take(self, chunk: Mapping[str, Any]) -> list[Step]:
        """Read one `chat.completion.chunk`."""
        return self._read(chunk, "delta", whole=False) or []

    def take_whole(self, reply: Mapping[str, Any]) -> list[Step]:
        """Read a `chat.completion`; raise `ValueError` where it holds no message."""
        steps = self._read(reply, "message", whole=True)
        if steps is None:
            raise ValueError("The engine's answer holds no message.")
        return steps + self.blocks.end()

    def end(self) -> list[Step]:
        """Close what is open."""
        return self.blocks.end()

    @property
    def called(self) -> bool:
        """True where the answer holds a tool call."""
        return any(block.kind is Kind.CALL for block in self.blocks.shown)

    def _read(self, reply: Mapping[str, Any], part: str, *, whole: bool) -> list[Step] | None:
        self.counts = _counts(reply.get("usage")) or self.counts
        self.created = self.created or _count(reply.get("created")) or 0
        choice = _first(reply.get("choices"))
        self.logprobs = _logprobs(choice.get("logprobs"))
        self.finish = clean(choice.get("finish_reason")) or self.finish
        self.stop_word = clean(choice.get("stop_reason")) or clean(choice.get("matched_stop")) or self.stop_word
        message = choice.get(part)
        return self.blocks.take(message, whole=whole) if isinstance(message, Mapping) else None


def arguments_object(arguments: str) -> dict[str, Any]:
    """A call's arguments as an object; `{}` where they are none, or nest too deep to be written again."""
    try:
        value = orjson.loads(arguments)
        nested = value
        for _ in range(_DEEPER):
            nested = [nested]
        orjson.dumps(nested)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _first(choices: Any) -> Mapping[str, Any]:
    """Choice 0: the one that says so, or that says nothing."""
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, Mapping) and choice.get("index") in (0, None):  # a tuple: an odd index may be a list
            return choice
    return {}


def _count(value: Any) -> int | None:
    """A count from 0 up; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        return None
    return int(value)


def _counts(usage: Any) -> Counts | None:
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None and completion is None:
        return None
    return Counts(
        prompt=prompt or 0,
        cached=_detail(usage, "prompt_tokens_details", "cached_tokens", prompt or 0),
        cache_written=_detail(usage, "prompt_tokens_details", "cache_write_tokens", prompt or 0),
        completion=completion or 0,
        reasoning=_detail(usage, "completion_tokens_details", "reasoning_tokens", completion or 0),
    )


def _detail(usage: Mapping[str, Any], group: str, name: str, most: int) -> int:
    """A part of a count, never more than the whole."""
    details = usage.get(group)
    return min(_count(details.get(name)) or 0, most) if isinstance(details, Mapping) else 0


def _logprobs(value: Any) -> list[dict[str, Any]]:
    tokens = value.get("content") if isinstance(value, Mapping) else None
    return [
        {**_logprob(token), "top_logprobs": [_logprob(top) for top in _tokens(token.get("top_logprobs"))]}
        for token in _tokens(tokens)
    ]


def _tokens(value: Any) -> list[Mapping[str, Any]]:
    """The entries that name a token and a finite probability; the others say nothing."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping) and _readable(item)]


def _readable(token: Mapping[str, Any]) -> bool:
    number = token.get("logprob")
    numeric = isinstance(number, int | float) and not isinstance(number, bool) and abs(number) <= _LARGEST
    return isinstance(token.get("token"), str) and numeric


def _logprob(token: Mapping[str, Any]) -> dict[str, Any]:
    """One token; its bytes are worked out where the engine gives none."""
    text, raw = clean(token["token"]), token.get("bytes")
    whole = isinstance(raw, list) and all(isinstance(byte, int) and 0 <= byte <= 255 for byte in raw)
    return {"token": text, "logprob": token["logprob"], "bytes": raw if whole else list(text.encode())}
