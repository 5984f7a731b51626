"""
The wire tap: generated requests with canaries against the real router, providers that record every byte, every fault.

`LOCALFLEET_TAP_SEED` and `LOCALFLEET_TAP_CASES` choose the cases of the slow test, and a failure names its seed. The
canaries themselves are random every time.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from canary import new_canary, traces
from canary_cases import FIELDS, PATHS, TAPS, Case
from canary_deck import SAID, deck, every_fault, faults_in, plain_case, when_the_box_is_down
from canary_fields import Wire
from canary_sources import EVIDENCE, Source
from canary_strategies import cases as drawn_cases
from router import Response
from tap_behaviour import Behaviour, Fault
from wire_check import balanced, book_problems, left_behind, problems, settled_books
from wire_explore import explore
from wire_tap import HOSTED, Fleet, Rig, Seen, Tally, ask

from localfleet.core.ask import WORDLESS, Api
from localfleet.core.label import Label

SEED = int(os.environ.get("LOCALFLEET_TAP_SEED", "20260"))
CASES = int(os.environ.get("LOCALFLEET_TAP_CASES", "2000"))
QUICK_CASES = 96
EXPLORED_CASES = 60
QUICK_LANES = 4
SLOW_LANES = 8
LEAST_SHOWN = 3
"""How often each tap must have shown each fault, at least."""
DOORS = {
    "openai": [*Api],
    "anthropic": [Api.CHAT, Api.RESPONSES, Api.MESSAGES],
}
"""Messages go to Anthropic directly, the other two through litellm."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One router with four lanes, for the daily tests."""
    stack, rig = Fleet.start(tmp_path_factory.mktemp("wire"), QUICK_LANES)
    with stack:
        yield rig


def clean(rig: Rig, cases: list[Case], seed: int) -> None:
    """Run cases and assert that nothing is wrong with any of them, nor with what is left behind."""
    found = rig.run(cases, problems)
    assert not found, f"seed {seed}, {len(cases)} cases:\n" + "\n".join(found[:20])
    assert left_behind(rig, rig.tally) == []


def test_a_spread_of_cases_leaks_nothing(rig: Rig) -> None:
    """Each source of a label and each fault at least once: nothing restricted leaves, nothing is left behind."""
    cases = deck(SEED, QUICK_CASES)
    assert {case.source for case in cases} == {*Source}
    assert faults_in(cases) == {*Fault}
    assert {(case.api, case.restricted) for case in cases} == {(api, flag) for api in Api for flag in (True, False)}
    clean(rig, cases, SEED)


def test_restricted_stays_home_when_the_box_is_down(rig: Rig) -> None:
    """No local engine and two willing providers: a restricted request is refused with a reason, in every API."""
    cases = when_the_box_is_down(SEED, 6)
    assert len(cases) >= 50

    def check(seen: Seen) -> list[str]:
        answer, headers = seen.answer, seen.answer.headers
        decided = (headers.get("x-localfleet-privacy"), headers.get("x-localfleet-tier"))
        refused = answer.status in {502, 503, 504} and answer.json["error"]["src"] == "localfleet"
        told = decided == ("restricted", "none") and headers.get("x-localfleet-reason") in {
            "connect_failed",
            "engine_down",
            "upstream_error",  # a kept connection that was cut, when the budget of retries is used up
        }
        return problems(seen) + ([] if refused and told else [f"answered {answer.status} {dict(headers)}"])

    found = rig.run(cases, check)
    assert not found, "\n".join(found[:20])


@pytest.mark.parametrize(
    "fault",
    [
        (Behaviour(fault=Fault.HANG),),
        (Behaviour(fault=Fault.DIE, after=0),),
        (Behaviour(fault=Fault.RESET),),
        (Behaviour(fault=Fault.STATUS, status=503),),
        (Behaviour(fault=Fault.STATUS, status=429, retry_after="0"),),
        (Behaviour(fault=Fault.GARBAGE),),
        (Behaviour(fault=Fault.REDIRECT, status=307),),
    ],
    ids=lambda script: script[0].fault.value,
)
def test_restricted_stays_home_when_the_box_is_ill(rig: Rig, fault: tuple[Behaviour, ...]) -> None:
    """A local engine that hangs, dies, limits or redirects is no reason to leave."""
    cases = [
        replace(plain_case(api, SAID[api], Source.KEY, stream=stream), faults={"local": fault}, lasting=True)
        for api, stream in ((Api.CHAT, True), (Api.COMPLETION, False), (Api.MESSAGES, True), (Api.RESPONSES, False))
    ]
    found = rig.run(cases, lambda seen: problems(seen) + _unless_failed(seen))
    assert not found, "\n".join(found)


def _unless_failed(seen: Seen) -> list[str]:
    failed = seen.answer.status in {429, 502, 503, 504}
    return [] if failed else [f"answered {seen.answer.status}"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("tap", "api"), [(tap, api) for tap, apis in DOORS.items() for api in apis])
