"""
Pipelines: stages in a row, each a question made of what came before, and the labels that go with the text.

A stage asks in words of the operator's, with places for texts: `{input}` (what was said), `{documents}` (what the
caller sent along), `{item}` (one of a list), and the name of any earlier stage. What it makes is as sensitive as all it
read (law 1). One thing alone is less: a *released* structure, an object whose keys and possible values the operator
wrote down beforehand. Of a restricted text it can hold a choice, a yes or no, a short number, and no word.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from localfleet.core.cascade import Cascade
from localfleet.core.label import Label, highest
from localfleet.core.value import value

__all__ = ["Field", "Held", "Pipeline", "Stage", "closed", "distinct", "items_of", "places", "rendered", "schema_of"]

PLACE = re.compile(r"\{([a-z0-9][a-z0-9._-]*)\}")
BULLET = re.compile(r"^\s*(?:[-*\u2022]|\(?\d{1,3}[.):])\s+")
FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
WORD = re.compile(r"\w+")
MOST_DIGITS = 6
"""Of a released number: no telephone, card, account or identity number is so short."""
ALIKE = 0.8
"""Items that share so much of their words say the same."""
Field = Literal["integer", "number", "boolean"] | tuple[str, ...]
"""What a released value may be: a short number, yes or no, or one of these words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step. `each` names the list that it is asked about, item by item."""

    name: str
    model: str
    prompt: str
    system: str | None = None
    max_tokens: int | None = None
    each: str | None = None
    most_items: int = 8
    distinct: bool = False
    """Items that say the same are kept once."""
    fields: Mapping[str, Field] = field(default_factory=dict)
    release: bool = False
    """What it makes is a closed structure, labelled by what it holds and not by what it was made of."""
    search: bool = False
    """Its model is a search endpoint: the question is a query, and what comes back are documents."""
    enough: Cascade | None = None
    """Where its answer passes these judges, it is the pipeline's, and the later stages are left out."""

    @property
    def reads(self) -> frozenset[str]:
        """The texts that its words have places for."""
        named = frozenset(PLACE.findall(self.prompt + (self.system or "")))
        return (named - {"item"}) | ({self.each} if self.each is not None else frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Stages in their order; the last one's answer goes out, as it comes."""

    name: str
    stages: tuple[Stage, ...]


@value
class Held:
    """Texts that one place stands for, and how sensitive they are together."""

    items: tuple[str, ...]
    label: Label
    whole: bool = False
    """Each is one whole, however few there are: a document that was found, not a list in lines."""

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.items)


def places(text: str) -> frozenset[str]:
    """The names of the places in a prompt."""
    return frozenset(PLACE.findall(text))


def rendered(stage: Stage, known: Mapping[str, Held], floor: Label, item: str | None = None) -> tuple[str, Label]:
    """
    The question of a stage, and its label: the highest of all that it reads, and of `floor`.

    Texts are put in as they are: braces in them are no places.
    """
    texts = {name: held.text for name, held in known.items()}
    if item is not None:
        texts["item"] = item
    label = highest(floor, *(known[name].label for name in stage.reads))
    return PLACE.sub(lambda found: texts.get(found.group(1), found.group(0)), stage.prompt), label


def items_of(held: Held, most: int) -> tuple[str, ...]:
    """The items of a list: as they were made, or the lines of a single text without their bullets."""
    items: Sequence[str] = held.items
    if len(items) == 1 and not held.whole:
        items = [BULLET.sub("", line).strip() for line in items[0].splitlines()]
    return tuple(item for item in items if item)[:most]


def distinct(items: Sequence[str]) -> tuple[str, ...]:
    """The items without those that say, by their words, what an earlier one said."""
    kept: list[tuple[str, frozenset[str]]] = []
    for item in items:
        words = frozenset(WORD.findall(item.casefold()))
        if all(len(words & known) < ALIKE * max(len(words | known), 1) for _, known in kept):
            kept.append((item, words))
    return tuple(item for item, _ in kept)


def schema_of(fields: Mapping[str, Field]) -> dict[str, Any]:
    """The JSON schema of a closed structure, for engines that hold answers to one."""
    told = {name: {"type": kind} if isinstance(kind, str) else {"enum": list(kind)} for name, kind in fields.items()}
    return {"type": "object", "properties": told, "required": list(told), "additionalProperties": False}


def closed(text: str, fields: Mapping[str, Field]) -> str:
    """
    The closed structure in an answer, as JSON with these keys in this order; what does not fit is null.

    Nothing of the answer's own words comes through: a value is one of the operator's words, a truth value, or a number
    of at most six digits.
    """
    found = _object(text)
    return json.dumps({name: _fitting(found.get(name), kind) for name, kind in fields.items()})


def _object(text: str) -> Mapping[str, Any]:
    for candidate in _candidates(text):
        try:
            loaded = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(loaded, dict):
            return loaded
    return {}


def _candidates(text: str) -> Iterator[str]:
    yield text
    yield from FENCE.findall(text)
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        yield text[start : end + 1]


def _fitting(found: object, kind: Field) -> object:
    if isinstance(kind, tuple):
        said = found.strip().casefold() if isinstance(found, str) else None
        return next((word for word in kind if word.casefold() == said), None)
    if kind == "boolean":
        return found if isinstance(found, bool) else None
    number = short_number(found)
    return None if kind == "integer" and isinstance(number, float) else number


def short_number(found: object) -> int | float | None:
    """A number of at most six digits, two of them behind the point, or nothing: no name or account is so short."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    number = int(found) if float(found).is_integer() else round(float(found), 2)
    return number if sum(map(str.isdigit, str(number))) <= MOST_DIGITS else None
