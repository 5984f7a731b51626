"""
A suite file: JSON lines, each a prompt and exactly one way to check its answer.

    {"id": "sum-1", "task": "sums", "privacy": "public", "prompt": "...", "number": 42}

Ways: `exact` (a text or several), `regex` (RE2), `number` with `tolerance`, `json_schema`, `choice` with `options`.
A first line `{"suite": NAME, "licence": ...}` names it. A prompt without `privacy` is `internal`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localfleet.core.label import Label
from localfleet.core.suite import Check, Choice, Exact, Matches, Number, Schema
from localfleet.errors import BadInput
from localfleet.rulebook import matcher_of
from localfleet.traces.files import documents

__all__ = ["Item", "Suite", "read_suite"]

LETTERS = "ABCDEFGHIJ"
KEYS = frozenset({"id", "task", "privacy", "prompt", "system", "max_tokens", "tolerance", "options"})
MOST_TOKENS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One prompt. `messages` is what is sent; its words are in no message of ours."""

    id: str
    task: str
    label: Label
    messages: tuple[Mapping[str, str], ...] = field(repr=False)
    max_tokens: int
    check: Check = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A file's prompts, in order."""

    name: str
    items: tuple[Item, ...]

    def cut(self, most: int) -> tuple[Item, ...]:
        """At most so many, evenly over the tasks, in the file's order."""
        by_task: dict[str, list[int]] = {}
        for place, item in enumerate(self.items):
            by_task.setdefault(item.task, []).append(place)
        turns = sorted((turn, place) for places in by_task.values() for turn, place in enumerate(places))
        return tuple(self.items[place] for place in sorted(place for _, place in turns[:most]))


def read_suite(path: Path) -> Suite:
    """Read it; raises `BadInput` with the line, the field and what to write, never a prompt's words."""
    name, items, seen = path.stem, list[Item](), set[str]()
    for line, value in documents(path):
        if not isinstance(value, dict):
            raise BadInput(path.name, line, "", "each line is an object with a prompt and a way to check its answer")
        if "suite" in value and not items:
            name = str(value["suite"])
            continue
        item = _item(path.name, line, value)
        if item.id in seen:
            raise BadInput(path.name, line, "id", "stands twice; give each prompt a name of its own")
        seen.add(item.id)
        items.append(item)
    if not items:
        raise BadInput(path.name, None, "", "holds no prompt")
    return Suite(name=name, items=tuple(items))


def _item(file: str, line: int, row: Mapping[str, Any]) -> Item:
    def wrong(key: str, sentence: str) -> BadInput:
        return BadInput(file, line, key, sentence)

    ways = [way for way in WAYS if way in row]
    if len(ways) != 1:
        raise wrong("", f"needs exactly one way to check the answer: {', '.join(WAYS)}")
    if unknown := sorted(set(row) - KEYS - {ways[0]}):
        raise wrong(unknown[0][:40], f"is no key of a suite; the keys are {', '.join(sorted(KEYS | set(WAYS)))}")
    prompt, system, most = row.get("prompt"), row.get("system"), row.get("max_tokens", MOST_TOKENS)
    if not isinstance(prompt, str) or not prompt.strip():
        raise wrong("prompt", "is a text that is not empty")
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise wrong("max_tokens", "is a whole number above 0")
    try:
        label = Label.read(str(row.get("privacy", "internal")))
        check = WAYS[ways[0]](row)
    except (ValueError, TypeError, KeyError) as exc:
        raise wrong(ways[0] if "label" not in str(exc) else "privacy", str(exc)) from None
    turns = [{"role": "system", "content": str(system)}] if system else []
    return Item(
        id=str(row.get("id", line)),
        task=str(row.get("task", "")),
        label=label,
        messages=(*turns, {"role": "user", "content": prompt + _options(row.get("options", ()))}),
        max_tokens=most,
        check=check,
    )


def _options(options: Any) -> str:
    listed = "".join(f"\n{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False))
    return f"\n{listed}\n\nAnswer with the letter alone." if listed else ""


def _exact(row: Mapping[str, Any]) -> Check:
    wanted = row["exact"]
    texts = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError("is a text, or a list of texts of which each is right")
    return Exact(texts=texts)


def _regex(row: Mapping[str, Any]) -> Check:
    return Matches(pattern=matcher_of(str(row["regex"])))


def _number(row: Mapping[str, Any]) -> Check:
    figures = (row["number"], row.get("tolerance", 0))
    if any(isinstance(figure, bool) or not isinstance(figure, int | float) for figure in figures) or figures[1] < 0:
        raise ValueError("is a number, and `tolerance` one from 0 up")
    return Number(number=figures[0], tolerance=figures[1])


def _schema(row: Mapping[str, Any]) -> Check:
    if not isinstance(row["json_schema"], dict):
        raise TypeError("is a JSON schema: an object")
    return Schema(schema=row["json_schema"])


def _choice(row: Mapping[str, Any]) -> Check:
    letter, options = row["choice"], row.get("options", ())
    if not isinstance(options, list) or len(options) < 2 or letter not in list(LETTERS[: len(options)]):
        raise ValueError("is the letter of one of at least two `options`")
    return Choice(letter=letter)


WAYS: Mapping[str, Callable[[Mapping[str, Any]], Check]] = {
    "exact": _exact,
    "regex": _regex,
    "number": _number,
    "json_schema": _schema,
    "choice": _choice,
}
