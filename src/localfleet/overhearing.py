"""
Reading answers on their way back (`privacy.output_layers`): what they hold that should have stayed.

The answer goes to the client as it comes; who asked for it may have it. What is found is recorded by kind and count,
and the conversation is restricted from then on, for its next request carries the answer. It is read when its last
piece is there, before that piece is passed on: what is long, and names, off the event loop. An answer that was cut off
before is read by tables and topics; where names could matter in it, it was not read, which is restricted (law 2).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson

from localfleet.core.ask import Ask, Span
from localfleet.core.classify import Rules, classify, names_to_read
from localfleet.core.label import Finding, Label, Verdict
from localfleet.ports import Reply
from localfleet.wire.restored_events import DIALECTS, OVER
from localfleet.wire.sse import SseSplitter

__all__ = ["Overheard"]

MOST_CHARS = 200_000
"""Longer answers than any model gives are not read on the event loop; not read is restricted (law 2)."""


UNREAD = (Finding(kind="output:unread", count=1),)
_LAST_EVENTS = OVER | {"message_stop"}


class Overheard:
    """A reply, and after its end what was found in it."""

    def __init__(self, reply: Reply, ask: Ask, rules: Rules, read: Callable[[Ask], Awaitable[Verdict]]) -> None:
        """Nothing was read yet; `read` reads an answer as if it were asked, off the event loop if that takes time."""
        self._reply, self._ask, self._rules, self._read = reply, ask, rules, read
        self._texts: list[str] = []
        self._heard: tuple[int, tuple[Finding, ...]] | None = None
        self.status, self.media_type = reply.status, reply.media_type
        self.at_once: bytes | None = None
        self._note()

    def _note(self) -> None:
        self.usage, self.failure, self.text_bytes = self._reply.usage, self._reply.failure, self._reply.text_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes, unchanged."""
        splitter, dialect = SseSplitter(), DIALECTS[self._ask.api]() if self._streams else None
        async for chunk in self._reply:
            self._note()
            last = dialect is None
            if dialect is None:
                self._texts += _strings(_object(chunk))
            else:
                for event in splitter.feed(chunk):
                    row = _object(event.data)
                    self._texts += [str(holder[key]) for _, holder, key in dialect.slots(row)]
                    last = last or event.data == b"[DONE]" or row.get("type") in _LAST_EVENTS
            if last:
                await self._listen()
            yield chunk
        self._note()
        await self._listen()

    async def aclose(self) -> None:
        """Let the upstream go."""
        await self._reply.aclose()

    @property
    def _streams(self) -> bool:
        return self.media_type == "text/event-stream"

    def _answer(self) -> Ask:
        """What came, as if somebody asked it to whom all is public."""
        text = ("" if self._streams else "\n").join(self._texts)
        caller = replace(self._ask.caller, default_label=Label.PUBLIC)
        spans = (Span(where="", text=text),)
        return replace(self._ask, caller=caller, spans=spans, unreadable=(), declared=None, task=None, also_task=None)

    async def _listen(self) -> None:
        """Read what came, once for each length of it."""
        size = len(self._texts)
        if self._heard is not None and self._heard[0] == size:
            return
        answer = self._answer()
        if len(answer.spans[0].text) > MOST_CHARS:
            self._heard = (size, UNREAD)
            return
        verdict = await self._read(answer)
        unread = verdict.label is Label.RESTRICTED and not verdict.findings
        self._heard = (size, UNREAD if unread else _outgoing(verdict.findings))

    def found(self) -> tuple[Finding, ...]:
        """What is in the texts that came, by kind and count; `output:` stands before each kind."""
        if self._heard is not None and self._heard[0] == len(self._texts):
            return self._heard[1]
        answer = self._answer()
        if len(answer.spans[0].text) > MOST_CHARS:
            return UNREAD
        verdict = classify(answer, self._rules)
        unread = UNREAD if names_to_read(answer.whole, verdict, self._rules) else ()
        return (*_outgoing(verdict.findings), *unread)

    def restricts(self) -> tuple[tuple[Finding, ...], bool]:
        """What was found, and whether any of it is restricted."""
        findings = self.found()
        return findings, any(one.label is Label.RESTRICTED for one in findings)


def _outgoing(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(Finding(kind=f"output:{one.kind}", count=one.count, label=one.label) for one in findings)


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
