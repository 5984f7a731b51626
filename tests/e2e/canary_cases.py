"""
Generated cases: one canary in one place of one API, one reason to be restricted (or none), and faults on every tap.

    case = data.draw(cases())
    canary = new_canary()
    before = case.before(canary)           # send it first, if there is one, while the taps behave
    wire = case.request(canary, answer)    # then script the taps with case.script(...), and send this
    case.restricted                        # no tap but the local one may receive a byte
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import canary_chat
import canary_messages
import canary_openai
from canary_fields import Field, Json, Place, Wire, escaped, transport_fields
from canary_sources import EVIDENCE, Source, applies, asked_for, followed_up, head_of, restricted, with_source
from hypothesis import strategies as st
from tap_behaviour import Behaviour, Fault

from localfleet.core.ask import Api

__all__ = ["DOWN", "FIELDS", "MODELS", "PATHS", "QUICK", "STATUSES", "TAPS", "Case", "cases", "cases_of", "sources_for"]

PATHS: Mapping[Api, str] = {
    Api.CHAT: "/v1/chat/completions",
    Api.COMPLETION: "/v1/completions",
    Api.EMBEDDING: "/v1/embeddings",
    Api.RESPONSES: "/v1/responses",
    Api.MESSAGES: "/v1/messages",
}
BASES: Mapping[Api, Json] = {
    Api.CHAT: canary_chat.BASE,
    Api.COMPLETION: canary_openai.COMPLETION_BASE,
    Api.EMBEDDING: canary_openai.EMBEDDING_BASE,
    Api.RESPONSES: canary_openai.RESPONSES_BASE,
    Api.MESSAGES: canary_messages.BASE,
}
FIELDS: Mapping[Api, tuple[Field, ...]] = {
    Api.CHAT: (*canary_chat.FIELDS, *transport_fields(PATHS[Api.CHAT])),
    Api.COMPLETION: (*canary_openai.COMPLETION_FIELDS, *transport_fields(PATHS[Api.COMPLETION])),
    Api.EMBEDDING: (*canary_openai.EMBEDDING_FIELDS, *transport_fields(PATHS[Api.EMBEDDING])),
    Api.RESPONSES: (*canary_openai.RESPONSES_FIELDS, *transport_fields(PATHS[Api.RESPONSES])),
    Api.MESSAGES: (*canary_messages.FIELDS, *transport_fields(PATHS[Api.MESSAGES])),
}
MODELS = ("auto", "auto", "auto", "local", "box", "mini", "claude")
TAPS = ("local", "openai", "anthropic")
DOWN = (*[frozenset[str]()] * 6, *(frozenset({name}) for name in TAPS), frozenset({"openai", "anthropic"}))
STATUSES = (400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 529)
WITHOUT_BODY = frozenset(
    {Source.NONE, Source.HEADER, Source.HEADER_SHOUTED, Source.HEADER_TWICE, Source.KEY, Source.TASK, Source.SESSION}
)
OVERWRITTEN = frozenset({*EVIDENCE, Source.PICTURE, Source.CONVERSATION})
"""Sources that stand in the turns, and go with them where a second list of turns comes later in the body."""
QUICK = tuple(fault for fault in Fault if fault not in {Fault.HANG, Fault.HEADERS_HANG, Fault.STATUS, Fault.REDIRECT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    One generated case, without the canary itself: make a new one for each run.

    `faults` maps a tap of `TAPS` to its script; `down` names taps that refuse connections; with `lasting` the last
    fault of a script stays. `lowering` adds a `public` header, which must never lower anything. `leave_after_bytes` is
    for a client that hangs up. `answered` (from the field) says the canary may come back in a good answer.
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

    @property
    def restricted(self) -> bool:
        """Whether no byte of this request may leave the box."""
        return self.source is not Source.NONE or self.field.unreadable

    @property
    def may_leave(self) -> bool:
        """Whether the canary may be seen by a hosted tap: headers, queries and paths never travel on."""
        return not self.restricted and self.field.place is Place.BODY

    @property
    def title(self) -> str:
        """One line for a failure message."""
        scripts = {name: [one.fault.value for one in script] for name, script in self.faults.items()}
        flags = [name for name in ("stream", "escaped", "first", "lowering", "lasting") if getattr(self, name)]
        return f"{self.api} {self.field.name!r} by {self.source}, model {self.model}, {flags}, {scripts}, {self.down=}"

    def before(self, canary: str) -> Wire | None:
        """The earlier request that makes this one restricted, if its source is the past."""
        plain = replace(self, source=Source.NONE, lowering=False)
        if self.source is Source.CONVERSATION:
            return restricted(plain.request(canary))
        if self.source not in {Source.SESSION, Source.PREVIOUS_RESPONSE}:
            return None
        body = {"model": "auto", **BASES[self.api], "stream": False}
        headers = (("content-type", "application/json"), *head_of(self.source, canary))
        return restricted(
            Wire(path=PATHS[self.api], headers=headers, body=asked_for(canary, json.dumps(body)).encode())
        )

    def request(self, canary: str, before: Any = None) -> Wire:
        """The request itself; `before` is the JSON of the answer to the earlier one."""
        planted = self.field.fragment(canary)
        path = planted["path"] if self.field.place is Place.PATH else PATHS[self.api]
        head = {"content-type": "application/json", **(planted if self.field.place is Place.HEADER else {})}
        lowering = (("x-localfleet-privacy", "public"),) if self.lowering else ()
        return Wire(
            path=path,
            headers=(*lowering, *head.items(), *head_of(self.source, canary)),
            body=self._body(canary, before).encode("utf-8", "surrogatepass"),
            key="restricted" if self.source is Source.KEY else "plain",
        )

    def script(self, tap: str, *, elsewhere: str, text: str) -> tuple[Behaviour, ...]:
        """The behaviours of one tap; redirects go to the URL `elsewhere`, good answers say `text`."""
        return tuple(replace(one, location=elsewhere, text=text) for one in self.faults.get(tap, ()))

    def value(self, canary: str, before: Any = None) -> Json:
        """The body as a JSON object; for `raw` fields without the canary."""
        base: Json = {"model": self.model, **BASES[self.api]}
        if self.api is not Api.EMBEDDING:
            base["stream"] = self.stream
        body = self.field.put(base, canary)
        if self.source is Source.CONVERSATION and before is not None:
            return followed_up(self.api, body, _text_of(before))
        if self.source is Source.PREVIOUS_RESPONSE:
            known = before.get("id") if isinstance(before, Mapping) else None
            return {**body, "previous_response_id": known or "resp_unknown"}
        return with_source(self.source, self.api, body, first=self.first)

    def _body(self, canary: str, before: Any) -> str:
        value = json.loads(asked_for(canary, json.dumps(self.value(canary, before))))
        text = escaped(value) if self.escaped else json.dumps(value, ensure_ascii=False)
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


def sources_for(api: Api, field: Field) -> list[Source]:
    """Every source that can be added to a request with a canary in this field."""
    planted = field.fragment("CANARY")
    names = frozenset(name.lower() for name in planted) if field.place is Place.HEADER else frozenset[str]()
    body = field.put(BASES[api], "CANARY")
    possible = [source for source in Source if applies(source, api, body, names)]
    if not field.raw:
        return possible
    if "%s" in planted["raw"]:
        undone = OVERWRITTEN if planted["raw"].startswith('{%s,"messages"') else {Source.CONVERSATION}
        return [source for source in possible if source not in undone]
    return [source for source in possible if source in WITHOUT_BODY]


def statuses() -> st.SearchStrategy[Behaviour]:
    """Error answers that quote the request."""
    retry_after = st.sampled_from([None, None, "0", "1", "soon"])
    return st.builds(Behaviour, fault=st.just(Fault.STATUS), status=st.sampled_from(STATUSES), retry_after=retry_after)


def behaviours() -> st.SearchStrategy[Behaviour]:
    """One thing a tap does: mostly wrong, sometimes right."""
    ends = st.sampled_from(["close", "reset"])
    return st.one_of(
        statuses(),
        st.builds(Behaviour, fault=st.sampled_from(QUICK), after=st.integers(0, 5), end=ends),
        st.builds(Behaviour, fault=st.just(Fault.REDIRECT), status=st.sampled_from([301, 302, 303, 307, 308])),
        st.builds(Behaviour, fault=st.sampled_from([Fault.HANG, Fault.HEADERS_HANG])),
        st.builds(Behaviour, fault=st.sampled_from([Fault.HALF_BODY, Fault.DIE]), end=st.just("hang")),
        st.builds(Behaviour, usage=st.sampled_from(["none", "always", "last_chunk"]), done=st.booleans()),
    )


def faults() -> st.SearchStrategy[dict[str, tuple[Behaviour, ...]]]:
    """A script for each tap, often empty."""
    good: tuple[Behaviour, ...] = ()
    script = st.one_of(st.just(good), st.lists(behaviours(), min_size=1, max_size=3).map(tuple))
    return st.fixed_dictionaries(dict.fromkeys(TAPS, script))


@st.composite
def cases_of(draw: st.DrawFn, api: Api, field: Field) -> Case:
    """Cases with the canary in one field: everything else varies."""
    return Case(
        api=api,
        field=field,
        source=draw(st.sampled_from(sources_for(api, field))),
        model=draw(st.sampled_from(MODELS)),
        stream=api is not Api.EMBEDDING and draw(st.booleans()),
        escaped=draw(st.booleans()),
        first=draw(st.booleans()),
        lowering=draw(st.booleans()),
        faults=draw(faults()),
        down=draw(st.sampled_from(DOWN)),
        lasting=draw(st.booleans()),
        leave_after_bytes=draw(st.sampled_from([None, None, None, None, 0, 1, 200])),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any case."""
    api = draw(st.sampled_from([*Api]))
    return draw(cases_of(api, draw(st.sampled_from(FIELDS[api]))))
