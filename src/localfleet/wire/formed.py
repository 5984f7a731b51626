"""A model's own words around the system prompt of a body, in each API; and a chat server's answers made alike."""

from collections.abc import Mapping
from typing import Any

import orjson

from localfleet.core.ask import WORDLESS, Api
from localfleet.core.cleaning import Cleaner
from localfleet.core.form import AnswerForm, Form
from localfleet.wire.restored_events import ChatEvents
from localfleet.wire.sse import Event, SseSplitter

__all__ = ["CleanEvents", "clean_whole", "formed"]

TEXTS = {"content", "text"}


def formed(api: Api, body: Mapping[str, Any], form: Form | None) -> Mapping[str, Any]:
    """The body with the model's own words around its system prompt; a new one, unless nothing is added."""
    if form is None or not form.texts or api in WORDLESS:
        return body
    if api is Api.CHAT:
        return {**body, "messages": _chat(body.get("messages"), form)}
    if api is Api.MESSAGES:
        return {**body, "system": _blocks(body.get("system"), form)}
    if api is Api.RESPONSES:
        said = body.get("instructions")
        return {**body, "instructions": form.around(said if isinstance(said, str) else "")}
    prompt = body.get("prompt")
    return {**body, "prompt": form.around(prompt)} if isinstance(prompt, str) else body


def _chat(messages: Any, form: Form) -> Any:
    if not isinstance(messages, list):
        return messages
    first = messages[0] if messages and isinstance(messages[0], dict) else {}
    if first.get("role") in {"system", "developer"}:
        return [{**first, "content": _blocks(first.get("content"), form)}, *messages[1:]]
    return [{"role": "system", "content": form.around("")}, *messages]


def _blocks(said: Any, form: Form) -> Any:
    """Around a text, or around a list of blocks."""
    if not isinstance(said, list):
        return form.around(said if isinstance(said, str) else "")
    before, after = ([{"type": "text", "text": text}] if text else [] for text in (form.before, form.after))
    return [*before, *said, *after]


def clean_whole(body: bytes, form: AnswerForm, *, json: bool) -> bytes:
    """A `chat.completion` or `text_completion`; what is no such answer is left for others to refuse."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    choices = data.get("choices") if isinstance(data, dict) else None
    for choice in _objects(choices):
        holder = choice["message"] if isinstance(choice.get("message"), dict) else choice
        for key in TEXTS & holder.keys():
            if isinstance(holder[key], str):
                cleaner = Cleaner(form, json=json)
                fed, rest = cleaner.feed(holder[key]), cleaner.end()
                holder[key] = fed.text + rest.text
                _think(holder, fed.thought + rest.thought)
        _rename(choice, form)
    return orjson.dumps(data) if choices else body


class CleanEvents:
    """The stream of a chat server, event by event: feed bytes, get bytes."""

    def __init__(self, form: AnswerForm, *, json: bool) -> None:
        """Nothing has come yet."""
        self._form, self._json = form, json
        self._splitter, self._events = SseSplitter(), ChatEvents()
        self._cleaners: dict[tuple[str, str], Cleaner] = {}

    def feed(self, data: bytes) -> bytes:
        """The events that are complete now; raises `SseGarbled`."""
        return b"".join(map(self._event, self._splitter.feed(data)))

    def finish(self) -> bytes:
        """What is left at the end."""
        return b"".join(map(self._event, self._splitter.finish()))

    def _event(self, event: Event) -> bytes:
        try:
            data = orjson.loads(event.data) if event.data else None
        except orjson.JSONDecodeError:
            return event.raw
        if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
            return event.raw
        for channel, holder, key in list(self._events.slots(data)):
            if channel.name in TEXTS:
                at = (channel.group, channel.name)
                cleaner = self._cleaners.setdefault(at, Cleaner(self._form, json=self._json))
                holder[key], thought = cleaner.feed(holder[key])
                _think(holder, thought)
        for choice in _objects(data["choices"]):
            if choice.get("finish_reason") is not None:
                self._rest(choice)
                _rename(choice, self._form)
        return self._events.written(event.event, data)

    def _rest(self, choice: dict[str, Any]) -> None:
        """What was held back goes out with the finish reason."""
        for at in [at for at in self._cleaners if at[0] == str(choice.get("index", 0))]:
            text, thought = self._cleaners.pop(at).end()
            if at[1] == "text":
                choice["text"] = str(choice.get("text") or "") + text
            elif text or thought:
                delta = choice["delta"] = choice.get("delta") or {}
                delta["content"] = str(delta.get("content") or "") + text
                _think(delta, thought)


def _think(holder: dict[str, Any], thought: str) -> None:
    if thought and "text" not in holder:
        holder["reasoning_content"] = str(holder.get("reasoning_content") or "") + thought


def _rename(choice: dict[str, Any], form: AnswerForm) -> None:
    said = choice.get("finish_reason")
    if isinstance(said, str) and said in form.finish:
        choice["finish_reason"] = form.finish[said]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
