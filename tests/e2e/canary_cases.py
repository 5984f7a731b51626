"""
A case: canaries in places of one API, a reason to be restricted (or none), and faults on every tap.

    case = data.draw(cases())              # from canary_strategies.py, or one of a deck from canary_deck.py
    canary = new_canary()
    before = case.before(canary)           # send it first, if there is one, while the taps behave
    wire = case.request(canary, answer)    # then script the taps with case.script(...), and send this
    case.planted(canary)                   # which canary stands in which place
    case.restricted                        # no tap but the local one may receive a byte
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import canary_chat
import canary_messages
import canary_openai
import canary_rerank
from canary import kin
from canary_dress import Dress
from canary_fields import Field, Json, Place, Wire, escaped, transport_fields
from canary_sources import (
    EVIDENCE,
    LISTS,
    PICTURES,
    Source,
    applies,
    asked_for,
    followed_up,
    head_of,
    restricted,
    with_chunk,
    with_source,
)
from tap_behaviour import Behaviour, Fault

from localfleet.core.ask import WORDLESS, Api

__all__ = ["BASES", "DOWN", "FIELDS", "MODELS", "OUTWARD", "PATHS", "QUICK", "STATUSES", "TAPS", "Case", "sources_for"]

PATHS: Mapping[Api, str] = {
    Api.CHAT: "/v1/chat/completions",
    Api.COMPLETION: "/v1/completions",
    Api.EMBEDDING: "/v1/embeddings",
    Api.RERANK: "/v1/rerank",
    Api.RESPONSES: "/v1/responses",
    Api.MESSAGES: "/v1/messages",
}
BASES: Mapping[Api, Json] = {
    Api.CHAT: canary_chat.BASE,
    Api.COMPLETION: canary_openai.COMPLETION_BASE,
    Api.EMBEDDING: canary_openai.EMBEDDING_BASE,
    Api.RERANK: canary_rerank.BASE,
    Api.RESPONSES: canary_openai.RESPONSES_BASE,
    Api.MESSAGES: canary_messages.BASE,
}
FIELDS: Mapping[Api, tuple[Field, ...]] = {
    Api.CHAT: (*canary_chat.FIELDS, *transport_fields(PATHS[Api.CHAT])),
    Api.COMPLETION: (*canary_openai.COMPLETION_FIELDS, *transport_fields(PATHS[Api.COMPLETION])),
    Api.EMBEDDING: (*canary_openai.EMBEDDING_FIELDS, *transport_fields(PATHS[Api.EMBEDDING])),
    Api.RERANK: (*canary_rerank.FIELDS, *transport_fields(PATHS[Api.RERANK])),
    Api.RESPONSES: (*canary_openai.RESPONSES_FIELDS, *transport_fields(PATHS[Api.RESPONSES])),
    Api.MESSAGES: (*canary_messages.FIELDS, *transport_fields(PATHS[Api.MESSAGES])),
}
MODELS = ("auto", "auto", "auto", "local", "box", "mini", "claude")
OUTWARD: Mapping[Api, tuple[str, ...]] = {
    api: ("auto", "auto", "mini", "claude", "claude") if api in PICTURES else ("auto", "mini") for api in Api
}
"""What unrestricted cases ask for, so that the hosted taps show their faults; Anthropic does not serve all APIs."""
TAPS = ("local", "openai", "anthropic")
DOWN = (*[frozenset[str]()] * 6, *(frozenset({name}) for name in TAPS), frozenset({"openai", "anthropic"}))
STATUSES = (400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 529)
WITHOUT_BODY = frozenset(
    {Source.NONE, Source.HEADER, Source.HEADER_SHOUTED, Source.HEADER_TWICE, Source.KEY, Source.TASK, Source.SESSION}
)
OVERWRITTEN = frozenset({*EVIDENCE, Source.PICTURE, Source.CONVERSATION, Source.KNOWN_CHUNK})
"""Sources that stand in the turns, and go with them where a second list of turns comes later in the body."""
QUICK = tuple(fault for fault in Fault if fault not in {Fault.HANG, Fault.HEADERS_HANG, Fault.STATUS, Fault.REDIRECT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    One case, without the canary itself: make a new one for each run.

    `field` holds the canary and `beside` more places with canaries of their own, disjoint from it. `source` makes the
    request restricted and `also` does so too. `turns` harmless questions and answers stand before the rest. `faults`
    maps a tap of `TAPS` to its script; `down` names taps that refuse connections; with `lasting` the last fault of a
    script stays. `lowering` adds a `public` header, which must never lower anything. `leave_after_bytes` is for a
    client that hangs up.
    """

    api: Api
    field: Field
    source: Source
    model: str
    stream: bool
    escaped: bool
    first: bool
    lowering: bool
    faults: Mapping[str, tuple[Behaviour, ...]]
    down: frozenset[str]
    lasting: bool
    leave_after_bytes: int | None
    beside: tuple[Field, ...] = ()
    also: tuple[Source, ...] = ()
    turns: int = 0
    dress: Dress = Dress.PLAIN

    def __repr__(self) -> str:
        """The title: fields hold functions, whose own form says nothing."""
        return f"<{self.title}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """The same where hypothesis prints it."""
        printer.text(repr(self))

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every place with a canary."""
        return (self.field, *self.beside)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source of a label."""
        return (self.source, *self.also)

    def planted(self, canary: str) -> tuple[tuple[Field, str], ...]:
        """Each place and the canary in it; the first is the one given, the others follow from it."""
        return tuple((field, kin(canary, number)) for number, field in enumerate(self.fields))

    @property
    def restricted(self) -> bool:
        """Whether no byte of this request may leave the box."""
        return self.source is not Source.NONE or any(field.unreadable for field in self.fields)

    def may_leave(self, field: Field) -> bool:
        """Whether this field's canary may be seen by a hosted tap: headers, queries and paths never travel on."""
        return not self.restricted and field.place is Place.BODY

    @property
    def title(self) -> str:
        """One line for a failure message: what is not as in the plainest case."""
        flags = [name for name in ("stream", "escaped", "first", "lowering", "lasting") if getattr(self, name)]
        scripts = {name: [one.fault.value for one in script] for name, script in self.faults.items() if script}
        more = {
            "beside": [field.name for field in self.beside],
            "also": [source.value for source in self.also],
            "turns": self.turns,
            "dress": self.dress.value if self.dress is not Dress.PLAIN else "",
            "faults": scripts,
            "down": sorted(self.down),
        }
        told = [f"{name} {value}" for name, value in more.items() if value]
        if self.leave_after_bytes is not None:
            told.append(f"leaves after {self.leave_after_bytes} bytes")
        return ", ".join([f"{self.api} {self.field.name!r} by {self.source}, model {self.model}", *flags, *told])

    def before(self, canary: str) -> Wire | None:
        """The earlier request that makes this one restricted, if its source is the past."""
        plain = replace(self, source=Source.NONE, also=(), lowering=False, dress=Dress.PLAIN)
        if self.source is Source.CONVERSATION:
            return restricted(plain.request(canary))
        if self.source is Source.KNOWN_CHUNK:
            body = with_chunk({"model": "auto", **BASES[self.api], "stream": False})
            words = asked_for(canary, json.dumps(body)).encode()
            return Wire(path=PATHS[self.api], headers=(("content-type", "application/json"),), body=words)
        if self.source not in {Source.SESSION, Source.PREVIOUS_RESPONSE}:
            return None
        body = {"model": "auto", **BASES[self.api], "stream": False}
        headers = (("content-type", "application/json"), *head_of(self.source, canary))
        return restricted(
            Wire(path=PATHS[self.api], headers=headers, body=asked_for(canary, json.dumps(body)).encode())
        )

    def request(self, canary: str, before: Any = None) -> Wire:
        """The request itself; `before` is the JSON of the answer to the earlier one."""
        path, head = PATHS[self.api], {"content-type": "application/json"}
        for field, word in self.planted(canary):
            if field.place is Place.PATH:
                path = field.fragment(word)["path"]
            elif field.place is Place.HEADER:
                head.update(field.fragment(word))
        lowering = (("x-localfleet-privacy", "public"),) if self.lowering else ()
        raising = (pair for source in self.sources for pair in head_of(source, canary))
        return Wire(
            path=path,
            headers=(*lowering, *head.items(), *raising, *self.dress.headers),
            body=self.dress.put_on(self._body(canary, before)),
            key="restricted" if Source.KEY in self.sources else "plain",
        )

    def script(self, tap: str, *, elsewhere: str, text: str) -> tuple[Behaviour, ...]:
        """The behaviours of one tap; redirects go to the URL `elsewhere`, good answers say `text`."""
        return tuple(replace(one, location=elsewhere, text=text) for one in self.faults.get(tap, ()))

    def value(self, canary: str, before: Any = None) -> Json:
        """The body as a JSON object; for `raw` fields without the canary."""
        base: Json = {"model": self.model, **BASES[self.api]}
        if self.api not in WORDLESS:
            base["stream"] = self.stream
        for field, word in self.planted(canary):
            base = field.put(base, word)
        body = self._with_turns(base)
        for source in self.sources:
            body = with_source(source, self.api, body, first=self.first)
        if self.source is Source.CONVERSATION and before is not None:
            return followed_up(self.api, body, _text_of(before))
        if self.source is Source.PREVIOUS_RESPONSE:
            known = before.get("id") if isinstance(before, Mapping) else None
            return {**body, "previous_response_id": known or "resp_unknown"}
        return body

    def _with_turns(self, body: Json) -> Json:
        name = LISTS[self.api]
        if self.api not in PICTURES or not isinstance(body.get(name), list):
            return body
        earlier = [turn for number in range(self.turns) for turn in _small_talk(number)]
        return {**body, name: [*earlier, *body[name]]}

    def _body(self, canary: str, before: Any) -> str:
        value = json.loads(asked_for(canary, json.dumps(self.value(canary, before))))
        text = escaped(value) if self.escaped else json.dumps(value, ensure_ascii=False, indent=self.dress.indent)
        if not self.field.raw:
            return text
        pattern: str = self.field.fragment(canary)["raw"]
        return pattern.replace("%s", text[1:-1])