def test_what_may_leave_does_leave(rig: Rig, tap: str, api: Api, stream: bool) -> None:
    """The control: an unrestricted canary is found at the tap, so that an empty tap means something."""
    model = {"openai": "mini", "anthropic": "claude"}[tap]
    case = plain_case(api, SAID[api], Source.NONE, model=model, stream=stream and api not in WORDLESS)
    seen = rig.lanes[0].run(case)
    assert seen.answer.status == 200
    assert traces(seen.received[tap], seen.canary)
    assert problems(seen) == []


@pytest.mark.parametrize("api", [*Api])
def test_a_leaky_router_would_be_caught(rig: Rig, api: Api) -> None:
    """The mutation: with keys whose labels are swapped the same restricted request leaves, and the check says so."""
    lane = rig.lanes[1]
    leaky = replace(lane, tokens={**lane.tokens, "restricted": lane.tokens["plain"]}, honest=False)
    honest, swapped = plain_case(api, SAID[api], Source.KEY), leaky.run(plain_case(api, SAID[api], Source.KEY))
    assert problems(lane.run(honest)) == []
    found = "\n".join(problems(swapped))
    assert "bytes of a restricted request reached openai" in found
    assert "reached openai (" in found
    assert "a restricted request was answered as ('low_cost', 'public')" in found


@pytest.mark.slow
def test_a_canary_at_rest_would_be_found(rig: Rig) -> None:
    """A canary planted in a file of the state folder, or in a file's name, is found."""
    canary = new_canary()
    tally = Tally(canaries=[new_canary(), canary])
    note = rig.router.home / "note.bin"
    note.write_bytes(b"\x00junk" + canary.lower().encode() + b"junk")
    named = rig.router.folder / "tmp" / f"spill-{canary}"
    named.touch()
    found = "\n".join(left_behind(rig, tally))
    note.unlink()
    named.unlink()
    assert "1 canaries in state/note.bin" in found
    assert "1 canaries in names of files" in found


