"""
Redact and escalate: what becomes of a restricted request where the file says `privacy.on_restricted: redact`.

The draft is made in the core; here it is read again by the model of names, written into the body, and kept from
blocking anybody. Whatever goes wrong ends with `None`: the request stays restricted, and local. Values and pseudonyms
are in memory only, for one request; the words of names for a session, an hour at most.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localfleet.core.ask import Api, Ask, Need
from localfleet.core.classify import Rules
from localfleet.core.conversation import name_print, session_print
from localfleet.core.detectors import fold
from localfleet.core.label import RESTRICTED, Label, Verdict
from localfleet.core.names import Entity
from localfleet.core.redaction.draft import draft_of, floor_of, proven
from localfleet.core.redaction.proof import NO_TEXT_BACK, Redacted
from localfleet.core.redaction.values import Values
from localfleet.core.route import HostedRoute, Route
from localfleet.ports import Names, Reply
from localfleet.wire.read import Letter
from localfleet.wire.restored import PutBack, RestoredStream
from localfleet.wire.rewrite import rewritten
from localfleet.wire.texts import spans_of

__all__ = ["Redaction", "Redactor", "Restored", "Sessions", "body_for", "redact_aside", "redact_now"]

KEPT_S = 3600.0
KEPT_SESSIONS = 10_000
KEPT_WORDS = 500
PARTS = frozenset({"given", "sur"})
"""The kinds of values that are words of names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """The proof for the policy, the body for hosted doors, and the way back for their answers."""

    proof: Redacted
    body: Mapping[str, Any] = field(repr=False)
    back: PutBack = field(repr=False)

    def restored(self, reply: Reply, api: Api) -> "Restored":
        """The answer with the caller's values in it."""
        return Restored(reply, self.back, api)


def body_for(route: Route, letter: Letter, verdict: Verdict, redaction: Redaction | None) -> Mapping[str, Any]:
    """What this door gets: a hosted one never the words of a restricted request, whatever else went wrong (law 1)."""
    if not isinstance(route, HostedRoute) or verdict.label is not RESTRICTED:
        return letter.body
    if not route.redacted or redaction is None:
        raise TypeError("a restricted request has a hosted route only for its redacted form")
    return redaction.body


Steps = Generator[str, Sequence[Entity], Redaction | None]


@dataclass(slots=True)
class Sessions:
    """The words of names that were replaced in a session, for its later requests; in memory, oldest out first."""

    now: Callable[[], float]
    kept: OrderedDict[bytes, tuple[float, dict[str, str]]] = field(default_factory=OrderedDict)

    def words(self, session: bytes | None) -> Mapping[str, str]:
        """What is known of a session."""
        while self.kept and next(iter(self.kept.values()))[0] < self.now() - KEPT_S:
            self.kept.popitem(last=False)
        return {} if session is None or session not in self.kept else self.kept[session][1]

    def keep(self, session: bytes | None, values: Values) -> None:
        """Add what was replaced now."""
        if session is None:
            return
        words = {word: part for word, part in values.kinds.items() if part in PARTS}
        self.kept[session] = self.now(), dict([*self.words(session).items(), *words.items()][-KEPT_WORDS:])
        self.kept.move_to_end(session)
        if len(self.kept) > KEPT_SESSIONS:
            self.kept.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redactor:
    """Redacts letters; `key` chooses pseudonyms: the same value has the same one throughout a conversation."""

    key: bytes = field(repr=False)
    sessions: Sessions = field(repr=False)

    def speaks_of(self, ask: Ask) -> bool:
        """Whether a request names somebody whose name was replaced earlier in its session: derived text (law 1)."""
        words = self.sessions.words(session_print(ask, self.key))
        return bool(words) and any(word in span.text for span in ask.spans for word in words)

    def steps(
        self,
        letter: Letter,
        was: Verdict,
        rules: Rules,
        *,
        prints: Sequence[bytes] = (),
        remembered: Label | None = None,
    ) -> Steps:
        """
        The letter as a hosted door may have it; `None` where it may not have it in any form.

        Yields texts for the model of names and is sent what is in them. `rules` read the request; `prints` are the
        conversation's, the first of which is that of its beginning.
        """
        ask = letter.ask
        if ask.api in NO_TEXT_BACK or Need.LOGPROBS in ask.needs or ask.unreadable:
            return None
        floor = floor_of(ask, rules, remembered)
        if floor.label is RESTRICTED:
            return None
        session = session_print(ask, self.key)
        seed = session or (prints[0] if prints else ask.request_id.encode())
        texts = tuple(span.text for span in spans_of(letter.body))
        values = Values(texts=texts, seed=name_print("pseudonyms", seed.hex(), key=self.key, caller=ask.caller.key_id))
        try:
            entities = yield fold("\n".join(texts))
            draft = draft_of(values, entities, rules, self.sessions.words(session))
            entities = yield fold(draft.joined)
            proof = proven(ask, was, draft, floor=floor, rules=rules, entities=entities)
            body = rewritten(letter.body, texts, draft.texts)
        except (ValueError, RecursionError):
            return None
        self.sessions.keep(session, values)
        return Redaction(proof=proof, body=body, back=PutBack(values.pairs))


def redact_now(steps: Steps, read: Callable[[str], Sequence[Entity]]) -> Redaction | None:
    """Take the steps at once, where waiting blocks nobody."""
    step = _next(steps, None)
    while isinstance(step, str):
        step = _next(steps, read(step))
    return step


async def redact_aside(steps: Steps, names: Names | None, budget_s: float, *, whose: str) -> Redaction | None:
    """Take the steps off the event loop; `None` where that takes longer than the budget, waiting included."""
    try:
        async with asyncio.timeout(budget_s):
            step = await asyncio.to_thread(_next, steps, None)
            while isinstance(step, str):
                entities = () if names is None else await names.read(step, budget_s, whose=whose)
                step = await asyncio.to_thread(_next, steps, entities)
            return step
    except TimeoutError:
        return None


def _next(steps: Steps, entities: Sequence[Entity] | None) -> str | Redaction | None:
    try:
        return next(steps) if entities is None else steps.send(entities)
    except StopIteration as end:
        made: Redaction | None = end.value
        return made


class Restored:
    """A reply of a hosted model, with the caller's values put back; counts are the upstream's, who is paid by them."""

    def __init__(self, reply: Reply, back: PutBack, api: Api) -> None:
        """Nothing was read yet."""
        self._reply, self._back, self._api = reply, back, api
        self.status, self.media_type = reply.status, reply.media_type
        self.at_once: bytes | None = None
        self._note()

    def _note(self) -> None:
        self.usage, self.failure, self.text_bytes = self._reply.usage, self._reply.failure, self._reply.text_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes for the client."""
        whole = self.media_type != "text/event-stream"
        stream = RestoredStream(self._back, self._api)
        held: list[bytes] = []
        async for chunk in self._reply:
            self._note()
            if whole:
                held.append(chunk)
            elif shown := stream.feed(chunk):
                yield shown
        self._note()
        if shown := self._back.whole(b"".join(held)) if whole else stream.finish():
            yield shown

    async def aclose(self) -> None:
        """Let the upstream go."""
        await self._reply.aclose()
