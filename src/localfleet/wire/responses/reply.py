"""A whole chat answer as an OpenAI Response, and the parts that a stream shows in the same way."""

from collections.abc import Mapping
from typing import Any

from localfleet.wire.chat_answer import Answer, Counts
from localfleet.wire.chat_blocks import Block, Kind

__all__ = ["ending", "from_chat", "item", "item_id", "part", "response"]

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_PREFIXES = {Kind.THINKING: "rs", Kind.TEXT: "msg", Kind.REFUSAL: "msg", Kind.CALL: "fc"}

_Object = dict[str, Any]


def from_chat(reply: Mapping[str, Any], *, model: str, request_id: str) -> _Object:
    """
    Translate a `chat.completion`; raise `ValueError` where it holds no message.

    What only the request knows (tools, instructions, sampling) is told as the API's defaults.
    """
    answer = Answer()
    answer.take_whole(reply)
    logprobs = answer.logprobs
    output = []
    for block in answer.blocks.shown:
        last = block is answer.blocks.shown[-1]
        shown = logprobs if block.kind is Kind.TEXT else []
        output.append(item(block, request_id, status=item_status(answer, last=last), logprobs=shown))
    start = response(answer, model=model, request_id=request_id)
    return start | ending(answer) | {"output": output}


def response(answer: Answer, *, model: str, request_id: str) -> _Object:
    """Return a Response under way, without output."""
    return {
        "id": f"resp_{request_id}",
        "object": "response",
        "created_at": answer.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None,
        "user": None,
    }


def ending(answer: Answer) -> _Object:
    """Return what changes in a Response when it ends: status, why it is incomplete, usage."""
    why = _INCOMPLETE.get(answer.finish)
    return {
        "status": "incomplete" if why else "completed",
        "incomplete_details": {"reason": why} if why else None,
        "usage": _usage(answer.counts),
    }


def item_status(answer: Answer, *, last: bool) -> str:
    """Only the last item is cut off where an answer is."""
    return "incomplete" if last and answer.finish in _INCOMPLETE else "completed"


def item_id(block: Block, request_id: str) -> str:
    """Return an id that differs for each item of each answer."""
    return f"{_PREFIXES[block.kind]}_{request_id}_{block.number}"


def item(block: Block, request_id: str, *, status: str, logprobs: list[_Object] | None = None) -> _Object:
    """Return an output item; while it is in progress it holds nothing."""
    empty = status == "in_progress"
    head: _Object = {"id": item_id(block, request_id), "status": status}
    if block.kind is Kind.CALL:
        call_id = block.call_id or f"call_{request_id}_{block.number}"
        arguments = "" if empty else block.text
        return head | {"type": "function_call", "call_id": call_id, "name": block.name, "arguments": arguments}
    content = [] if empty else [part(block.kind, block.text, logprobs or [])]
    if block.kind is Kind.THINKING:
        return head | {"type": "reasoning", "summary": [], "content": content}
    return head | {"type": "message", "role": "assistant", "content": content}


def part(kind: Kind, text: str, logprobs: list[_Object]) -> _Object:
    """Return the one part that a message or a reasoning item holds."""
    if kind is Kind.THINKING:
        return {"type": "reasoning_text", "text": text}
    if kind is Kind.REFUSAL:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def _usage(counts: Counts | None) -> _Object | None:
    """Tokens as this API tells them; `None` where the engine counted nothing."""
    if counts is None:
        return None
    return {
        "input_tokens": counts.prompt,
        "input_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": counts.cache_written},
        "output_tokens": counts.completion,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.prompt + counts.completion,
    }
