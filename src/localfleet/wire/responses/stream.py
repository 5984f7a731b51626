"""A chat stream as OpenAI's stream of Response events, numbered from 0."""

from collections.abc import Mapping
from typing import Any

from localfleet.wire.chat_blocks import Block, Kind, Step, What
from localfleet.wire.chat_stream import ShownStream
from localfleet.wire.event import event_bytes
from localfleet.wire.responses.reply import ending, item, item_id, item_status, part, response

__all__ = ["StreamFromChat"]

_EVENTS = {
    Kind.THINKING: ("response.reasoning_text", "text"),
    Kind.TEXT: ("response.output_text", "text"),
    Kind.REFUSAL: ("response.refusal", "refusal"),
    Kind.CALL: ("response.function_call_arguments", "arguments"),
}

_Object = dict[str, Any]


class StreamFromChat(ShownStream):
    """As Responses: numbered events of items and their parts, then the whole Response."""

    def __init__(self, model: str, request_id: str) -> None:
        """`model` is the name shown to the client."""
        super().__init__(model, request_id)
        self._sent = 0
        self._fresh: list[_Object] = []
        """Log probabilities of this chunk that no text has carried yet."""
        self._logprobs: dict[int, list[_Object]] = {}
        self._done: list[_Object] = []

    def _fed(self, chunk: Mapping[str, Any]) -> bytes:
        steps = self._answer.take(chunk)
        self._fresh = self._answer.logprobs
        return self._start() + b"".join(self._shown(step) for step in steps)

    def _finished(self) -> bytes:
        self._fresh = []
        start = self._start()
        last = b"".join(self._shown(step) for step in self._answer.end())
        whole = self._response() | ending(self._answer) | {"output": self._done}
        return start + last + self._event(f"response.{whole['status']}", response=whole)

    def _broken(self, code: str, message: str) -> bytes:
        return self._event("error", code=code, message=message, param=None, src="localfleet")

    def _start(self) -> bytes:
        if self._sent:
            return b""
        under_way = self._response()
        created = self._event("response.created", response=under_way)
        return created + self._event("response.in_progress", response=under_way)

    def _response(self) -> _Object:
        return response(self._answer, model=self._model, request_id=self._request_id)

    def _shown(self, step: Step) -> bytes:
        match step.what:
            case What.OPEN:
                return self._opened(step.block)
            case What.DELTA:
                return self._delta(step.block, step.text)
            case What.CLOSE:
                return self._closed(step.block)

    def _opened(self, block: Block) -> bytes:
        empty = item(block, self._request_id, status="in_progress")
        added = self._event("response.output_item.added", output_index=block.number, item=empty)
        if block.kind is Kind.CALL:
            return added
        return added + self._about("response.content_part.added", block, part=part(block.kind, "", []))

    def _delta(self, block: Block, text: str) -> bytes:
        more: _Object = {"delta": text}
        if block.kind is Kind.TEXT:
            more["logprobs"], self._fresh = self._fresh, []
            self._logprobs.setdefault(block.number, []).extend(more["logprobs"])
        return self._about(f"{_EVENTS[block.kind][0]}.delta", block, **more)

    def _closed(self, block: Block) -> bytes:
        name, field = _EVENTS[block.kind]
        logprobs = self._logprobs.get(block.number, [])
        more: _Object = {field: block.text}
        if block.kind is Kind.TEXT:
            more["logprobs"] = logprobs
        if block.kind is Kind.CALL:
            more["name"] = block.name
        events = self._about(f"{name}.done", block, **more)
        if block.kind is not Kind.CALL:
            whole = part(block.kind, block.text, logprobs)
            events += self._about("response.content_part.done", block, part=whole)
        status = item_status(self._answer, last=block is self._answer.blocks.shown[-1])
        done = item(block, self._request_id, status=status, logprobs=logprobs)
        self._done.append(done)
        return events + self._event("response.output_item.done", output_index=block.number, item=done)

    def _about(self, name: str, block: Block, /, **more: Any) -> bytes:
        """Frame an event about an item, or about its only part."""
        where: _Object = {"item_id": item_id(block, self._request_id), "output_index": block.number}
        if block.kind is not Kind.CALL:
            where["content_index"] = 0
        return self._event(name, **where, **more)

    def _event(self, name: str, /, **data: Any) -> bytes:
        number, self._sent = self._sent, self._sent + 1
        return event_bytes(name, {"type": name, "sequence_number": number, **data})