def _text_of(answer: Any) -> str:
    """The text of an answer in any of the three formats that have turns."""
    match answer:
        case {"choices": [{"message": {"content": str(text)}}, *_]}:
            return text
        case {"content": [{"text": str(text)}, *_]}:
            return text
        case {"output": [{"content": [{"text": str(text)}, *_]}, *_]}:
            return text
    return "ok"


def _small_talk(number: int) -> tuple[Json, Json]:
    """Two turns about the country of this case."""
    asked = {"role": "user", "content": f"Question {number}: is the capital of France a large town?"}
    return asked, {"role": "assistant", "content": "It is."}


def sources_for(api: Api, field: Field, *beside: Field) -> list[Source]:
    """Every source that can be added to a request with canaries in these fields."""
    names, body = frozenset[str](), dict(BASES[api])
    for one in (field, *beside):
        body = one.put(body, "CANARY")
        if one.place is Place.HEADER:
            names |= {name.lower() for name in one.fragment("CANARY")}
    possible = [source for source in Source if applies(source, api, body, names)]
    if not field.raw:
        return possible
    raw: str = field.fragment("CANARY")["raw"]
    if "%s" in raw:
        undone = OVERWRITTEN if raw.startswith('{%s,"messages"') else {Source.CONVERSATION}
        return [source for source in possible if source not in undone]
    return [source for source in possible if source in WITHOUT_BODY]
