"""
The side doors: every endpoint that takes no prompt, with a word in each place where a caller can write one.

`knocks` are requests with words of the family SIDE. No answer, tap, file or page may hold one; what a caller handed in
itself (the name and content of its own file, metadata of its own batch) may come back to it in a good answer.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from canary_fields import HEADERS
from crowd_batches import BOUNDARY, form
from crowd_cases import House
from crowd_rig import Crowd
from crowd_words import Family
from reload_rig import admin
from router import Response

__all__ = ["DOORS", "Knock", "knocks", "wrong_at_side_doors"]

Pairs = tuple[tuple[str, str], ...]
JSON: Pairs = (("content-type", "application/json"),)
LINE = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "auto", "messages": []}}
ENDPOINTS = (
    "GET /v1/models", "POST /v1/files", "GET /v1/files", "POST /v1/batches", "GET /v1/batches", "POST /api/feedback",
    "GET /api/tickets", "POST /api/tickets", "GET /api/receipts", "GET /api/summary", "GET /api/status",
    "POST /api/reload", "GET /console", "GET /metrics", "GET /readyz", "GET /healthz", "GET /openapi.json",
)  # fmt: skip
DOORS = (*ENDPOINTS, "explain")
LISTS = frozenset({"GET /v1/files", "GET /v1/batches"})
"""Who handed in files and batches sees their names again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """One request with a word in `place`. `own`: the caller's own words may come back with status 200."""

    door: str
    place: str
    method: str
    path: str
    headers: Pairs = ()
    body: bytes | None = None
    own: bool = False


def knocks(word: str) -> Iterator[Knock]:
    """Everything, with the same word."""
    yield from _transport(word)
    yield from _files(word)
    yield from _batches(word)
    yield from _feedback(word)
    yield from _tickets(word)
    for name in ("limit", "by", "hours", word):
        for door in ("GET /api/receipts", "GET /api/summary"):
            path = f"{door.partition(' ')[2]}?{name}={word}"
            yield Knock(door=door, place=f"query {'any' if name == word else name}", method="GET", path=path)


def _transport(word: str) -> Iterator[Knock]:
    """Headers, queries, paths below, and bodies where none is wanted."""
    for door in ENDPOINTS:
        method, _, path = door.partition(" ")
        body = b"{}" if method == "POST" else None
        for name in HEADERS:
            yield Knock(door=door, place=f"header {name}", method=method, path=path, headers=((name, word),), body=body)
        for place, bent in (("query", f"{path}?q={word}"), ("path below", f"{path}/{word}"), ("path", f"{path}{word}")):
            yield Knock(door=door, place=place, method=method, path=bent, body=body)
        yield Knock(door=door, place="method", method=word, path=path, body=body)
        for place, raw in (("body", word.encode()), ("json", json.dumps({word: word}).encode())):
            yield Knock(door=door, place=place, method=method, path=path, headers=JSON, body=raw)


def _files(word: str) -> Iterator[Knock]:
    for place, (headers, body) in {
        "file name": form(f"{word}.jsonl", json.dumps(LINE).encode()),
        "file name, escaped": form(f'a\\"{word}.jsonl', json.dumps(LINE).encode()),
        "purpose": form("a.jsonl", json.dumps(LINE).encode(), purpose=word),
        "content, no JSON": form("a.jsonl", word.encode()),
        "content": form("a.jsonl", json.dumps({**LINE, "custom_id": word}).encode()),
    }.items():
        yield Knock(
            door="POST /v1/files", place=place, method="POST", path="/v1/files", headers=headers, body=body, own=True
        )
    headers, body = form("a.jsonl", b"{}")
    for place, boundary in (("boundary", word), ("boundary of another", f"{BOUNDARY}; note={word}")):
        head = (("content-type", f"multipart/form-data; boundary={boundary}"),)
        yield Knock(door="POST /v1/files", place=place, method="POST", path="/v1/files", headers=head, body=body)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
        at = f"/v1/files/{word}{path}"
        yield Knock(door="GET /v1/files", place=f"id, {method} {path}", method=method, path=at)


