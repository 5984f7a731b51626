"""
Places that nobody listed: hypothesis grows a tree of JSON around the canary and hangs it into a request of any API.

The canary stands at any depth, as a key, in a list, inside JSON text, between words of any alphabet.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from canary_fields import Field, Json
from canary_rerank import OTHER
from canary_sources import LISTS, PICTURES
from hypothesis import strategies as st

from localfleet.core.ask import Api

__all__ = ["HOLE", "grown_fields"]

HOLE = "THE-CANARY-STANDS-HERE"
QUESTION: Json = {"role": "user", "content": "What is the capital of France?"}
Wrap = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Grown:
    """Top-level members of a body as JSON text, with `HOLE` where the canary stands."""

    text: str

    def __call__(self, canary: str) -> Json:
        """The members with the canary in its place."""
        members: Json = json.loads(self.text.replace(HOLE, canary))
        return members


def _words() -> st.SearchStrategy[str]:
    """Any text without lone surrogates, which have a field of their own."""
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def _leaves() -> st.SearchStrategy[str]:
    """The canary between words."""
    return st.builds(lambda before, after: before + HOLE + after, _words(), _words())


def _scalars() -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.booleans(), st.integers(-1, 1 << 40), _words())


def _wraps() -> st.SearchStrategy[Wrap]:
    """One step outward: what stands around a value."""
    names, siblings = st.text("abcxyz_", min_size=1, max_size=6), st.lists(_scalars(), max_size=2)
    return st.one_of(
        names.map(lambda name: lambda value: {name: value}),
        siblings.map(lambda others: lambda value: [*others, value]),
        st.just(lambda value: {_text(value): 1}),
        st.just(_text),
        st.sampled_from((5, 30)).map(lambda depth: lambda value: _deep(value, depth)),
    )


def _text(value: Any) -> str:
    """JSON text inside JSON, as tool calls carry it; text stays as it is."""
    return value if isinstance(value, str) else json.dumps(value)


def _deep(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


@st.composite
def _trees(draw: st.DrawFn) -> Any:
    tree: Any = draw(_leaves())
    for wrap in draw(st.lists(_wraps(), max_size=5)):
        tree = wrap(tree)
    return tree


def _turn(api: Api, turn: Json) -> Json:
    return {LISTS[api]: [turn, QUESTION]}


def _tool(api: Api, schema: Json) -> Json:
    if api is Api.CHAT:
        return {"tools": [{"type": "function", "function": {"name": "look_up", "parameters": schema}}]}
    kind, name = ({}, "input_schema") if api is Api.MESSAGES else ({"type": "function"}, "parameters")
    return {"tools": [{**kind, "name": "look_up", name: schema}]}


ANYWHERE: Mapping[str, Callable[[Api, Any], Json]] = {
    "an unknown member": lambda api, tree: {"x_note": tree},
    "metadata": lambda api, tree: {"metadata": {"note": tree}},
}
"""Where a tree can hang in every API."""
IN_TURNS: Mapping[str, Callable[[Api, Any], Json]] = {
    "what is said": lambda api, tree: _turn(api, {"role": "user", "content": _text(tree)}),
    "an unknown member of a turn": lambda api, tree: _turn(api, {"role": "user", "content": "hello", "note": tree}),
    "a tool's schema": lambda api, tree: _tool(api, {"type": "object", "properties": {"q": {"examples": [tree]}}}),
}
"""Where one can hang in an API that has turns."""
IN_TEXT: Mapping[str, Callable[[Api, Any], Json]] = {
    "what is said": lambda api, tree: {LISTS[api]: [_text(tree)]},
}
"""Where one can hang in an API that has none."""
IN_DOCUMENTS: Mapping[str, Callable[[Api, Any], Json]] = {
    "a document": lambda api, tree: {LISTS[api]: [OTHER, _text(tree)]},
    "a document's text": lambda api, tree: {LISTS[api]: [{"text": _text(tree)}, OTHER]},
    "what lies beside a document": lambda api, tree: {LISTS[api]: [{"text": OTHER, "note": tree}]},
}
"""Where one can hang in a ranking: a good answer gives documents back, and nothing of what lies beside them."""


@st.composite
def grown_fields(draw: st.DrawFn, api: Api) -> Field:
    """A place of this API that no table names."""
    own = IN_TURNS if api in PICTURES else IN_DOCUMENTS if api is Api.RERANK else IN_TEXT
    places = {**ANYWHERE, **own}
    name = draw(st.sampled_from([*places]))
    text = json.dumps(places[name](api, draw(_trees())))
    answered = name.startswith("a document")
    return Field(name=f"grown in {name}: {text}", fragment=Grown(text), answered=answered)
