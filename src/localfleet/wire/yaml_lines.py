"""YAML that remembers its lines and refuses duplicate keys."""

from dataclasses import dataclass, field
from typing import Any

import yaml

__all__ = ["Lines", "read_yaml"]

Loc = tuple[int | str, ...]


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

    def value(self, node: yaml.Node, path: Loc) -> Any:
        """Build the plain value of a node, noting lines and duplicates."""
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
            return yaml.SafeLoader("").construct_object(node)
        finally:
            self._open.discard(id(node))

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
