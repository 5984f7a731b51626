"""OpenAI's chat, completion, embedding and model-list formats, plain and streamed, as their clients read them."""

import base64
import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from tap_behaviour import Answer, Behaviour, Heard, pieces, sse
from tap_reply import CREATED, Said, said_to

__all__ = ["chat", "completion", "embeddings", "error", "models", "rerank"]

DONE = sse("[DONE]")
Json = dict[str, Any]


def chat(heard: Heard, behaviour: Behaviour, text: str) -> Answer:
    """A chat completion."""
    said = said_to(heard, behaviour, text)
    if heard.stream:
        return Answer(events=tuple(_chat_events(heard, behaviour, said)))
    body = _frame(heard, "chat.completion", [_chat_choice(heard, said, index) for index in range(_n(heard))])
    if behaviour.usage != "none":
        body["usage"] = _usage(heard, behaviour, said)
    return Answer(body=json.dumps(body, ensure_ascii=False).encode())


def _frame(heard: Heard, kind: str, choices: list[Json]) -> Json:
    prefix = "cmpl" if kind == "text_completion" else "chatcmpl"
    return {
        "id": f"{prefix}-tap{heard.number}",
        "object": kind,
        "created": CREATED,
        "model": str(heard.data.get("model", "tap")),
        "system_fingerprint": "fp_tap",
        "choices": choices,
    }


def _n(heard: Heard) -> int:
    asked = heard.data.get("n")
    return asked if isinstance(asked, int) and 0 < asked <= 16 else 1


def _chat_choice(heard: Heard, said: Said, index: int) -> Json:
    message: Json = {"role": "assistant", "content": None if said.calls else said.text, "refusal": None}
    if said.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in said.calls
        ]
    logprobs = _logprobs(said.parts) if heard.data.get("logprobs") else None
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": _finish(said)}


def _finish(said: Said) -> str:
    if said.calls:
        return "tool_calls"
    return "length" if said.cut else "stop"


def _logprobs(parts: tuple[str, ...]) -> Json:
    content = [{"token": part, "logprob": -0.25, "bytes": list(part.encode()), "top_logprobs": []} for part in parts]
    return {"content": content, "refusal": None}


def _usage(heard: Heard, behaviour: Behaviour, said: Said) -> Json:
    output = said.output_tokens * (_n(heard) if behaviour.tokens.output is None else 1)
    return {
        "prompt_tokens": said.input_tokens,
        "completion_tokens": output,
        "total_tokens": said.input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": behaviour.tokens.cache_read},
        "completion_tokens_details": {"reasoning_tokens": behaviour.tokens.reasoning},
    }


def _chat_events(heard: Heard, behaviour: Behaviour, said: Said) -> Iterator[bytes]:
    counted = _counts(heard, behaviour)
    for index in range(_n(heard)):
        yield _chunk(heard, index, {"role": "assistant", "content": "", "refusal": None}, counted=counted)
    for index in range(_n(heard)):
        for delta, logprobs in _deltas(heard, said):
            yield _chunk(heard, index, delta, logprobs=logprobs, counted=counted)
        last_usage = _usage(heard, behaviour, said) if behaviour.usage == "last_chunk" else None
        yield _chunk(heard, index, {}, finish=_finish(said), counted=counted, usage=last_usage)
    if counted:
        yield sse({**_frame(heard, "chat.completion.chunk", []), "usage": _usage(heard, behaviour, said)})
    if behaviour.done:
        yield DONE


def _counts(heard: Heard, behaviour: Behaviour) -> bool:
    """Whether the stream has OpenAI's extra usage chunk."""
    options = heard.data.get("stream_options")
    asked = isinstance(options, Mapping) and options.get("include_usage") is True
    return behaviour.usage == "always" or (behaviour.usage == "asked" and asked)


def _deltas(heard: Heard, said: Said) -> Iterator[tuple[Json, Json | None]]:
    for part in said.parts:
        yield {"content": part}, _logprobs((part,)) if heard.data.get("logprobs") else None
    for index, call in enumerate(said.calls):
        head = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [head]}, None
        for part in pieces(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}, None


def _chunk(
    heard: Heard,
    index: int,
    delta: Json,
    *,
    finish: str | None = None,
    logprobs: Json | None = None,
    counted: bool = False,
    usage: Json | None = None,
) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    frame = _frame(heard, "chat.completion.chunk", [choice])
    if counted or usage is not None:
        frame["usage"] = usage
    return sse(frame)


