"""
What is wrong with what a case left behind, and with what the whole run left behind: sentences, none if all is well.

Nothing here starts or sends anything.
"""

import json
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from canary import Sieve, traces
from canary_fields import Place
from router import Response
from wire_tap import HOSTED, Rig, Seen, Tally

from localfleet.core.label import Label

__all__ = ["Books", "balanced", "book_problems", "left_behind", "problems", "read_books", "settled_books"]

ANY_CANARY = re.compile(rb"CANARY[A-Z2-7]{16}", re.IGNORECASE)
ANY_LANE = re.compile(rb"lane-([0-9]+)")


def problems(seen: Seen) -> list[str]:
    """Everything that must not be."""
    return [*_at_hosted(seen), *_at_local(seen), *_in_answers(seen), *_mixed_up(seen), *_decided(seen)]


def _at_hosted(seen: Seen) -> Iterator[str]:
    for name in HOSTED:
        data = seen.received[name]
        if seen.case.restricted and data:
            yield f"LEAK: {len(data)} bytes of a restricted request reached {name}"
        for field, canary in seen.planted:
            if not seen.case.may_leave(field) and (found := traces(data, canary)):
                yield f"LEAK: the canary of {field.name!r} reached {name} ({found})"
    if seen.elsewhere:
        yield f"LEAK: {seen.elsewhere} bytes reached a host that no model names"


def _at_local(seen: Seen) -> Iterator[str]:
    for field, canary in seen.planted:
        if field.place is not Place.BODY and traces(seen.received["local"], canary):
            yield f"the canary of a header, query or path was handed to the local engine: {field.name!r}"


def _in_answers(seen: Seen) -> Iterator[str]:
    for answer in seen.answers:
        for field, canary in seen.planted:
            if found := traces(_head(answer), canary):
                yield f"the canary of {field.name!r} is in a response header ({found})"
            said = field.answered and answer.status == 200
            if not said and (found := traces(answer.body, canary)):
                yield f"the canary of {field.name!r} is in an answer with status {answer.status} ({found})"


def _head(answer: Response) -> bytes:
    return "\r\n".join(f"{name}: {value}" for name, value in answer.headers.items()).encode("latin-1")


def _mixed_up(seen: Seen) -> Iterator[str]:
    """Words of another case or of another lane's models."""
    mine = {canary.encode() for _, canary in seen.planted}
    places = [*seen.received.items(), *(("the answer", answer.everything) for answer in seen.answers)]
    for name, data in places:
        if {found.upper() for found in ANY_CANARY.findall(data)} - mine:
            yield f"MIX-UP: the canary of another case is at {name}"
        if set(ANY_LANE.findall(data)) - {b"%d" % seen.lane}:
            yield f"MIX-UP: the answer of another lane is at {name}"


def _decided(seen: Seen) -> Iterator[str]:
    for answer in seen.answers:
        if answer.status and "x-localfleet-request-id" not in answer.headers:
            yield f"an answer with status {answer.status} has no request id"
        if answer.status == 500 or answer.headers.get("x-localfleet-reason") == "internal_error":
            yield "localfleet failed inside"
        if seen.case.restricted and answer.status == 200:
            decided = (answer.headers.get("x-localfleet-tier"), answer.headers.get("x-localfleet-privacy"))
            if decided != ("local", "restricted"):
                yield f"a restricted request was answered as {decided}"


def left_behind(rig: Rig, tally: Tally, *, commands: bool = False) -> list[str]:
    """
    Canaries in anything the router wrote, prints or shows: files, output, the process, metrics, pages, reports.

    With `commands` also in what the commands over the books print and export, which takes seconds.
    """
    sieve = Sieve(tally.canaries)
    told = _told_by_commands(rig) if commands else {}
    return [
        f"LEFT BEHIND: {len(found)} canaries in {name}, as {sorted(set().union(*found.values()))}"
        for name, data in {**told, **_places(rig)}.items()
        if (found := sieve.find(data))
    ]


def _places(rig: Rig) -> Mapping[str, bytes]:
    router = rig.router
    places = dict(router.at_rest())
    if not router.alive():
        return places
    key = {"authorization": f"Bearer {rig.lanes[0].tokens['plain']}"}
    token = re.search(rb"#token=([A-Za-z0-9_-]+)", router.output())
    assert token is not None
    admin = {"authorization": f"Bearer {token[1].decode()}"}
    for path in ("/metrics", "/readyz", "/v1/models", "/openapi.json", "/console"):
        places[path] = router.get(path, key).everything
    for path in ("/api/receipts?limit=500", "/api/status", *(f"/api/summary?by={by}" for by in BY)):
        shown = router.get(path, admin)
        assert shown.status == 200, path
        places[path] = shown.everything
    assert b"localfleet" in places["/metrics"]
    return places


