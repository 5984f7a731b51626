"""A whole chat answer as an Anthropic Message, and the parts that a stream shows in the same way."""

from collections.abc import Mapping
from typing import Any

from localfleet.wire.chat_answer import Answer, Counts, arguments_object
from localfleet.wire.chat_blocks import Block, Kind

__all__ = ["block_start", "from_chat", "message_start", "stop", "usage"]

_STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def from_chat(reply: Mapping[str, Any], *, model: str, request_id: str) -> dict[str, Any]:
    """
    Translate a `chat.completion`; raise `ValueError` where it holds no message.

    A call whose arguments are no JSON object gets the input `{}`. Thinking carries an empty signature: nobody signed
    it.
    """
    answer = Answer()
    answer.take_whole(reply)
    message = message_start(model=model, request_id=request_id, counts=answer.counts)
    message["content"] = [_whole(block, request_id) for block in answer.blocks.shown]
    return message | stop(answer)


def message_start(*, model: str, request_id: str, counts: Counts | None) -> dict[str, Any]:
    """Return a Message without content, as a stream begins with it."""
    return {
        "id": f"msg_{request_id}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage(counts),
    }


def usage(counts: Counts | None) -> dict[str, int]:
    """Tokens as Anthropic counts them: the cache's are not part of the input; zeros where nothing was counted."""
    counts = counts or Counts()
    return {
        "input_tokens": counts.prompt - counts.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": counts.cached,
        "output_tokens": counts.completion,
    }


def stop(answer: Answer) -> dict[str, Any]:
    """Why it ended; some engines say `stop` where a tool call ended it."""
    reason = _STOPS.get(answer.finish, "end_turn")
    word = None
    if reason == "end_turn" and answer.called:
        reason = "tool_use"
    elif reason == "end_turn" and _refused(answer):
        reason = "refusal"
    elif answer.finish == "stop" and answer.stop_word:
        reason, word = "stop_sequence", answer.stop_word
    return {"stop_reason": reason, "stop_sequence": word}


def block_start(block: Block, request_id: str) -> dict[str, Any]:
    """Return a content block that holds nothing yet; a refusal is text, as chat's own clients show it."""
    if block.kind is Kind.THINKING:
        return {"type": "thinking", "thinking": "", "signature": ""}
    if block.kind is Kind.CALL:
        call_id = block.call_id or f"toolu_{request_id}_{block.number}"
        return {"type": "tool_use", "id": call_id, "name": block.name, "input": {}}
    return {"type": "text", "text": ""}


def _whole(block: Block, request_id: str) -> dict[str, Any]:
    start = block_start(block, request_id)
    if block.kind is Kind.CALL:
        return start | {"input": arguments_object(block.text)}
    return start | {start["type"]: block.text}


def _refused(answer: Answer) -> bool:
    return any(block.kind is Kind.REFUSAL for block in answer.blocks.shown)