def completion(heard: Heard, behaviour: Behaviour, text: str) -> Answer:
    """A plain completion: one choice for each prompt of a list, and each `n`."""
    said = said_to(heard, behaviour, text)
    prompt = heard.data.get("prompt")
    prompts = len(prompt) if isinstance(prompt, list) and prompt and isinstance(prompt[0], str | list) else 1
    count = prompts * _n(heard)
    if heard.stream:
        return Answer(events=tuple(_completion_events(heard, behaviour, said, count)))
    choices = [_text_choice(index, said.text, _finish(said)) for index in range(count)]
    body = _frame(heard, "text_completion", choices)
    if behaviour.usage != "none":
        body["usage"] = _usage(heard, behaviour, said)
    return Answer(body=json.dumps(body, ensure_ascii=False).encode())


def _text_choice(index: int, text: str, finish: str | None) -> Json:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}


def _completion_events(heard: Heard, behaviour: Behaviour, said: Said, count: int) -> Iterator[bytes]:
    counted = _counts(heard, behaviour)
    for index in range(count):
        for number, part in enumerate(said.parts, start=1):
            last = number == len(said.parts)
            frame = _frame(heard, "text_completion", [_text_choice(index, part, _finish(said) if last else None)])
            if counted or (behaviour.usage == "last_chunk" and last):
                frame["usage"] = _usage(heard, behaviour, said) if behaviour.usage == "last_chunk" else None
            yield sse(frame)
    if counted:
        yield sse({**_frame(heard, "text_completion", []), "usage": _usage(heard, behaviour, said)})
    if behaviour.done:
        yield DONE


def embeddings(heard: Heard, behaviour: Behaviour) -> Answer:
    """Eight numbers (or `dimensions`) for each input, from a hash of it; `base64` as little-endian floats."""
    asked = heard.data.get("input")
    inputs = asked if isinstance(asked, list) and asked and not isinstance(asked[0], int) else [asked]
    size = heard.data.get("dimensions")
    vectors = [_vector(item, size if isinstance(size, int) else 8) for item in inputs]
    packed = heard.data.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
        for index, vector in enumerate(vectors)
    ]
    body: Json = {"object": "list", "data": data, "model": str(heard.data.get("model", "tap"))}
    if behaviour.usage != "none":
        body["usage"] = {"prompt_tokens": behaviour.tokens.input, "total_tokens": behaviour.tokens.input}
    return Answer(body=json.dumps(body).encode())


def rerank(heard: Heard, behaviour: Behaviour) -> Answer:
    """A score for each text by the words it shares with the query, the best first, as vLLM answers; texts alone."""
    query, documents = heard.data.get("query"), heard.data.get("documents")
    if not isinstance(query, str) or not isinstance(documents, list) or not all(isinstance(d, str) for d in documents):
        return Answer(body=error(400, "`query` is a text and `documents` is a list of texts"), status=400)
    asked = {*query.lower().split()}
    scores = [len(asked & {*text.lower().split()}) / max(len(asked), 1) for text in documents]
    results = [
        {"index": at, "document": {"text": documents[at]}, "relevance_score": scores[at]}
        for at in sorted(range(len(documents)), key=lambda at: -scores[at])
    ]
    body: Json = {"id": "rerank-tap", "model": str(heard.data.get("model", "tap")), "results": results}
    if behaviour.usage != "none":
        body["usage"] = {"prompt_tokens": behaviour.tokens.input, "total_tokens": behaviour.tokens.input}
    return Answer(body=json.dumps(body).encode())


def _vector(item: Any, size: int) -> list[float]:
    digest = hashlib.sha256(json.dumps(item).encode()).digest()
    return [digest[index % 32] / 256 for index in range(size)]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def models(heard: Heard, names: tuple[str, ...]) -> Answer:
    """The model list, in the format of the API that asks."""
    if heard.anthropic:
        data = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2024-01-01T00:00:00Z"} for name in names
        ]
        ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        return Answer(body=json.dumps({"data": data, "has_more": False, **ends}).encode())
    listed = [{"id": name, "object": "model", "created": CREATED, "owned_by": "tap"} for name in names]
    return Answer(body=json.dumps({"object": "list", "data": listed}).encode())


def error(status: int, message: str) -> bytes:
    """OpenAI's error envelope."""
    kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_exceeded"}
    fields: Json = {
        "message": message,
        "type": kinds.get(status, "server_error"),
        "param": message[:200],
        "code": str(status),
    }
    return json.dumps({"error": fields}, ensure_ascii=False).encode()
