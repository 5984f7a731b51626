"""
Thousands of bodies that no client should send, made from good ones, the same at every run.

Each holds a canary, so that an answer which quotes its request is seen. `Bad` is one request; nothing here sends any.
"""

import gzip
import json
import random
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

__all__ = ["CANARY", "GOOD", "Bad", "bad_requests", "canary_of"]

CANARY = "CANARY"
"""Every canary begins so; what follows makes it unique."""
JSON = "application/json"
TOOL = {"type": "function", "function": {"name": "look", "description": "d", "parameters": {"type": "object"}}}
CHAT: dict[str, Any] = {
    "model": "auto",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
    ],
    "tools": [TOOL],
    "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "stream": False,
    "stream_options": {"include_usage": True},
    "max_tokens": 9,
    "max_completion_tokens": 9,
    "n": 1,
    "logprobs": False,
    "metadata": {
        "privacy": "public", "task": "t", "session": "s", "max_cost_usd": 1, "deadline_ms": 9000, "priority": "live",
    },
}  # fmt: skip
GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": {
        "model": "auto", "prompt": ["Hello"], "stream": False, "max_tokens": 9, "n": 1, "best_of": 1, "logprobs": 1,
        "suffix": "end", "metadata": {"privacy": "internal"},
    },
    "/v1/embeddings": {
        "model": "local", "input": ["Hello"], "dimensions": 8, "encoding_format": "float", "user": "u",
        "metadata": {"task": "t"},
    },
    "/v1/messages": {
        "model": "auto", "max_tokens": 9, "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "found"}]},
        ],
        "tools": [{"name": "look", "input_schema": {"type": "object"}}], "tool_choice": {"type": "auto"},
        "stream": False, "stop_sequences": ["x"], "output_config": {"format": None}, "metadata": {"user_id": "u"},
    },
    "/v1/responses": {
        "model": "auto", "instructions": "Be brief.",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "found"},
        ],
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}], "tool_choice": "auto",
        "text": {"format": {"type": "text"}}, "reasoning": {"effort": "low"}, "stream": False, "store": False,
        "max_output_tokens": 9, "previous_response_id": None, "conversation": None, "prompt": None,
    },
}  # fmt: skip
WRONG: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1e308, 2**31, 2**63, 2**64, 10**40, -(10**40), "", "CANARY", "\x00", "\ud7ff",
    "restricted", [], {}, [[]], [None], [{}], ["CANARY"], [1, 2, 3], {"CANARY": {"CANARY": ["CANARY"]}},
    {"type": []}, {"type": {"a": 1}, "role": []}, [{"type": "CANARY"}], [{"role": [], "content": 1}],
)  # fmt: skip
DEPTHS = (10, 100, 199, 200, 201, 240, 253, 254, 255, 500, 1000, 1023, 1024, 1025, 5000, 20_000, 100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """One request: what is wrong with it, where it goes, its bytes, and its headers."""

    what: str
    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("content-type", JSON),)


def canary_of(number: int) -> str:
    """The canary of the so-manieth request."""
    return f"{CANARY}q{number:06d}x"


def bad_requests(path: str, seed: int = 1) -> list[Bad]:
    """Every bad request for one endpoint; the placeholder in each is its own canary."""
    chance = random.Random(f"{seed} {path}")
    found = [*_wrong_types(path), *_broken_texts(path), *_deep(path), *_bit_rot(path, chance), *_odd_headers(path)]
    return [_signed(bad, number) for number, bad in enumerate(found)]


def _signed(bad: Bad, number: int) -> Bad:
    canary = canary_of(number)
    headers = tuple((name, value.replace(CANARY, canary)) for name, value in bad.headers)
    return Bad(what=bad.what, path=bad.path, body=bad.body.replace(CANARY.encode(), canary.encode()), headers=headers)


def _good(path: str) -> dict[str, Any]:
    return {**deepcopy(GOOD[path]), "user": CANARY}


def _wrong_types(path: str) -> Iterator[Bad]:
    """Every value of every field wrong in every way, each field missing, each doubled into a list."""
    whole = _good(path)
    for place in list(_places(whole)):
        for value in WRONG:
            yield _bad(f"{place} is {str(value)[:20]!r}", path, _dumps(_with(whole, place, value)))
        yield _bad(f"{place} is missing", path, _dumps(_without(whole, place)))
    for value in WRONG:
        yield _bad(f"the body is {str(value)[:20]!r}", path, _dumps(value))


