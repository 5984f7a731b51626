"""OpenAI's Responses format, plain and streamed, as its client reads it."""

import json
from collections.abc import Iterator
from typing import Any

from tap_behaviour import Answer, Behaviour, Heard, pieces, sse
from tap_reply import CREATED, Said, said_to

__all__ = ["responses"]

Json = dict[str, Any]


def responses(heard: Heard, behaviour: Behaviour, text: str) -> Answer:
    """An answer of `/v1/responses`."""
    said = said_to(heard, behaviour, text)
    if heard.stream:
        return Answer(events=tuple(_numbered(heard, behaviour, said)))
    return Answer(body=json.dumps(_finished(heard, behaviour, said), ensure_ascii=False).encode())


def _frame(heard: Heard, status: str) -> Json:
    return {
        "id": f"resp_tap{heard.number}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "model": str(heard.data.get("model", "tap")),
        "output": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "store": False,
        "usage": None,
    }


def _finished(heard: Heard, behaviour: Behaviour, said: Said) -> Json:
    frame = {**_frame(heard, "incomplete" if said.cut else "completed"), "output": _items(heard, said)}
    if said.cut:
        frame["incomplete_details"] = {"reason": "max_output_tokens"}
    if behaviour.usage != "none":
        frame["usage"] = {
            "input_tokens": said.input_tokens,
            "input_tokens_details": {"cached_tokens": behaviour.tokens.cache_read},
            "output_tokens": said.output_tokens,
            "output_tokens_details": {"reasoning_tokens": behaviour.tokens.reasoning},
            "total_tokens": said.input_tokens + said.output_tokens,
        }
    return frame


def _items(heard: Heard, said: Said) -> list[Json]:
    if said.calls:
        return [
            {
                "type": "function_call",
                "id": f"fc_tap{heard.number}",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
                "status": "completed",
            }
            for call in said.calls
        ]
    part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
    fields = {"type": "message", "id": f"msg_tap{heard.number}", "role": "assistant", "status": "completed"}
    return [{**fields, "content": [part]}]


def _numbered(heard: Heard, behaviour: Behaviour, said: Said) -> Iterator[bytes]:
    for number, (kind, fields) in enumerate(_events(heard, behaviour, said)):
        yield sse({"type": kind, "sequence_number": number, **fields}, event=kind)


def _events(heard: Heard, behaviour: Behaviour, said: Said) -> Iterator[tuple[str, Json]]:
    yield "response.created", {"response": _frame(heard, "in_progress")}
    yield "response.in_progress", {"response": _frame(heard, "in_progress")}
    for index, item in enumerate(_items(heard, said)):
        blank: Json = {"arguments": ""} if said.calls else {"content": []}
        yield "response.output_item.added", {"output_index": index, "item": {**item, **blank, "status": "in_progress"}}
        place = {"item_id": item["id"], "output_index": index}
        yield from _call_events(item, place) if said.calls else _text_events(item, place, said)
        yield "response.output_item.done", {"output_index": index, "item": item}
    if behaviour.done:
        kind = "response.incomplete" if said.cut else "response.completed"
        yield kind, {"response": _finished(heard, behaviour, said)}


def _call_events(item: Json, place: Json) -> Iterator[tuple[str, Json]]:
    for part in pieces(item["arguments"]):
        yield "response.function_call_arguments.delta", {**place, "delta": part}
    done = {**place, "name": item["name"], "arguments": item["arguments"]}
    yield "response.function_call_arguments.done", done


def _text_events(item: Json, place: Json, said: Said) -> Iterator[tuple[str, Json]]:
    part = item["content"][0]
    spot = {**place, "content_index": 0}
    yield "response.content_part.added", {**spot, "part": {**part, "text": ""}}
    for piece in said.parts:
        yield "response.output_text.delta", {**spot, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**spot, "text": said.text, "logprobs": []}
    yield "response.content_part.done", {**spot, "part": part}
