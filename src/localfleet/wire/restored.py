"""
Answers of hosted models with the caller's own values put back for pseudonyms: whole, or as a stream cut anywhere.

Sans-IO. Each text of a stream is a channel of its own, which holds back what may still become a pseudonym; when the
text ends, or another begins, what was held goes out as one more event of the same form. Arguments of tool calls are
JSON in a string, so values go in escaped.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from localfleet.core.ask import Api
from localfleet.core.redaction.restore import Restorer, pattern_of
from localfleet.wire.restored_events import DIALECTS, Channel, Dialect
from localfleet.wire.sse import Event, SseSplitter

__all__ = ["PutBack", "RestoredStream"]

JSON_FIELDS = frozenset({"arguments", "partial_json"})


class PutBack:
    """What stands for what in one request."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        """`pairs`: pseudonym -> value."""
        self.plain = _restorers(pairs)
        # As a model writes it in JSON: letters beyond ASCII as they are, or escaped.
        spelled = {spell(made): _escaped(value) for made, value in pairs.items() for spell in (_escaped, _ascii)}
        self.json = _restorers(spelled)

    def whole(self, body: bytes) -> bytes:
        """One JSON answer; raises `ValueError` for bytes that are none."""
        return orjson.dumps(self.value("", orjson.loads(body)))

    def value(self, key: str, value: Any) -> Any:
        """Any JSON value, its keys too."""
        if isinstance(value, str):
            restorer = self.json() if key in JSON_FIELDS else self.plain()
            return restorer.feed(value) + restorer.finish()
        if isinstance(value, dict):
            return {self.value("", inner): self.value(inner, one) for inner, one in value.items()}
        return [self.value(key, one) for one in value] if isinstance(value, list) else value


def _restorers(pairs: Mapping[str, str]) -> Callable[[], Restorer]:
    pattern = pattern_of(pairs)
    prefixes = frozenset(one[:end] for one in pairs for end in range(1, len(one) + 1))
    return lambda: Restorer(pairs, pattern, prefixes)


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _ascii(text: str) -> str:
    return json.dumps(text)[1:-1]


class RestoredStream:
    """One stream of events in the caller's API. Feed bytes, get bytes; `finish` at its end."""

    def __init__(self, back: PutBack, api: Api) -> None:
        """Nothing has come yet."""
        self.back = back
        self.channels: dict[Channel, Restorer] = {}
        self.splitter = SseSplitter()
        self.dialect: Dialect = DIALECTS[api]()

    def feed(self, data: bytes) -> bytes:
        """The bytes for the client, perhaps none; raises as `SseSplitter`."""
        return b"".join(shown for event in self.splitter.feed(data) for shown in self._read(event))

    def finish(self) -> bytes:
        """The rest."""
        last = [shown for event in self.splitter.finish() for shown in self._read(event)]
        return b"".join((*last, *self._flushed(lambda _: True)))

    def _read(self, event: Event) -> Iterator[bytes]:
        data = _object(event)
        if data is None:
            if event.data:  # `[DONE]`, or what nobody knows: all texts have ended
                yield from self._flushed(lambda _: True)
            yield event.raw
            return
        slots = list(self.dialect.slots(data))
        coming = {channel for channel, holder, key in slots if holder[key]}
        groups = {channel.group for channel in coming}
        ends = self.dialect.ended(data)
        yield from self._flushed(lambda one: one not in coming and (one.group in groups or ends(one)))
        for channel, holder, key in slots:
            text = self._restorer(channel).feed(holder[key])
            holder[key] = text + self.channels.pop(channel).finish() if ends(channel) else text
        yield self.dialect.written(event.event, data if slots else self.back.value("", data))

    def _restorer(self, channel: Channel) -> Restorer:
        if channel not in self.channels:
            self.channels[channel] = self.back.json() if channel.is_json else self.back.plain()
        return self.channels[channel]

    def _flushed(self, which: Callable[[Channel], bool]) -> Iterator[bytes]:
        """What the channels hold that end here."""
        for channel in [one for one in self.channels if which(one)]:
            rest = self.channels.pop(channel).finish()
            if rest:
                yield self.dialect.tail(channel, rest)


def _object(event: Event) -> dict[str, Any] | None:
    try:
        data = orjson.loads(event.data) if event.data else None
    except orjson.JSONDecodeError:
        return None
    return data if isinstance(data, dict) and not data.get("error") else None
