"""
The blocks of a chat answer, in the order in which they are shown.

A chat stream mixes its pieces freely: text after a tool call, two tool calls in turns. Anthropic's and OpenAI's
newer API show one block after the other. Here lives the order: which block is open, which ones wait, when one is
done. A block waits only while a tool call before it is unfinished, which in practice is never for long; nothing is
lost and nothing is shown twice. How a block looks on the wire is not known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import orjson

__all__ = ["Block", "Blocks", "Kind", "Step", "What", "clean"]


class Kind(Enum):
    """What a block holds."""

    THINKING = auto()
    TEXT = auto()
    REFUSAL = auto()
    CALL = auto()


class What(Enum):
    """What happens to a block."""

    OPEN = auto()
    DELTA = auto()
    CLOSE = auto()


@dataclass(slots=True, kw_only=True)
class Block:
    """One block; `number` is its place in the answer from 0, known once it is open. A call's text is its arguments."""

    kind: Kind
    number: int = -1
    call_id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    tried: int = -1
    """How many pieces there were when `done` last looked: parsing again before more came would be waste."""

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(self.pieces)

    def done(self) -> bool:
        """True where nothing more can follow: always, except for a call whose arguments are no whole object yet."""
        if self.kind is not Kind.CALL:
            return True
        if self.tried == len(self.pieces) or not self.pieces or not self.pieces[-1].rstrip().endswith("}"):
            return False
        self.tried = len(self.pieces)
        try:
            orjson.loads(self.text)
        except orjson.JSONDecodeError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to show; `text` is the new piece of a delta."""

    what: What
    block: Block
    text: str = ""


def clean(value: Any) -> str:
    """The string, or "" for anything else; a lone surrogate, which no UTF-8 can hold, becomes "?"."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _texts(value: Any) -> str:
    """The text of `content`: a string, or, from some engines, a list of text parts."""
    if isinstance(value, list):
        return "".join(clean(part.get("text")) for part in value if isinstance(part, Mapping))
    return clean(value)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


class Blocks:
    """The blocks of one answer, fed with `message` or `delta` objects."""

    def __init__(self) -> None:
        """Nothing is open yet."""
        self.shown: list[Block] = []
        self._open: Block | None = None
        self._waiting: list[Block] = []
        self._calls: dict[int, Block] = {}
        self._last_slot = -1

    def take(self, delta: Mapping[str, Any], *, whole: bool = False) -> list[Step]:
        """Read one object; `whole` means that a call's place in its list is its index."""
        steps: list[Step] = []
        reasoning = clean(delta.get("reasoning_content")) or clean(delta.get("reasoning"))
        for kind, text in (
            (Kind.THINKING, reasoning),
            (Kind.TEXT, _texts(delta.get("content"))),
            (Kind.REFUSAL, clean(delta.get("refusal"))),
        ):
            if text:
                steps += self._add(self._latest(kind), text)
        for place, call in enumerate(_objects(delta.get("tool_calls"))):
            block, text = self._call(call, place if whole else None)
            steps += self._add(block, text)
        return steps

    def end(self) -> list[Step]:
        """Show what still waits and close the last block."""
        steps: list[Step] = []
        while self._waiting:
            steps += self._next()
        return steps + self._close()

    def _latest(self, kind: Kind) -> Block:
        last = self._waiting[-1] if self._waiting else self._open
        if last is not None and last.kind is kind:
            return last
        block = Block(kind=kind)
        self._waiting.append(block)
        return block

    def _call(self, call: Mapping[str, Any], place: int | None) -> tuple[Block, str]:
        function = call.get("function")
        function = function if isinstance(function, Mapping) else {}
        call_id, name = clean(call.get("id")), clean(function.get("name"))
        slot = self._slot(call.get("index") if place is None else place, call_id)
        block = self._calls.get(slot)
        # Some engines give every parallel call the index 0; a new id together with a name is a new call.
        if block is None or (call_id and name and block.call_id not in {"", call_id}):
            block = self._calls[slot] = Block(kind=Kind.CALL)
            self._waiting.append(block)
        self._last_slot = slot
        block.call_id, block.name = block.call_id or call_id, block.name or name
        arguments = function.get("arguments")
        return block, _dumped(arguments) if isinstance(arguments, Mapping) else clean(arguments)

    def _slot(self, index: Any, call_id: str) -> int:
        if isinstance(index, int):
            return index
        for slot, block in self._calls.items():
            if call_id and block.call_id == call_id:
                return slot
        return max(self._calls, default=-1) + 1 if call_id else max(self._last_slot, 0)

    def _add(self, block: Block, text: str) -> list[Step]:
        steps: list[Step] = []
        if block is self._open and text:
            block.pieces.append(text)
            steps.append(Step(what=What.DELTA, block=block, text=text))
        elif block.number < 0 and text:
            block.pieces.append(text)
        return steps + self._drain()

    def _drain(self) -> list[Step]:
        """Show waiting blocks as far as what is before them is done and their name is known."""
        steps: list[Step] = []
        while self._waiting and (self._waiting[0].kind is not Kind.CALL or self._waiting[0].name):
            if self._open is not None and not self._open.done():
                break
            steps += self._next()
        return steps

    def _next(self) -> list[Step]:
        steps = self._close()
        block = self._open = self._waiting.pop(0)
        block.number = len(self.shown)
        self.shown.append(block)
        steps.append(Step(what=What.OPEN, block=block))
        if block.pieces:
            steps.append(Step(what=What.DELTA, block=block, text=block.text))
        return steps

    def _close(self) -> list[Step]:
        block, self._open = self._open, None
        return [] if block is None else [Step(what=What.CLOSE, block=block)]


def _dumped(arguments: Mapping[str, Any]) -> str:
    """Arguments that an engine sent as an object, not as the string it should be."""
    try:
        return orjson.dumps(dict(arguments)).decode()
    except orjson.JSONEncodeError:
        return ""