def _told_by_commands(rig: Rig) -> Mapping[str, bytes]:
    told = {}
    for words in COMMANDS:
        done = rig.router.run(*words)
        told[f"`localfleet {' '.join(words)}`"] = done.stdout + done.stderr
        assert done.stdout, words
    return told


COMMANDS = (
    ("report", "--by", "task", "--json"),
    ("report", "--by", "key"),
    ("keys", "list", "--json"),
    ("audit", "verify"),
    ("audit", "export", "exported.jsonl"),
    ("doctor",),
)
BY = ("model", "tier", "label", "task", "key", "reason", "day", "api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The ledger, read: receipts and intents as they stand in the chain."""

    receipts: list[dict[str, Any]]
    intents: Counter[tuple[str, str]]


def read_books(home: Path) -> Books:
    """Read the chain, while the router writes or after it."""
    with closing(sqlite3.connect(f"file:{home / 'ledger.db'}?mode=ro", uri=True)) as database:
        rows = [(kind, orjson.loads(body)) for kind, body in database.execute("SELECT kind, body FROM chain")]
    return Books(
        receipts=[body for kind, body in rows if kind == "receipt"],
        intents=Counter((body["request_id"], body["model"]) for kind, body in rows if kind == "intent"),
    )


def book_problems(books: Books, tallies: Sequence[Tally]) -> list[str]:
    """What the books lack or have too much: one receipt for each request, an intent for each POST at a hosted tap."""
    labels = {receipt["request_id"]: receipt["label"] for receipt in books.receipts}
    strangers = labels.keys() - {one.request_id for tally in tallies for one in tally.sent}
    nameless = sum(map(_nameless, tallies))
    found = [] if len(labels) == len(books.receipts) else ["a request has more than one receipt"]
    if len(strangers) > nameless:
        found.append(f"{len(strangers)} receipts of requests nobody sent; at most {nameless} callers left unanswered")
    for number, tally in enumerate(tallies):
        found += [f"lane {number}: {text}" for text in _lane_problems(books, labels, tally)]
    return found


def _nameless(tally: Tally) -> int:
    """Requests whose caller left before the answer's headers: their ids are not known."""
    return sum(one.known and one.request_id is None for one in tally.sent)


def _lane_problems(books: Books, labels: Mapping[str, int], tally: Tally) -> Iterator[str]:
    sent = {one.request_id: one for one in tally.sent if one.request_id is not None and one.known}
    if missing := sent.keys() - labels.keys():
        yield f"{len(missing)} answered requests have no receipt: {sent[min(missing)].about}"
    lower = [name for name, one in sent.items() if one.restricted and labels.get(name) != Label.RESTRICTED]
    if lower:
        yield f"{len(lower)} restricted requests have a receipt with a lower label: {sent[lower[0]].about}"
    unannounced = [post for post, number in tally.posts.items() if number > books.intents[post]]
    if unannounced:
        yield f"LAW 7: {len(unannounced)} requests reached a hosted tap without an intent each"
    if len({name for name, _ in tally.posts} - sent.keys()) > _nameless(tally):
        yield "MIX-UP: requests of another lane reached a tap of this one"


def settled_books(rig: Rig) -> Books:
    """The books once they agree with what was sent and with what the taps got; the last receipts come a bit later."""
    deadline = time.monotonic() + 10
    tallies = [lane.tally for lane in rig.lanes]
    while found := book_problems(books := read_books(rig.router.home), tallies):
        assert time.monotonic() < deadline, "\n".join(found)
        time.sleep(0.1)
    return books


def balanced(rig: Rig) -> None:
    """Assert that the books agree with what was sent and with what the taps got, and that the chain is whole."""
    books = settled_books(rig)
    assert rig.router.here("audit", "verify").returncode == 0
    labels = Counter(Label(receipt["label"]).word for receipt in books.receipts)
    report = json.loads(rig.router.here("report", "--by", "label", "--json").stdout)
    assert {row["group"]: row["requests"] for row in report} == dict(labels)
