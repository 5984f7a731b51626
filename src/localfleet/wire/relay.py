"""
A stream on its way through: which bytes of the upstream the client sees, what was counted, how it ended.

Sans-IO. A `Relay` cuts the bytes into events and asks a `Reader`, one per dialect, about each of them. Native streams
pass byte for byte. What an upstream says about its own errors is never passed on: the client gets our typed error.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from localfleet.core.usage import Usage
from localfleet.wire.event import event_bytes
from localfleet.wire.sse import Event, SseGarbled, SseSplitter
from localfleet.wire.upstream_error import UpstreamSaid, code_of
from localfleet.wire.usage import messages_usage, openai_usage
from localfleet.wire.whole import text_size, texts_of_turn

__all__ = [
    "BROKE_OFF",
    "ChatReader",
    "GeminiReader",
    "MessagesReader",
    "Reader",
    "Relay",
    "ResponsesReader",
    "Translated",
    "Translator",
]

BROKE_OFF = "The model's answer broke off. What came so far may be incomplete; send the request again."
CODE = "died_midstream"


class Reader(Protocol):
    """Reads the events of one stream in one dialect."""

    @property
    def usage(self) -> Usage | None:
        """What the upstream counted; the last count wins."""
        ...

    @property
    def text_bytes(self) -> int:
        """UTF-8 bytes of generated text so far."""
        ...

    @property
    def ended(self) -> bool:
        """The last event was read: nothing after it matters."""
        ...

    @property
    def complete(self) -> bool:
        """The answer is whole, even if its last event never comes."""
        ...

    def read(self, event: Event) -> bytes:
        """Return what the client sees of an event; raise `SseGarbled` or `UpstreamSaid`."""
        ...

    def close(self) -> bytes:
        """Return what is left to say after a clean end."""
        ...

    def death(self) -> bytes:
        """Return the typed error event that ends a broken stream."""
        ...


class Translator(Protocol):
    """Turns chat chunks into another API's events; see `messages.StreamFromChat`, `responses.StreamFromChat`."""

    def feed(self, chunk: Mapping[str, Any]) -> bytes:
        """Read one chunk."""
        ...

    def finish(self) -> bytes:
        """End well."""
        ...

    def error(self, code: str, message: str) -> bytes:
        """End badly."""
        ...


class Relay:
    """One stream. `feed` bytes until `over`, or `finish` when they end, or `die` when they break."""

    __slots__ = ("_reader", "_splitter", "begun", "died", "over", "said")

    def __init__(self, reader: Reader) -> None:
        """Nothing has come yet."""
        self._reader = reader
        self._splitter = SseSplitter()
        self.begun = False
        """A real event has come."""
        self.over = False
        self.died = False
        self.said: UpstreamSaid | None = None
        """The upstream's own error, if that is what ended it."""

    @property
    def usage(self) -> Usage | None:
        """What the upstream counted; the last count wins."""
        return self._reader.usage

    @property
    def text_bytes(self) -> int:
        """UTF-8 bytes of generated text so far."""
        return self._reader.text_bytes

    def feed(self, data: bytes) -> bytes:
        """Return the bytes for the client, perhaps none."""
        try:
            events = self._splitter.feed(data)
        except SseGarbled:
            return self.die()
        return self._pass(events)

    def finish(self) -> bytes:
        """The upstream closed: well if the answer is whole, else it died."""
        last = self._pass(self._splitter.finish()) if not self.over else b""
        if self.over:
            return last
        if not self._reader.complete:
            return last + self.die()
        self.over = True
        return last + self._reader.close()

    def die(self) -> bytes:
        """End with a typed error event in the client's API."""
        self.over = self.died = True
        return self._reader.death()

    def _pass(self, events: list[Event]) -> bytes:
        shown: list[bytes] = []
        read = self._reader.read
        for event in events:
            try:
                shown.append(read(event))
            except SseGarbled:
                shown.append(self.die())
            except UpstreamSaid as said:
                self.said = said
                shown.append(self.die())
            if self.over:
                break
            self.begun = self.begun or bool(event.data)
            if self._reader.ended:
                self.over = True
                shown.append(self._reader.close())
                break
        return shown[0] if len(shown) == 1 else b"".join(shown)


class ChatReader:
    """Chat completions and completions, passed as they are; `chunk` is the event read last."""

    __slots__ = ("_finished", "_hide_usage", "_seen", "chunk", "ended", "text_bytes", "usage")

    def __init__(self, *, hide_usage: bool) -> None:
        """`hide_usage`: the usage chunk was asked for by us, so the client must not see it."""
        self._hide_usage = hide_usage
        self._seen: set[object] = set()
        self._finished: set[object] = set()
        self.chunk: dict[str, Any] | None = None
        self.usage: Usage | None = None
        self.text_bytes = 0
        self.ended = False

    @property
    def complete(self) -> bool:
        """Every choice that began has said why it ended."""
        return bool(self._finished) and self._seen == self._finished

    def read(self, event: Event) -> bytes:
        """Count, and pass."""
        self.chunk = None
        if not event.data:
            return event.raw
        if event.data == b"[DONE]":
            self.ended = True
            return event.raw
        chunk = self.chunk = _object(event)
        choices = chunk.get("choices")
        usage = chunk.get("usage")
        if usage is not None:
            self.usage = openai_usage(usage)
            if not choices and self._hide_usage:
                return b""
        try:
            self._count(choices or ())
        except (AttributeError, TypeError):  # an odd chunk: the client may know better
            return event.raw
        return event.raw

    def _count(self, choices: Any) -> None:
        for choice in choices:
            index = choice.get("index", 0)
            self._seen.add(index)
            if choice.get("finish_reason") is not None:
                self._finished.add(index)
            delta = choice.get("delta")
            said = choice.get("text") if delta is None else delta.get("content")
            if said:
                self.text_bytes += text_size(said)
            if delta and len(delta) > ("content" in delta) + ("role" in delta):
                self.text_bytes += sum(map(text_size, texts_of_turn({**delta, "content": None})))

    def close(self) -> bytes:
        """Add nothing."""
        return b""

    def death(self) -> bytes:
        """OpenAI's error envelope as an event; no `[DONE]` follows."""
        error = {"message": BROKE_OFF, "type": "upstream_error", "code": CODE, "param": None, "src": "localfleet"}
        return b"data: %b\n\n" % orjson.dumps({"error": error})


