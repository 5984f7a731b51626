"""
`previous_response_id` for clients of `/v1/responses` that rely on it: conversations kept in memory only.

Nothing here is ever written (law 8): a restart forgets, and so does an hour, or a full memory. The client is then told
to send the whole conversation. Entries belong to the caller that made them.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import orjson

from localfleet.core.ask import Caller
from localfleet.errors import BadAsk, NotFound

__all__ = ["Recall"]

KEPT_S = 3600.0
KEPT_BYTES = 64 * 2**20
COMPLETED = b"event: response.completed"


@dataclass(slots=True, kw_only=True)
class Recall:
    """Answers by caller and response id, oldest out first. `now` gives monotonic seconds."""

    now: Callable[[], float]
    kept: OrderedDict[tuple[str, str], tuple[float, bytes]] = field(default_factory=OrderedDict)
    size: int = 0

    def expand(self, body: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The body with the earlier turns in front of its own; raises `NotFound` for an answer that is not kept."""
        wanted = body.get("previous_response_id")
        if wanted is None:
            return body
        if not isinstance(wanted, str):
            raise BadAsk("`previous_response_id` must be a text.", param="previous_response_id")
        self._forget_old()
        found = self.kept.get((caller.key_id, wanted))
        if found is None:
            raise NotFound(
                "This previous response is not kept here (any more): answers are kept in memory for an hour, and "
                "only where `store` is not false. Send the whole conversation as `input`.",
                code="previous_response_not_found",
                param="previous_response_id",
            )
        return {**body, "input": [*orjson.loads(found[1]), *items_of(body.get("input"))]}

    def keep(self, body: Mapping[str, Any], caller: Caller, answer: bytes) -> None:
        """Keep the turns of an answered request under its answer's id; an answer without one is left alone."""
        if body.get("store") is False:
            return
        try:
            reply = orjson.loads(answer)
            name, output = reply["id"], reply["output"]
            turns = orjson.dumps([*items_of(body.get("input")), *output])
        except (orjson.JSONDecodeError, orjson.JSONEncodeError, KeyError, TypeError):
            return
        if isinstance(name, str) and len(turns) <= KEPT_BYTES // 4:
            self._put((caller.key_id, name), turns)

    async def keep_stream(
        self, body: Mapping[str, Any], caller: Caller, stream: AsyncGenerator[bytes]
    ) -> AsyncGenerator[bytes]:
        """Relay a stream unchanged; its `response.completed` event holds the whole answer."""
        tail = b""
        async with aclosing(stream):
            async for chunk in stream:
                yield chunk
                at = (tail := tail + chunk).rfind(COMPLETED)
                tail = tail[at:] if at >= 0 else tail[-len(COMPLETED) :]
        event = next((line[5:] for line in tail.splitlines() if line.startswith(b"data:")), b"null")
        try:
            answer = orjson.dumps(orjson.loads(event)["response"])
        except (orjson.JSONDecodeError, orjson.JSONEncodeError, KeyError, TypeError):
            return
        self.keep(body, caller, answer)

    def _put(self, key: tuple[str, str], turns: bytes) -> None:
        self.kept[key] = (self.now(), turns)
        self.size += len(turns)
        while self.size > KEPT_BYTES:
            self._drop_oldest()

    def _forget_old(self) -> None:
        while self.kept and next(iter(self.kept.values()))[0] < self.now() - KEPT_S:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, (_, turns) = self.kept.popitem(last=False)
        self.size -= len(turns)


def items_of(given: Any) -> list[Any]:
    """Responses input as a list of items; a text is one message of the user."""
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return list(given) if isinstance(given, list) else []
