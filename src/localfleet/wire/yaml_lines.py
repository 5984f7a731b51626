"""
YAML that remembers its lines and refuses duplicate keys, and what a checker complains of, told by line.

Each complaint is a line, a place, and a sentence that a person can act on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

__all__ = ["Lines", "problems_of", "read_yaml"]

Loc = tuple[int | str, ...]
MOST_NODES = 20_000
"""Values in one file. Anchors that repeat anchors would otherwise grow without end."""

Problem = tuple[int | None, str, str]
NAME = "a name is short: letters, digits, `.`, `_` and `-`; names of models, tasks and plans are lower-case"
PLACE = "a place is written `metadata.department` or `messages[].name`: `[]` for a list, without a number"
SHAPE = "this must be a list of `key: value` lines; `localfleet init` writes an example"
UNKNOWN = "the keys are listed in the shipped models.yaml and docs/reference/models-yaml.md"
ACCEPTS = "every hosted model says the most sensitive label it may see, public or internal"


@dataclass(slots=True)
class Lines:
    """Where each key and item stood, by its path."""

    by_path: dict[Loc, int] = field(default_factory=dict)

    def of(self, loc: Loc) -> int | None:
        """The line of a path, or of its nearest parent that has one; counted from 1."""
        path = tuple(loc)
        while path:
            if path in self.by_path:
                return self.by_path[path]
            path = path[:-1]
        return self.by_path.get(())


class _Reader:
    def __init__(self) -> None:
        self.lines = Lines()
        self.problems: list[tuple[int | None, str]] = []
        self._open: set[int] = set()
        self._nodes = 0

    def value(self, node: yaml.Node, path: Loc) -> Any:
        """Build the plain value of a node, noting lines and duplicates."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ValueError("too many values")
        self.lines.by_path.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._open:
            self.problems.append((node.start_mark.line + 1, "an anchor contains itself"))
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            return yaml.SafeLoader("").construct_object(node)
        except ValueError:
            self.problems.append((node.start_mark.line + 1, "looks like a date or number and is none"))
            return None

    def _mapping(self, node: yaml.MappingNode, path: Loc) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append((line, "a key is a plain word here"))
                continue
            key = str(key_node.value)
            if key in out:
                first = self.lines.by_path.get((*path, key))
                self.problems.append((line, f"`{key}` stands twice (first in line {first}); keep one"))
                continue
            self.lines.by_path[(*path, key)] = line
            out[key] = self.value(value_node, (*path, key))
        return out


def read_yaml(text: bytes) -> tuple[Any, Lines, list[tuple[int | None, str]]]:
    """Return the data, its lines, and what is wrong with the syntax as `(line, sentence)`."""
    reader = _Reader()
    try:
        node = yaml.compose(text.decode("utf-8"), Loader=yaml.SafeLoader)
        data = reader.value(node, ()) if node is not None else {}
    except UnicodeDecodeError:
        return {}, reader.lines, [(None, "is not UTF-8 text; save it as UTF-8")]
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        return {}, reader.lines, [(mark.line + 1 if mark else None, f"is not valid YAML: {exc.problem}")]
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, reader.lines, [(None, "is not valid YAML")]
    return data, reader.lines, reader.problems


def problems_of(errors: Sequence[Mapping[str, Any]], lines: Lines) -> tuple[Problem, ...]:
    """`errors` are pydantic's, each with `type`, `loc` and `msg`; the result has each problem once, in their order."""
    places = [_place(error["loc"]) for error in errors]
    found: dict[Problem, None] = {}
    for error, place in zip(errors, places, strict=True):
        if not _said_better(error, place, places):
            path = ".".join(map(str, place))
            found[(lines.of(place), path, _sentence(error["type"], error["msg"], place))] = None
    return tuple(found)


def _place(loc: Loc) -> Loc:
    """Where in the file: pydantic's names for the branches of a union are no keys."""
    return tuple(part for part in loc if not str(part).startswith(("tuple[", "literal[", "[key]", "constrained-")))


def _said_better(error: Mapping[str, Any], place: Loc, places: Sequence[Loc]) -> bool:
    """A list or a word: what is wrong inside the list says more than that it is not the word."""
    branch = place != error["loc"]
    deeper = any(other[: len(place)] == place and len(other) > len(place) for other in places)
    return branch and (error["type"] == "tuple_type" or (error["type"] == "literal_error" and deeper))


def _sentence(kind: str, message: str, place: Loc) -> str:
    last = place[-1] if place else ""
    match kind:
        case "extra_forbidden":
            return f"unknown key `{last}`; {UNKNOWN}"
        case "string_pattern_mismatch":
            return PLACE if last == "field" else NAME
        case "model_type":
            return SHAPE
        case "missing":
            return f"`{last}:` is missing" + (f": {ACCEPTS}" if last == "accepts" else "")
        case "literal_error" if last in {"gpus", "detectors"}:
            return f"{message.removeprefix('Input should be ')}, or a list"
    return message.removeprefix("Value error, ")