class Translated:
    """A chat stream shown in another API."""

    __slots__ = ("_chat", "_translator")

    def __init__(self, translator: Translator) -> None:
        """Read as chat, show through `translator`."""
        self._chat = ChatReader(hide_usage=False)
        self._translator = translator

    @property
    def usage(self) -> Usage | None:
        """As the chat stream counted."""
        return self._chat.usage

    @property
    def text_bytes(self) -> int:
        """As the chat stream counted."""
        return self._chat.text_bytes

    @property
    def ended(self) -> bool:
        """After `[DONE]`."""
        return self._chat.ended

    @property
    def complete(self) -> bool:
        """After the finish reason."""
        return self._chat.complete

    def read(self, event: Event) -> bytes:
        """Translate one chunk; comments are not passed."""
        self._chat.read(event)
        chunk = self._chat.chunk
        return b"" if chunk is None else self._translator.feed(chunk)

    def close(self) -> bytes:
        """Say how it ended, unless there was nothing."""
        return self._translator.finish()

    def death(self) -> bytes:
        """As the other API writes errors."""
        return self._translator.error(CODE, BROKE_OFF)


class _Passed:
    """What is known of a stream that is passed as it is, whose end adds nothing."""

    __slots__ = ("complete", "ended", "text_bytes", "usage")

    def __init__(self) -> None:
        """Nothing has come yet."""
        self.usage: Usage | None = None
        self.text_bytes = 0
        self.ended = False
        self.complete = False

    def close(self) -> bytes:
        """Add nothing."""
        return b""


class MessagesReader(_Passed):
    """Anthropic Messages, passed as they are."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        """Nothing has come yet."""
        super().__init__()
        self._counts: dict[str, Any] = {}

    def read(self, event: Event) -> bytes:
        """Count, and pass."""
        if event.data:
            data = _object(event)
            kind = data.get("type")
            if kind == "content_block_delta" and isinstance(data.get("delta"), dict):
                delta = data["delta"]
                self.text_bytes += sum(text_size(delta.get(name)) for name in ("text", "thinking", "partial_json"))
            elif kind == "message_start" and isinstance(data.get("message"), dict):
                self._merge(data["message"].get("usage"))
            elif kind == "message_delta":
                self._merge(data.get("usage"))
                self.complete = True
            elif kind == "message_stop":
                self.ended = True
        return event.raw

    def _merge(self, counts: object) -> None:
        """Later counts are cumulative: they replace the earlier ones."""
        if isinstance(counts, dict):
            self._counts.update({name: count for name, count in counts.items() if count is not None})
            self.usage = messages_usage(self._counts)

    def death(self) -> bytes:
        """Anthropic's `error` event."""
        error = {"type": "api_error", "message": BROKE_OFF, "code": CODE, "src": "localfleet"}
        return event_bytes("error", {"type": "error", "error": error})


class GeminiReader(_Passed):
    """Gemini's `streamGenerateContent`, as litellm reads it: watched for breaks, never shown."""

    __slots__ = ()

    def read(self, event: Event) -> bytes:
        """Look for the end: a finish reason, or a prompt that was blocked."""
        if event.data:
            data = _object(event)
            said = data.get("candidates")
            finished = isinstance(said, list) and any(isinstance(one, dict) and one.get("finishReason") for one in said)
            self.complete = self.complete or finished or bool(data.get("promptFeedback"))
        return event.raw

    def death(self) -> bytes:
        """Add nothing: the reader of what litellm makes of it speaks to the client."""
        return b""


class ResponsesReader(_Passed):
    """OpenAI Responses, passed as they are."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        """Nothing has come yet."""
        super().__init__()
        self._next = 0

    def read(self, event: Event) -> bytes:
        """Count, and pass; a failed response is an error of the upstream."""
        if not event.data or event.data == b"[DONE]":
            return event.raw
        data = _object(event)
        number = data.get("sequence_number")
        self._next = number + 1 if isinstance(number, int) else self._next
        kind = data.get("type")
        if kind == "response.failed":
            raise UpstreamSaid(code_of(data))
        if kind in {"response.completed", "response.incomplete"}:
            self.ended = True
            response = data.get("response")
            self.usage = openai_usage(response.get("usage")) if isinstance(response, dict) else None
        else:
            self.text_bytes += text_size(data.get("delta"))
        return event.raw

    def death(self) -> bytes:
        """The `error` event of the Responses API."""
        error = {"type": "error", "code": CODE, "message": BROKE_OFF, "param": None, "sequence_number": self._next}
        return event_bytes("error", {**error, "src": "localfleet"})


def _object(event: Event) -> dict[str, Any]:
    try:
        data = orjson.loads(event.data)
    except orjson.JSONDecodeError:
        raise SseGarbled from None
    if not isinstance(data, dict):
        raise SseGarbled
    if event.event == "error" or data.get("error") or data.get("type") == "error":
        raise UpstreamSaid(code_of(data))
    return data
