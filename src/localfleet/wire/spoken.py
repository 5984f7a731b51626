"""
An answer in any of the APIs, whole or as the bytes of its stream, as judges read it.

Read with patience: what has an odd type is read as absent. An answer that cannot be read at all is an empty one, which
no judge is content with.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from localfleet.core.ask import Api, Need
from localfleet.core.judges.spoken import Spoken, Token, ToolCall
from localfleet.wire.read import Letter
from localfleet.wire.sse import SseGarbled, SseSplitter

__all__ = ["question_of", "read_spoken", "without_logprobs"]

Object = Mapping[str, Any]


def read_spoken(letter: Letter, data: bytes, *, whole: bool = True) -> Spoken:
    """The answer to a letter; `data` are the bytes its client would get. `whole` is false for a first part."""
    api, body = letter.ask.api, letter.body
    pieces = _Pieces()
    for part in _objects(data, stream=letter.ask.stream):
        pieces.take(api, part)
    return Spoken(
        text="".join(pieces.texts),
        calls=tuple(ToolCall(name=name, arguments="".join(parts)) for name, parts in pieces.calls.values()),
        tokens=tuple(pieces.tokens),
        refused=pieces.refused,
        cut_off=pieces.cut_off,
        whole=whole,
        asked_json=Need.JSON in letter.ask.needs,
        schema=_schema(body),
        offered=frozenset(_offered(body)),
    )


def question_of(letter: Letter) -> str:
    """What a judge needs of the request: all that was said in it, each turn after its role."""
    said = [span.text for span in letter.ask.spans if span.where.startswith(SAID)]
    return "\n\n".join(said)


SAID = ("messages", "system", "prompt", "instructions", "input")


def without_logprobs(data: bytes, *, stream: bool) -> bytes:
    """The same chat answer without the log probabilities that its client did not ask for."""
    if not stream:
        return orjson.dumps(_bare(orjson.loads(data)))
    shown = []
    for event in _events(data):
        loaded = _loaded(event.data)
        shown.append(event.raw if loaded is None else b"data: %b\n\n" % orjson.dumps(_bare(loaded)))
    return b"".join(shown)


def _bare(reply: Object) -> Object:
    choices = reply.get("choices")
    if not isinstance(choices, list):
        return reply
    bare = [{k: v for k, v in one.items() if k != "logprobs"} if isinstance(one, dict) else one for one in choices]
    return {**reply, "choices": bare}


class _Pieces:
    """What is known of one answer so far."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: dict[Any, tuple[str, list[str]]] = {}
        self.tokens: list[Token] = []
        self.refused = False
        self.cut_off = False

    def take(self, api: Api, part: Object) -> None:
        """Read one object of the answer."""
        if api in {Api.CHAT, Api.COMPLETION}:
            self._chat(part)
        elif api is Api.MESSAGES:
            self._messages(part)
        elif api is Api.RESPONSES:
            self._responses(part)

    def _chat(self, part: Object) -> None:
        for choice in _dicts(part.get("choices")):
            if choice.get("index") not in {0, None}:
                continue
            finish = choice.get("finish_reason")
            self.cut_off = self.cut_off or finish == "length"
            self.refused = self.refused or finish == "content_filter"
            self._say(choice.get("text"))
            self.tokens += _tokens(choice.get("logprobs"))
            for message in (choice.get("message"), choice.get("delta")):
                if isinstance(message, dict):
                    self._message(message)

    def _message(self, message: Object) -> None:
        self._say(message.get("content"))
        self.refused = self.refused or bool(message.get("refusal"))
        for n, call in enumerate(_dicts(message.get("tool_calls"))):
            function = call.get("function")
            if isinstance(function, dict):
                self._call(call.get("index", n), function.get("name"), function.get("arguments"))

    def _messages(self, part: Object) -> None:
        stopped = part.get("stop_reason") or _inner(part, "delta").get("stop_reason")
        self.cut_off = self.cut_off or stopped == "max_tokens"
        self.refused = self.refused or stopped == "refusal"
        for n, block in enumerate(_dicts(part.get("content"))):
            self._block(n, block)
        if part.get("type") == "content_block_start":
            self._block(part.get("index"), _inner(part, "content_block"))
        elif part.get("type") == "content_block_delta":
            delta = _inner(part, "delta")
            self._say(delta.get("text"))
            if isinstance(delta.get("partial_json"), str):
                self._call(part.get("index"), None, delta["partial_json"])

    def _block(self, n: object, block: Object) -> None:
        if block.get("type") == "text":
            self._say(block.get("text"))
        elif block.get("type") == "tool_use":
            given = block.get("input")
            self._call(n, block.get("name"), orjson.dumps(given).decode() if given else None)

    def _responses(self, part: Object) -> None:
        kind = part.get("type")
        if kind in {"response.completed", "response.incomplete"}:
            # The whole of it, after what came in pieces.
            self.texts, self.calls, self.refused = [], {}, False
            part = _inner(part, "response")
        elif kind == "response.output_text.delta":
            self._say(part.get("delta"))
            return
        elif kind == "response.refusal.delta":
            self.refused = True
        self.cut_off = self.cut_off or part.get("status") == "incomplete"
        for n, item in enumerate(_dicts(part.get("output"))):
            if item.get("type") == "function_call":
                self._call(n, item.get("name"), item.get("arguments"))
            for block in _dicts(item.get("content")):
                self._say(block.get("text"))
                self.refused = self.refused or block.get("type") == "refusal"

    def _say(self, text: object) -> None:
        if isinstance(text, str):
            self.texts.append(text)

    def _call(self, index: object, name: object, arguments: object) -> None:
        place = index if isinstance(index, int) else 0
        known, parts = self.calls.setdefault(place, ("", []))
        if isinstance(name, str) and not known:
            self.calls[place] = (name, parts)
        if isinstance(arguments, str):
            parts.append(arguments)


