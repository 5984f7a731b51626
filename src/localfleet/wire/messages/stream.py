"""A chat stream as Anthropic's stream of Message events: one content block after the other, usage at the end."""

from collections.abc import Mapping
from typing import Any

from localfleet.wire.chat_blocks import Kind, Step, What
from localfleet.wire.chat_stream import ShownStream
from localfleet.wire.event import event_bytes
from localfleet.wire.messages.reply import block_start, message_start, stop, usage

__all__ = ["StreamFromChat"]

_DELTAS = {
    Kind.THINKING: ("thinking_delta", "thinking"),
    Kind.TEXT: ("text_delta", "text"),
    Kind.REFUSAL: ("text_delta", "text"),
    Kind.CALL: ("input_json_delta", "partial_json"),
}


class StreamFromChat(ShownStream):
    """As Messages: one content block after the other, then why it ended and what it used."""

    def __init__(self, model: str, request_id: str) -> None:
        """`model` is the name shown to the client."""
        super().__init__(model, request_id)
        self._started = False

    def _fed(self, chunk: Mapping[str, Any]) -> bytes:
        steps = self._answer.take(chunk)
        return self._start() + b"".join(self._shown(step) for step in steps)

    def _finished(self) -> bytes:
        last = b"".join(self._shown(step) for step in self._answer.end())
        delta = {"delta": stop(self._answer), "usage": usage(self._answer.counts)}
        return self._start() + last + _event("message_delta", delta) + _event("message_stop", {})

    def _broken(self, code: str, message: str) -> bytes:
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
