"""A chat stream as Anthropic's stream of Message events: one content block after the other, usage at the end."""

from collections.abc import Mapping
from typing import Any

from localfleet.wire.chat_answer import Answer
from localfleet.wire.chat_blocks import Kind, Step, What
from localfleet.wire.event import event_bytes
from localfleet.wire.messages.reply import block_start, message_start, stop, usage

__all__ = ["StreamFromChat"]

_DELTAS = {
    Kind.THINKING: ("thinking_delta", "thinking"),
    Kind.TEXT: ("text_delta", "text"),
    Kind.REFUSAL: ("text_delta", "text"),
    Kind.CALL: ("input_json_delta", "partial_json"),
}


class StreamFromChat:
    """
    One stream: `feed` each parsed chunk, then `finish`, or `error` where the engine died.

    Each returns the bytes of whole events, perhaps none; after `finish` or `error` there are no more.
    """

    def __init__(self, model: str, request_id: str) -> None:
        """`model` is the name shown to the client."""
        self._model = model
        self._request_id = request_id
        self._answer = Answer()
        self._started = False
        self._ended = False

    def feed(self, chunk: Mapping[str, Any]) -> bytes:
        """Read one `chat.completion.chunk`; an odd one is read as far as it can be."""
        if self._ended:
            return b""
        steps = self._answer.take(chunk)
        return self._start() + b"".join(self._shown(step) for step in steps)

    def finish(self) -> bytes:
        """Close the last block and say why it ended and what it used."""
        if self._ended:
            return b""
        self._ended = True
        last = b"".join(self._shown(step) for step in self._answer.end())
        delta = {"delta": stop(self._answer), "usage": usage(self._answer.counts)}
        return self._start() + last + _event("message_delta", delta) + _event("message_stop", {})

    def error(self, code: str, message: str) -> bytes:
        """Return the last event of a stream that broke; `message` is a fixed sentence."""
        if self._ended:
            return b""
        self._ended = True
        error = {"type": "api_error", "message": message, "code": code, "src": "localfleet"}
        return _event("error", {"error": error})

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        message = message_start(model=self._model, request_id=self._request_id, counts=self._answer.counts)
        return _event("message_start", {"message": message})

    def _shown(self, step: Step) -> bytes:
        block = step.block
        match step.what:
            case What.OPEN:
                start = {"index": block.number, "content_block": block_start(block, self._request_id)}
                return _event("content_block_start", start)
            case What.DELTA:
                kind, name = _DELTAS[block.kind]
                delta = {"type": kind, name: step.text}
                return _event("content_block_delta", {"index": block.number, "delta": delta})
            case What.CLOSE:
                return _event("content_block_stop", {"index": block.number})


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    return event_bytes(name, {"type": name, **data})