def _batches(word: str) -> Iterator[Knock]:
    good = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    wrongs: Mapping[str, Mapping[str, object]] = {
        "input file": {"input_file_id": word}, "endpoint": {"endpoint": word}, "window": {"completion_window": word},
        "metadata": {"metadata": {word: word}}, "metadata of a wrong type": {"metadata": [word]}, "unknown": {word: 1},
    }  # fmt: skip
    for place, wrong in wrongs.items():
        body = json.dumps({**good, **wrong}).encode()
        yield Knock(door="POST /v1/batches", place=place, method="POST", path="/v1/batches", headers=JSON, body=body)
    for method, path in (("GET", ""), ("POST", "/cancel")):
        at = f"/v1/batches/{word}{path}"
        yield Knock(door="GET /v1/batches", place=f"id, {method}", method=method, path=at, body=b"{}")


def _feedback(word: str) -> Iterator[Knock]:
    good = {"request_id": "0" * 24, "accepted": True}
    for name in ("request_id", "accepted", "corrected", "score", "comment", word):
        body = json.dumps({**good, name: word}).encode()
        place = "unknown" if name == word else name
        yield Knock(
            door="POST /api/feedback", place=place, method="POST", path="/api/feedback", headers=JSON, body=body
        )


def _tickets(word: str) -> Iterator[Knock]:
    for place, path, value in (
        ("id", f"/api/tickets/{word}/take", {"who": "ann"}),
        ("who", "/api/tickets/000000000000000000000000/take", {"who": word}),
        ("text", "/api/tickets/000000000000000000000000/answer", {"text": word}),
        ("unknown", "/api/tickets/000000000000000000000000/answer", {"text": "x", word: word}),
        ("wrong type", "/api/tickets/000000000000000000000000/answer", {"text": [word]}),
    ):
        body = json.dumps(value).encode()
        yield Knock(door="POST /api/tickets", place=place, method="POST", path=path, headers=JSON, body=body)


def wrong_at_side_doors(crowd: Crowd, number: int) -> tuple[list[str], set[tuple[str, str]]]:
    """Knock at every door, as a caller, an admin and a stranger in turn; what is wrong, and what was tried."""
    word = crowd.words.word(Family.SIDE, number)
    found, tried = [], set()
    for house, router in crowd.routers.items():
        key, people = {"authorization": f"Bearer {crowd.tokens[house]['plain']}"}, admin(router)
        for knock, who in zip(knocks(word), cycle((key, people, key, {}, key)), strict=False):
            tried.add((knock.door, knock.place))
            answer = router.send(knock.method, knock.path, knock.body, (*knock.headers, *who.items()))
            found += [f"{knock.door}, {knock.place}: {said}" for said in _wrong(crowd, knock, answer)]
        found += _tickets_of_the_crowd(crowd, house, word)
        found += _explained(crowd, house)
    tried.add(("explain", "a body"))
    return found, tried


def _wrong(crowd: Crowd, knock: Knock, answer: Response) -> Iterator[str]:
    own = knock.own or knock.door in LISTS
    body = b"" if own and answer.status == 200 else answer.body
    head = "\r\n".join(f"{name}: {value}" for name, value in answer.headers.items()).encode("latin-1")
    if answer.status == 500:
        yield "localfleet failed inside"
    yield from crowd.words.told(head + b"\r\n" + body)


def _tickets_of_the_crowd(crowd: Crowd, house: House, word: str) -> Iterator[str]:
    """Requests that wait for a person are listed without words; one is taken and answered with words of its own."""
    router, people = crowd.routers[house], admin(crowd.routers[house])
    listed = router.get("/api/tickets", people)
    yield from (f"tickets: {said}" for said in crowd.words.told(listed.everything))
    for ticket in listed.json["tickets"][:3]:
        router.post(f"/api/tickets/{ticket['id']}/take", {"who": "ann"}, people)
        router.post(f"/api/tickets/{ticket['id']}/answer", {"text": word}, people)


def _explained(crowd: Crowd, house: House) -> Iterator[str]:
    """The dry run says labels and doors, and none of the words."""
    rows = [
        {"model": "auto", "messages": [{"role": "user", "content": value % crowd.words.word(family, 1)}]}
        for family in Family
        for value in ("%s", "%s@firm.io", "my card is 4111 1111 1111 1111, %s")
    ]
    file = crowd.routers[house].folder.parent / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for words in (("explain", "--jsonl", str(file), "--json"), ("explain", "--jsonl", str(file))):
        done = crowd.routers[house].run(*words)
        assert done.returncode == 0, done.stderr
        yield from (f"explain: {said}" for said in crowd.words.told(done.stdout + done.stderr))


def places_of(word: str) -> Sequence[tuple[str, str]]:
    """Every door and place there is."""
    return [("explain", "a body"), *((knock.door, knock.place) for knock in knocks(word))]
