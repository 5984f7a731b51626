"""
Labelled prompts: JSON lines from files, turned at once into features; the text is not kept.

A line has `text` (or `prompt`, or `messages`, or `features` that were kept), and says which models answered well:
`weak` and `strong` as true, false or a number from 0 to 1, or `scores` with a number for each model, perhaps `cost`
in USD for each. `subject`, `task` or `src` names a group, for measuring on groups that training never saw.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from localfleet.core.routing.kept import features_row
from localfleet.core.routing.shape import SHAPE, shape_of
from localfleet.core.routing.words import BUCKETS, buckets_of
from localfleet.errors import FleetError

__all__ = ["Kept", "Labelled", "features_by_id", "kept_features", "read_features", "read_labelled", "text_of"]

More = Callable[[str], Sequence[float]]
Levels = Callable[[str], float]
_PAIR = ("weak", "strong")
_KEPT = (*_PAIR, "scores", "cost", "subject", "task", "src", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One prompt as features, with how well each model answered (0 to 1)."""

    shape: Sequence[float]
    words: Mapping[int, int]
    scores: Mapping[str, float]
    cost_usd: Mapping[str, float]
    group: str
    mark: int
    """32 bits of the `id`, else of the text: tells whether two lines are the same prompt."""
    level: float = 0.0
    """What an operator's own words say of it, to be measured beside the others; training does not read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One prompt as features, and the mark by which it is known."""

    shape: Sequence[float]
    words: Mapping[int, int]
    mark: int


def read_labelled(
    lines: Iterable[bytes],
    *,
    name: str,
    judged: Mapping[str, Mapping[str, float]] | None = None,
    more: More | None = None,
    levels: Levels | None = None,
) -> Iterator[Labelled]:
    """
    Read labelled prompts; raises `FleetError` that names the file and the line of the first bad one.

    With `judged` (request id -> scores) a line is labelled by its `id`; a line that neither has a label nor was judged
    is passed over. What `more` makes of a text (its embedding, or what a classifier sees of it) stands behind
    its shape. `levels` is what an operator's words say of a text; a line of kept features has none to ask.
    """
    for number, row in _rows(lines, name):
        if judged is not None and not _has_label(row):
            if str(row.get("id")) not in judged:
                continue
            row["scores"] = judged[str(row["id"])]
        where = f"{name}:{number}"
        shape, words = _features(row, where, more)
        yield Labelled(
            shape=shape,
            words=words,
            scores=_scores(row, where),
            cost_usd={str(key): float(value) for key, value in (row.get("cost") or {}).items()},
            group=str(row.get("subject") or row.get("task") or row.get("src") or ""),
            mark=_mark(row),
            level=0.0 if levels is None else levels(_text(row, where)),
        )


def read_features(
    lines: Iterable[bytes], *, name: str, more: More | None = None
) -> Iterator[tuple[Sequence[float], Mapping[int, int]]]:
    """Read prompts, labelled or not, as features, one for each line; raises as `read_labelled`."""
    return (_features(row, f"{name}:{number}", more) for number, row in _rows(lines, name))


def features_by_id(files: Iterable[Path]) -> dict[str, Kept]:
    """The features of files by the request id that they were kept with; raises `FleetError` as `read_labelled`."""
    found: dict[str, Kept] = {}
    for file in files:
        with file.open("rb") as lines:
            for number, row in _rows(lines, str(file)):
                if row.get("id"):
                    shape, words = _features(row, f"{file}:{number}")
                    found[str(row["id"])] = Kept(shape=shape, words=words, mark=_mark(row))
    return found


def kept_features(lines: Iterable[bytes], *, name: str) -> Iterator[dict[str, Any]]:
    """Rows with features in the place of their text: what one may keep, or hand to whoever trains."""
    for number, row in _rows(lines, name):
        shape, words = _features(row, f"{name}:{number}")
        kept = {key: row[key] for key in _KEPT if key in row}
        yield kept | {"features": features_row(shape, words)}


def text_of(row: Mapping[str, Any]) -> str | None:
    """The words that a decision looks at: `text`, `prompt`, or the last turn of the user in `messages`."""
    for key in ("text", "prompt"):
        if isinstance(row.get(key), str):
            return str(row[key])
    turns = row.get("messages")
    if isinstance(turns, list):
        for turn in reversed(turns):
            if isinstance(turn, dict) and turn.get("role") == "user":
                return _content(turn.get("content"))
    return None


def _text(row: Mapping[str, Any], where: str) -> str:
    text = text_of(row)
    if text is None:
        raise FleetError(f"{where} has no `text`, `prompt` or `messages` in which words could be found")
    return text


def _content(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _rows(lines: Iterable[bytes], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise FleetError(f"{name}:{number} is no JSON; give one JSON object a line") from None
        if not isinstance(row, dict):
            raise FleetError(f"{name}:{number} is no JSON object; give one object a line")
        if number == 1 and _is_title(row):
            continue
        yield number, row


def _is_title(row: Mapping[str, Any]) -> bool:
    return "licence" in row and "features" not in row and text_of(row) is None


def _features(
    row: Mapping[str, Any], where: str, more: More | None = None
) -> tuple[Sequence[float], Mapping[int, int]]:
    text = text_of(row)
    if text is not None:
        return [*shape_of(text), *(() if more is None else more(text))], buckets_of(text)
    if more is not None:
        raise FleetError(f"{where} has no `text`, `prompt` or `messages`, of which an embedding could be made")
    kept = row.get("features")
    try:
        shape = [float(x) for x in kept["shape"]]  # type: ignore[index]  # TypeError is the answer below
        words = {int(bucket): int(count) for bucket, count in kept["words"].items()}  # type: ignore[index]  # the same
    except (TypeError, KeyError, ValueError, AttributeError):
        raise FleetError(f"{where} has no `text`, `prompt`, `messages` or `features`; add one of them") from None
    if len(shape) != len(SHAPE) or any(not 0 <= bucket < BUCKETS or count < 1 for bucket, count in words.items()):
        raise FleetError(f"{where} has features of another release; make them again with `localfleet routing features`")
    return shape, words


def _mark(row: Mapping[str, Any]) -> int:
    told = row.get("id") or text_of(row) or row.get("features")
    return crc32(str(told).encode())


def _has_label(row: Mapping[str, Any]) -> bool:
    return "scores" in row or any(key in row for key in _PAIR)


def _scores(row: Mapping[str, Any], where: str) -> Mapping[str, float]:
    given = row["scores"] if isinstance(row.get("scores"), dict) else {key: row[key] for key in _PAIR if key in row}
    scores = {str(model): float(score) for model, score in given.items() if isinstance(score, bool | int | float)}
    if len(scores) != len(given) or not scores:
        raise FleetError(f"{where} has no label; add `weak` and `strong` (true or false), or `scores` by model")
    if not all(0 <= score <= 1 for score in scores.values()):
        raise FleetError(f"{where} has a score outside 0 to 1; divide by the most that one can get")
    return scores