def _places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value inside, outer ones first."""
    if place:
        yield place
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(inner, (*place, key))


def _with(whole: Any, place: tuple[str | int, ...], value: Any) -> Any:
    changed = deepcopy(whole)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return changed


def _without(whole: Any, place: tuple[str | int, ...]) -> Any:
    changed = deepcopy(whole)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    del holder[place[-1]]
    return changed


def _dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def _bad(what: str, path: str, body: bytes) -> Bad:
    return Bad(what=what, path=path, body=body)


def _broken_texts(path: str) -> Iterator[Bad]:
    good = _dumps(_good(path))
    text = good.decode()
    for name, body in {
        "nothing": b"", "space": b"  \n", "CANARY": b"CANARY", "a byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": text.encode("utf-16"), "UTF-16 without a mark": text.encode("utf-16-le"),
        "UTF-32": text.encode("utf-32"), "NUL behind": good + b"\x00", "NUL before": b"\x00" + good,
        "two bodies": good + good, "a comment": b"/* CANARY */" + good, "a trailing comma": good[:-1] + b",}",
        "single quotes": text.replace('"', "'").encode(), "no quotes": text.replace('"', "").encode(),
        "latin-1": text.replace("Hello", "\xe9\xe8\xff").encode("latin-1"), "a form": b"model=auto&CANARY=1",
        "an array around": b"[" + good + b"]", "a string around": json.dumps(text).encode(),
    }.items():  # fmt: skip
        yield _bad(name, path, body)
    for end in range(1, len(good), max(1, len(good) // 40)):
        yield _bad(f"cut after {end} bytes", path, good[:end])
    for literal in (
        "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "1.", ".5", "+1", "0x10", "1_000", "9" * 5000,
        "1" + "0" * 400, "1e-999", "tru", "undefined", '"\\ud800"', '"\\udfff\\ud800"', '"\\ud83d"', '"\\x41"',
        '"\\u12"', '"\t"', '"\n"', '"CANARY', "'CANARY'",
    ):  # fmt: skip
        for field in ("max_tokens", "temperature", "CANARY", "model"):
            yield _bad(f"{field} is {literal[:12]}", path, f'{{"{field}": {literal}, '.encode() + good[1:])
    for raw in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80"):
        yield _bad(f"invalid UTF-8 {raw.hex()}", path, good.replace(b"Hello", b"Hello" + raw))
        yield _bad(f"a key of {raw.hex()}", path, b'{"' + raw + b'": 1, ' + good[1:])


def _deep(path: str) -> Iterator[Bad]:
    good = _dumps(_good(path))
    for depth in DEPTHS:
        for name, opening, closing in (("lists", b"[", b"]"), ("objects", b'{"a":', b"}"), ("unclosed", b"[", b"")):
            nest = opening * depth + b"1" * bool(closing) + closing * depth
            for field in ("extra", "messages", "input", "prompt", "metadata", "tools"):
                yield _bad(f"{depth} {name} in {field}", path, good[:-1] + f', "{field}": '.encode() + nest + b"}")


def _bit_rot(path: str, chance: random.Random) -> Iterator[Bad]:
    """Good bodies with a few bytes changed, lost or doubled."""
    good = _dumps(_good(path))
    for number in range(120):
        rotten = bytearray(good)
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(rotten))
            match chance.randrange(3):
                case 0:
                    rotten[at] = chance.randrange(256)
                case 1:
                    del rotten[at]
                case _:
                    rotten[at:at] = rotten[at : at + chance.randint(1, 40)]
        yield _bad(f"rotten {number}", path, bytes(rotten))


def _odd_headers(path: str) -> Iterator[Bad]:
    good = _dumps(_good(path))
    odd = ("", "CANARY", "\xff\xfe CANARY", "-1", "0", "NaN", "1e400", "9" * 400, "x" * 9000 + "CANARY", "public, CANARY")
    for name in ("privacy", "task", "session", "max-cost-usd", "deadline-ms", "priority"):
        for value in odd:
            headers = (("content-type", JSON), (f"x-localfleet-{name}", value))
            yield Bad(what=f"{name}: {value[:12]!r}", path=path, body=good, headers=headers)
        twice = (("content-type", JSON), *((f"x-localfleet-{name}", value) for value in ("1", "CANARY")))
        yield Bad(what=f"{name} twice", path=path, body=good, headers=twice)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=CANARY", "", "a/b/c"):
        yield Bad(what=f"content type {kind}", path=path, body=good, headers=(("content-type", kind),))
    for encoding in ("gzip", "deflate", "br", "CANARY"):
        headers = (("content-type", JSON), ("content-encoding", encoding))
        yield Bad(what=f"{encoding} encoding", path=path, body=gzip.compress(good, mtime=0), headers=headers)
