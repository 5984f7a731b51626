"""
Reading answers on their way back (`privacy.output_layers`): what they hold that should have stayed.

The answer goes to the client as it comes; who asked for it may have it. What is found is recorded by kind and count,
and the conversation is restricted from then on, for its next request carries the answer.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import orjson

from localfleet.core.ask import Api, Ask, Span
from localfleet.core.classify import Rules, classify
from localfleet.core.label import Finding, Label
from localfleet.ports import Reply
from localfleet.wire.restored_events import DIALECTS
from localfleet.wire.sse import SseSplitter

__all__ = ["Overheard"]

MOST_CHARS = 200_000
"""Longer answers than any model gives are not read on the event loop; not read is restricted (law 2)."""


class Overheard:
    """A reply, and after its end what was found in it."""

    def __init__(self, reply: Reply, api: Api, rules: Rules) -> None:
        """Nothing was read yet."""
        self._reply, self._api, self._rules = reply, api, rules
        self._texts: list[str] = []
        self.status, self.media_type = reply.status, reply.media_type
        self._note()

    def _note(self) -> None:
        self.usage, self.failure, self.text_bytes = self._reply.usage, self._reply.failure, self._reply.text_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes, unchanged."""
        stream = self.media_type == "text/event-stream"
        splitter, dialect = SseSplitter(), DIALECTS[self._api]() if stream else None
        async for chunk in self._reply:
            self._note()
            if dialect is None:
                self._texts += _strings(_object(chunk))
            else:
                for event in splitter.feed(chunk):
                    slots = dialect.slots(_object(event.data))
                    self._texts += [str(holder[key]) for _, holder, key in slots]
            yield chunk
        self._note()

    async def aclose(self) -> None:
        """Let the upstream go."""
        await self._reply.aclose()

    def found(self, ask: Ask) -> tuple[Finding, ...]:
        """What is in the texts that came, by kind and count; `output:` stands before each kind."""
        stream = self.media_type == "text/event-stream"
        text = ("" if stream else "\n").join(self._texts)
        if len(text) > MOST_CHARS:
            return (Finding(kind="output:unread", count=1),)
        answer = replace(
            ask, spans=(Span(where="", text=text),), unreadable=(), declared=None, task=None, also_task=None
        )
        findings = classify(answer, self._rules).findings
        return tuple(Finding(kind=f"output:{one.kind}", count=one.count, label=one.label) for one in findings)

    def restricts(self, ask: Ask) -> tuple[tuple[Finding, ...], bool]:
        """What was found, and whether any of it is restricted."""
        findings = self.found(ask)
        return findings, any(one.label is Label.RESTRICTED for one in findings)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> Iterator[str]:
    """Every text of an answer but what names it."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            stack.extend(one for key, one in item.items() if key not in {"id", "model", "system_fingerprint"})
        elif isinstance(item, list):
            stack.extend(item)
