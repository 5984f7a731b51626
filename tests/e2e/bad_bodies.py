"""
Malformed requests by the thousand, the same ones for the same seed: every one carries a canary.

`bad_requests` mixes kinds evenly, so that any slice of it has some of each.
"""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CANARY", "GOOD", "BadRequest", "bad_requests"]

CANARY = "zqCanaryqz"
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}
TURN = [
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": "yes"},
    {"role": "user", "content": "go"},
]
GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "auto", "messages": TURN, "max_tokens": 9},
    "/v1/completions": {"model": "auto", "prompt": "hello", "max_tokens": 9},
    "/v1/embeddings": {"model": "auto", "input": "hello"},
    "/v1/messages": {"model": "auto", "messages": TURN, "max_tokens": 9},
    "/v1/rerank": {"model": "auto", "query": "hello", "documents": ["hello"], "top_n": 1},
    "/v1/responses": {"model": "auto", "input": TURN},
}
RICH: dict[str, Any] = {
    "metadata": {"privacy": "internal", "task": "t", "session": "s", "max_cost_usd": 1, "deadline_ms": 9000},
    "stream": False, "stream_options": {"include_usage": True}, "n": 1, "best_of": 1, "stop": ["x"], "user": "u",
    "tools": [{"type": "function", "function": FUNCTION}], "functions": [FUNCTION], "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    "system": [{"type": "text", "text": "s"}], "instructions": "i", "text": {"format": {"type": "text"}},
    "reasoning": {"effort": "low"}, "logprobs": True, "top_logprobs": 2, "logit_bias": {"7": 1}, "temperature": 1,
    "previous_response_id": None, "conversation": None, "store": False, "max_completion_tokens": 9,
    "max_output_tokens": 9, "prediction": {"type": "content", "content": "x"}, "suffix": "s", "dimensions": 3,
    "encoding_format": "float", "thinking": {"type": "disabled"}, "stop_sequences": ["x"], "x_note": {"a": [1]},
    "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]}, {"role": "tool", "content": "x"}],
    "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}],
    "prompt": ["a", "b"], "model": "auto", "max_tokens": 9,
}  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**15, 2**64, 1e300, "", CANARY, [], {}, [None], [[[]]], [CANARY, 7], {CANARY: CANARY},
    {"type": [CANARY]}, {"role": {"a": CANARY}, "content": 7}, [{"type": {"a": 1}, "text": CANARY}],
    [{"role": CANARY, "content": CANARY}], [{"role": ["user"], "content": CANARY}], {"privacy": [], "priority": {}},
    [{"role": "user", "content": {"type": "image", "source": 7}}], "\x00" + CANARY, "\U0010ffff" * 3,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRequest:
    """One POST with a body of its declared length."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


Maker = Callable[[random.Random, str], BadRequest]


def bad_requests(seed: int, number: int) -> Iterator[BadRequest]:
    """So many requests, the kinds in turn, over all endpoints."""
    dice = random.Random(seed)
    for i in range(number):
        path = dice.choice([*GOOD])
        yield MAKERS[i % len(MAKERS)](dice, path)


def encoded(body: Any) -> bytes:
    """JSON as a careless client writes it."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def full(path: str) -> dict[str, Any]:
    """A good body with a canary in it."""
    return {**GOOD[path], "x_canary": CANARY}


def wrong_type(dice: random.Random, path: str) -> BadRequest:
    """One field of the endpoint, or an option, with a value of another type."""
    key = dice.choice([*GOOD[path], *RICH])
    return BadRequest(path=path, body=encoded({**full(path), key: dice.choice(ODD)}))