def _objects(data: bytes, *, stream: bool) -> Iterator[Object]:
    if not stream:
        loaded = _loaded(data)
        if loaded is not None:
            yield loaded
        return
    for event in _events(data):
        loaded = _loaded(event.data)
        if loaded is not None:
            yield loaded


def _events(data: bytes) -> list[Any]:
    splitter = SseSplitter()
    try:
        return [*splitter.feed(data), *splitter.finish()]
    except SseGarbled:
        return []


def _loaded(data: bytes) -> dict[str, Any] | None:
    try:
        loaded = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return loaded if isinstance(loaded, dict) else None


def _tokens(logprobs: object) -> Iterator[Token]:
    """OpenAI's two forms: `content` of chat, `token_logprobs` of completions."""
    if not isinstance(logprobs, dict):
        return
    for one in _dicts(logprobs.get("content")):
        if _real(one.get("logprob")):
            top = [other["logprob"] for other in _dicts(one.get("top_logprobs")) if _real(other.get("logprob"))]
            yield Token(logprob=float(one["logprob"]), top=tuple(map(float, top)))
    plain = logprobs.get("token_logprobs")
    tops = logprobs.get("top_logprobs")
    for n, logprob in enumerate(plain if isinstance(plain, list) else ()):
        if _real(logprob):
            told = tops[n] if isinstance(tops, list) and n < len(tops) and isinstance(tops[n], dict) else {}
            yield Token(logprob=float(logprob), top=tuple(float(one) for one in told.values() if _real(one)))


def _real(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool)


def _schema(body: Object) -> Object | None:
    """The schema that the request itself names, in any API's place for it."""
    chat = _inner(body, "response_format")
    places = (_inner(chat, "json_schema"), _inner(_inner(body, "text"), "format"), _inner(body, "output_format"))
    found = next((place["schema"] for place in places if isinstance(place.get("schema"), dict)), None)
    return found if found is not None else _inner(_inner(body, "output_config"), "format").get("schema")


def _offered(body: Object) -> Iterator[str]:
    for tool in _dicts(body.get("tools")):
        for holder in (tool, _inner(tool, "function")):
            if isinstance(holder.get("name"), str):
                yield holder["name"]


def _inner(holder: Object, key: str) -> Object:
    found = holder.get(key)
    return found if isinstance(found, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
