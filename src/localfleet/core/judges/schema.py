"""
JSON against a schema: the part of JSON Schema (draft 2020-12) that models are asked for.

`type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `prefixItems`, `anyOf`, `allOf`,
`oneOf`, `not`, `$ref` into the same schema, and the bounds of numbers, texts, lists and objects. Keywords that are not
listed, `pattern` and `format` among them, are not looked at: such a schema is held to what is known here.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["fits"]

DEEPEST = 100
TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
}
BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: not _is_number(value) or value >= bound,
    "maximum": lambda value, bound: not _is_number(value) or value <= bound,
    "exclusiveMinimum": lambda value, bound: not _is_number(value) or value > bound,
    "exclusiveMaximum": lambda value, bound: not _is_number(value) or value < bound,
    "minLength": lambda value, bound: not isinstance(value, str) or len(value) >= bound,
    "maxLength": lambda value, bound: not isinstance(value, str) or len(value) <= bound,
    "minItems": lambda value, bound: not isinstance(value, list) or len(value) >= bound,
    "maxItems": lambda value, bound: not isinstance(value, list) or len(value) <= bound,
    "minProperties": lambda value, bound: not isinstance(value, dict) or len(value) >= bound,
    "maxProperties": lambda value, bound: not isinstance(value, dict) or len(value) <= bound,
}


def fits(value: Any, schema: Any) -> bool:
    """Whether a JSON value fits; a schema that is itself malformed, or refers nowhere, fits nothing."""
    try:
        return _fits(value, schema, schema, 0)
    except (TypeError, KeyError, ValueError, IndexError, AttributeError, RecursionError):
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(value: Any, schema: Any, root: Any, depth: int) -> bool:
    if isinstance(schema, bool):
        return schema
    if depth > DEEPEST:
        return False
    if "$ref" in schema and not _fits(value, _found(root, schema["$ref"]), root, depth + 1):
        return False
    return all(_held(value, schema, root, depth + 1))


def _held(value: Any, schema: Mapping[str, Any], root: Any, depth: int) -> Iterator[bool]:
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        yield any(TYPES[name](value) for name in names)
    if "enum" in schema:
        yield any(_same(value, one) for one in schema["enum"])
    if "const" in schema:
        yield _same(value, schema["const"])
    for word, bound in BOUNDS.items():
        if word in schema:
            yield bound(value, schema[word])
    yield from _combined(value, schema, root, depth)
    if isinstance(value, dict):
        yield from _object(value, schema, root, depth)
    if isinstance(value, list):
        yield from _array(value, schema, root, depth)


def _combined(value: Any, schema: Mapping[str, Any], root: Any, depth: int) -> Iterator[bool]:
    for word, enough in (("anyOf", any), ("allOf", all)):
        if word in schema:
            yield enough(_fits(value, one, root, depth) for one in schema[word])
    if "oneOf" in schema:
        yield sum(_fits(value, one, root, depth) for one in schema["oneOf"]) == 1
    if "not" in schema:
        yield not _fits(value, schema["not"], root, depth)


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], root: Any, depth: int) -> Iterator[bool]:
    known = schema.get("properties", {})
    yield all(name in value for name in schema.get("required", ()))
    for name, inner in value.items():
        yield _fits(inner, known[name] if name in known else schema.get("additionalProperties", True), root, depth)


def _array(value: list[Any], schema: Mapping[str, Any], root: Any, depth: int) -> Iterator[bool]:
    first = schema.get("prefixItems", ())
    for i, inner in enumerate(value):
        yield _fits(inner, first[i] if i < len(first) else schema.get("items", True), root, depth)


def _same(value: Any, other: Any) -> bool:
    """JSON's equality: true is not 1."""
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def _found(root: Any, ref: str) -> Any:
    if not ref.startswith("#"):
        raise ValueError("only references into the same schema are followed")
    for step in ref[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        root = root[int(name)] if isinstance(root, list) else root[name]
    return root