CASE = plain_case(Api.CHAT, "user", Source.KEY)
CANARY, OTHER = new_canary(), new_canary()
GOOD = {"x-localfleet-request-id": "1", "x-localfleet-tier": "local", "x-localfleet-privacy": "restricted"}
PLANTED: dict[str, tuple[str, dict[str, Any]]] = {
    "hosted": ("LEAK: the canary of 'user' reached anthropic", {"anthropic": CANARY}),
    "elsewhere": ("LEAK: 7 bytes reached a host", {"elsewhere": 7}),
    "response header": ("in a response header", {"headers": {**GOOD, "x-note": CANARY}}),
    "error body": ("in an answer with status 502", {"body": CANARY.lower(), "status": 502}),
    "answer": ("in an answer with status 200", {"body": CANARY[:16]}),
    "other case": ("MIX-UP: the canary of another case", {"body": OTHER}),
    "other case at a tap": ("MIX-UP: the canary of another case", {"local": OTHER}),
    "other lane": ("MIX-UP: the answer of another lane", {"body": "said lane-3."}),
    "no id": ("no request id", {"headers": {}}),
    "own fault": ("localfleet failed inside", {"status": 500}),
    "wrong door": ("answered as ('low_cost'", {"headers": {**GOOD, "x-localfleet-tier": "low_cost"}}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_each_problem_would_be_named(name: str) -> None:
    """Every check fails for what it is there to find, and only that check."""
    sentence, wrong = PLANTED[name]
    found = problems(_seen(**wrong))
    assert problems(_seen()) == []
    assert any(sentence in text for text in found), found


def _seen(
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    body: str = "fine, said lane-0.",
    local: str = "",
    anthropic: str = "",
    elsewhere: int = 0,
) -> Seen:
    answer = Response(status=status, headers=GOOD if headers is None else headers, body=body.encode())
    received = {"local": local.encode(), "openai": b"", "anthropic": anthropic.encode()}
    return Seen(case=CASE, canary=CANARY, lane=0, answers=[answer], received=received, elsewhere=elsewhere)


def test_what_a_duplicate_key_hides_never_leaves(rig: Rig) -> None:
    """Where a body has two lists of messages, only the one that was classified is sent on."""
    for source, evidence in EVIDENCE.items():
        hidden = json.dumps([{"role": "user", "content": evidence}])
        body = f'{{"model":"mini0","messages":{hidden},"messages":[{{"role":"user","content":"Hello."}}]}}'
        swapped = f'{{"model":"mini0","messages":[{{"role":"user","content":"Hello."}}],"messages":{hidden}}}'
        lane = rig.lanes[0]
        for raw in (body, swapped):
            wire = Wire(path=PATHS[Api.CHAT], headers=(("content-type", "application/json"),), body=raw.encode())
            lane.send(wire, "a duplicate key", restricted=False)
        received = b"".join(lane.taps[name].received() for name in HOSTED)
        assert b"Hello." in received
        assert json.dumps(evidence)[1:-1].encode() not in received, source
    lane.close_tally()


def test_a_header_hides_nothing_that_the_metadata_says(rig: Rig) -> None:
    """A task or session in `metadata` keeps its label though a header names another (law 1)."""
    lane = rig.lanes[3]
    first = plain_case(Api.CHAT, "user", Source.NONE).request(new_canary())
    kept = (*first.headers, ("x-localfleet-session", "secret-1"), ("x-localfleet-privacy", "restricted"))
    assert lane.send(replace(first, headers=kept), "a restricted session", restricted=True).status == 200
    for key, value in (("task", "payroll"), ("session", "secret-1")):
        wire = plain_case(Api.CHAT, "user", Source.NONE).request(new_canary())
        body = json.dumps({**json.loads(wire.body), "metadata": {key: value}}).encode()
        named = replace(wire, headers=(*wire.headers, (f"x-localfleet-{key}", "another")), body=body)
        answer = lane.send(named, f"another {key}", restricted=True)
        assert (answer.headers["x-localfleet-privacy"], answer.headers["x-localfleet-tier"]) == ("restricted", "local")
    assert not any(lane.taps[name].received() for name in HOSTED)


def test_strangers_and_pages_keep_no_words(rig: Rig) -> None:
    """Unknown keys, and queries and paths of every page, come back to nobody and are written nowhere."""
    canary = new_canary()
    wire = plain_case(Api.CHAT, "user", Source.NONE).request(canary)
    answers = [ask(rig.router.port, wire, f"lf_{canary}"), ask(rig.router.port, wire, canary)]
    for page in (
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/console",
        "/openapi.json",
        "/v1/models",
        "/api/status",
        "/x",
    ):
        answers += [rig.router.get(f"{page}?q={canary}"), rig.router.get(f"{page}/{canary}")]
        answers += [rig.router.get(page, {"authorization": f"Bearer {canary}", "host": f"{canary}.example.org"})]
        answers += [rig.router.send(canary, page, canary.encode(), ())]
    answers += [rig.router.get(f"/api/receipts?limit={canary}"), rig.router.get(f"/api/summary?by={canary}")]
    assert {answer.status for answer in answers[:2]} == {401}
    assert not [answer for answer in answers if traces(answer.everything, canary)]
    assert left_behind(rig, Tally(canaries=[canary])) == []


def test_the_books_agree_with_the_taps(rig: Rig) -> None:
    """One receipt for each request, an intent for each POST at a hosted tap, restricted stands as restricted."""
    balanced(rig)


@pytest.mark.slow
def test_wrong_books_would_be_noticed(rig: Rig) -> None:
    """A missing receipt, a missing intent, a lower label and a receipt too many are each named."""
    lane = rig.lanes[2]
    lane.run(plain_case(Api.CHAT, "user", Source.NONE, model="mini"))
    lane.run(CASE)
    lane.close_tally()
    books = settled_books(rig)
    last, tally = books.receipts[-1], [lane.tally]
    others = {one.request_id for other in rig.lanes if other is not lane for one in other.tally.sent}
    mine = replace(books, receipts=[one for one in books.receipts if one["request_id"] not in others])
    assert last["request_id"] == lane.tally.sent[-1].request_id
    wrong = {
        "have no receipt": replace(mine, receipts=mine.receipts[:-1]),
        "more than one receipt": replace(mine, receipts=[*mine.receipts, last]),
        "a lower label": replace(mine, receipts=[*mine.receipts[:-1], {**last, "label": int(Label.INTERNAL)}]),
        "LAW 7": replace(mine, intents=Counter()),
    }
    for sentence, broken in wrong.items():
        assert any(sentence in text for text in book_problems(broken, tally)), sentence


@pytest.mark.slow
def test_a_few_explored_cases_leak_nothing(rig: Rig) -> None:
    """Sixty cases that hypothesis draws, with faults that take no seconds: nothing leaves, nothing stays."""
    explored = explore(rig, drawn_cases(slow=False), number=EXPLORED_CASES, first_seed=SEED)
    assert not explored.leaks, explored.told(SEED)
    assert len(explored.cases) >= EXPLORED_CASES
    assert left_behind(rig, rig.tally) == []
    balanced(rig)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_thousands_of_cases_leak_nothing(tmp_path: Path) -> None:
    """Every place of every API, every source, every fault at every tap, eight cases at a time; then the books."""
    cases = [*deck(SEED, CASES), *every_fault()]
    places = {(case.api, case.field.name) for case in cases}
    assert places == {(api, field.name) for api in Api for field in FIELDS[api]}
    stack, rig = Fleet.start(tmp_path, SLOW_LANES)
    with stack:
        began = time.monotonic()
        clean(rig, cases, SEED)
        balanced(rig)
        tally = rig.tally
        assert rig.router.stop() == 0
        assert left_behind(rig, tally) == []
    restricted = sum(case.restricted for case in cases)
    print(f"\nseed {SEED}: {len(cases)} cases ({restricted} restricted) in {len(places)} places, 0 leaks")
    print(f"{len(tally.sent)} requests, {tally.posts.total()} POSTs at hosted taps, {time.monotonic() - began:.0f} s")
    print(f"statuses {dict(Counter(one.status for one in tally.sent))}")
    assert min(tally.shown[tap, fault] for tap in TAPS for fault in Fault) >= LEAST_SHOWN, tally.shown