def wrong_inside(dice: random.Random, path: str) -> BadRequest:
    """A rich body in which one value, at any depth, became another."""
    body = json.loads(json.dumps({**RICH, **full(path)}))
    place: Any = body
    for _ in range(dice.randint(1, 5)):
        key = dice.choice([*place] if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or not place[key] or dice.random() < 0.2:
            break
        place = place[key]
    key = dice.choice([*place] if isinstance(place, dict) else range(len(place)))
    place[key] = dice.choice(ODD)
    return BadRequest(path=path, body=encoded(body))


def missing(dice: random.Random, path: str) -> BadRequest:
    """A body without something it needs, or no object at all."""
    body = full(path)
    shapes: list[Any] = [[body], CANARY, 7, None, True, {}, [], {CANARY: body}]
    for _ in range(dice.randint(1, 2)):
        body.pop(dice.choice([*body]))
    return BadRequest(path=path, body=encoded(dice.choice([body, body, *shapes])))


def damaged(dice: random.Random, path: str) -> BadRequest:
    """Good bytes, then cut, overwritten, doubled, prefixed or written in another encoding."""
    good = encoded(full(path))
    at = dice.randrange(len(good))
    junk = bytes(dice.randrange(256) for _ in range(dice.randint(1, 4)))
    changed = [
        good[:at], good[:at] + junk + good[at:], good[:at] + junk + good[at + len(junk) :], good + good, good + b"}",
        b"\xef\xbb\xbf" + good, b"\x00" + good, good + b"\x00", gzip.compress(good), b"", b" \n", good[::-1],
        good.decode().encode("utf-16"), good.decode().encode("utf-32-le"), good.replace(b'"', b"'"),
        good.replace(b"hello", b"\xff\xfe"), good.replace(b"hello", b"\\ud800"),
        good.replace(b"hello", b"\\udc00\\ud800"),
        good.replace(b"hello", b"\xed\xa0\x80"), good.replace(b"hello", b"\\x41"), good.replace(b"hello", b"a\nb"),
    ]  # fmt: skip
    return BadRequest(path=path, body=dice.choice(changed))


def odd_number(dice: random.Random, path: str) -> BadRequest:
    """Numbers that JSON does not have, or that fit nowhere."""
    words = ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-999", "0x10", "01", "+1", ".5", "5.", "1_0"]
    word = dice.choice([*words, "9" * dice.choice([19, 20, 40, 400, 5000]), f"1e{dice.randint(1, 400)}"])
    key = dice.choice(["max_tokens", "n", "temperature", "seed", "x_note", "max_output_tokens", "dimensions"])
    return BadRequest(path=path, body=encoded(full(path))[:-1] + f',"{key}":{word}}}'.encode())


def nested(dice: random.Random, path: str) -> BadRequest:
    """Depth in a known or unknown field, closed or not."""
    levels = dice.choice([10, 100, 190, 199, 201, 250, 254, 255, 256, 1000, 1023, 1024, 1025, 10_000, 100_000])
    opening, closing = dice.choice([("[", "]"), ('{"a":', "}"), ('[{"content":', "}]")])
    if levels > 1000:
        closing = dice.choice([closing, ""])
    deep = opening * levels + f'"{CANARY}"' + closing * levels
    key = dice.choice(["messages", "input", "documents", "prompt", "system", "tools", "metadata", "x_note", "model"])
    return BadRequest(path=path, body=encoded(full(path))[:-1] + f',"{key}":{deep}}}'.encode())


def doubled(dice: random.Random, path: str) -> BadRequest:
    """A key that stands twice, with values that disagree."""
    key = dice.choice([*GOOD[path], "metadata", "stream"])
    twice = f'"{key}":{json.dumps(dice.choice(ODD))},'
    return BadRequest(path=path, body=b"{" + twice.encode() + encoded({**full(path), key: dice.choice(ODD)})[1:])


def odd_header(dice: random.Random, path: str) -> BadRequest:
    """Our headers, and everybody's, with values of any kind."""
    names = ["privacy", "task", "session", "max-cost-usd", "deadline-ms", "priority", "unknown"]
    values = [CANARY, "", "-1", "NaN", "1e999999", "\xff\xfe", "a,b", "x" * 3000, "restricted, public", "²", "0" * 40]
    ours = {f"x-localfleet-{dice.choice(names)}": dice.choice(values)}
    kind = dice.choice(
        ["application/json", "text/plain", "multipart/form-data", CANARY, "", "application/json; charset=x"]
    )
    theirs = {"content-type": kind, "accept": CANARY, "authorization": f"Bearer {CANARY}", "x-api-key": CANARY}
    theirs |= {"content-encoding": dice.choice(["gzip", "br", CANARY, "identity"])}
    picked = dice.sample([*theirs], dice.randint(0, 3))
    return BadRequest(path=path, body=encoded(full(path)), headers=ours | {name: theirs[name] for name in picked})


def bad_path(dice: random.Random, path: str) -> BadRequest:
    """Paths that are nearly right."""
    tail = dice.choice(["/", f"/{CANARY}", f"?x={CANARY}", "%00", "/../models", "//", f"%2F{CANARY}", "/%ff"])
    return BadRequest(path=path + tail, body=encoded(full(path)))


MAKERS: tuple[Maker, ...] = (
    wrong_type, wrong_inside, wrong_type, missing, damaged, wrong_inside, odd_number, nested, damaged, doubled,
    odd_header, bad_path,
)  # fmt: skip
