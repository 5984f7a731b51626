"""The search of the wire bites: it finds a real leak of each kind, says where the words are, and shrinks the case."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import pytest
from canary import new_canary
from canary_cases import Case
from canary_dress import Dress
from canary_sources import Source
from canary_strategies import cases
from hypothesis import find, settings
from leaky_front import SPILLS, Places, Request, open_front
from process import Tap
from router import Router
from tap_fleet import local_entry
from wire_check import left_behind
from wire_explore import CALM, judge
from wire_tap import Fleet, Lane, Rig, Tally
from wire_watch import Watch, changed

from localfleet.core.ask import Api
from localfleet.core.label import Label
from localfleet.storage.keys import create_key

SEARCHED = 1000
"""Drawn cases within which a leak must be found."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One router with one lane, whose folder is spoilt from here on."""
    stack, rig = Fleet.start(tmp_path_factory.mktemp("leaks"), 1)
    with stack:
        yield rig


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory, shared_taps: tuple[Tap, Tap, Tap]) -> Iterator[Rig]:
    """A router with one door, into whose folder things are spilt that no request has."""
    folder, tap = tmp_path_factory.mktemp("spoilt"), shared_taps[0]
    token = create_key(folder / "state", name="plain", label=Label.PUBLIC, at=time.time(), models=None)[1]
    with Router.start(folder, {"version": 1, "local": {"box": local_entry(tap)}}) as router:
        lane = Lane(number=0, taps={}, elsewhere=tap, port=router.port, tokens={"plain": token})
        yield Rig(router=router, lanes=[lane], elsewhere=tap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """A leak of one kind, the requests it happens to, and what the plainest of them must look like."""

    spill: str
    when: Callable[[Request], bool]
    plainest: Mapping[str, object]


FLAWS: Mapping[str, Flaw] = {
    "every stream leaves": Flaw(
        spill="a copy to a hosted tap",
        when=lambda request: b'"stream": true' in request.body,
        plainest={"stream": True},
    ),
    "a card in a stream leaves": Flaw(
        spill="a copy to a hosted tap",
        when=lambda request: b"4111 1111" in request.body and b'"stream": true' in request.body,
        plainest={"stream": True, "source": Source.CARD},
    ),
    "who lowers is logged": Flaw(
        spill="a line in the log",
        when=lambda request: b"x-localfleet-privacy: public" in request.head,
        plainest={"lowering": True, "source": Source.NONE},
    ),
    "system turns are stored": Flaw(
        spill="a row in the database",
        when=lambda request: b'"role": "system"' in request.body,
        plainest={"source": Source.NONE},
    ),
    "the payroll is traced": Flaw(
        spill="a packed file",
        when=lambda request: b"x-localfleet-task: payroll" in request.head,
        plainest={"source": Source.TASK},
    ),
    "completions are cached": Flaw(
        spill="a name of a file",
        when=lambda request: b" /v1/completions" in request.head,
        plainest={"api": Api.COMPLETION, "source": Source.NONE},
    ),
    "embeddings are echoed": Flaw(
        spill="an error that echoes",
        when=lambda request: b" /v1/embeddings" in request.head,
        plainest={"api": Api.EMBEDDING, "source": Source.NONE},
    ),
    "metadata is echoed": Flaw(
        spill="a header that echoes",
        when=lambda request: b'"metadata"' in request.body,
        plainest={"source": Source.NONE},
    ),
}
FLAGS = ("escaped", "lowering", "stream")
PLAIN = {"beside": (), "also": (), "turns": 0, "dress": Dress.PLAIN} | dict.fromkeys(FLAGS, False)


@pytest.mark.timeout(300)  # a search among thousands of cases, then a shrinking
@pytest.mark.slow
@pytest.mark.parametrize("name", FLAWS)
def test_a_leak_is_found_and_shrunk(rig: Rig, name: str) -> None:
    """A front that spills some requests is caught by the same search, and its case shrinks to what the leak needs."""
    flaw, lane, router = FLAWS[name], rig.lanes[0], rig.router
    spill, sentence = SPILLS[flaw.spill]
    places = Places(router=router.port, tap=lane.taps["openai"].port, folder=router.folder, log=router.log)
    with open_front(places, spill, flaw.when) as port:
        smallest, said = _smallest(replace(lane, port=port, tally=Tally()), Watch(router), sentence)
    assert sentence in said
    wanted = {**PLAIN, **flaw.plainest}
    assert {part: getattr(smallest, part) for part in wanted} == wanted, smallest


def test_every_kind_of_spill_is_tried() -> None:
    """No way to leak is written down and left out."""
    assert {flaw.spill for flaw in FLAWS.values()} == {*SPILLS}


def _smallest(lane: Lane, watch: Watch, sentence: str) -> tuple[Case, str]:
    """The plainest case with this problem, and the problem."""
    judged = judge(lane, watch)
    said: dict[str, str] = {}

    def leaks(case: Case) -> bool:
        found = [text for text in judged(case)[1] if sentence in text]
        said.update(dict.fromkeys([repr(case)], "\n".join(found)))
        return bool(found)

    smallest = find(cases(calm=True), leaks, settings=settings(CALM, max_examples=SEARCHED, derandomize=True))
    return smallest, said[repr(smallest)]


def test_the_sweep_finds_every_spill(spoilt: Rig) -> None:
    """What is spilt into a log, a database, a packed file or a name is found afterwards, each at its place."""
    router = spoilt.router
    places = Places(router=router.port, tap=0, folder=router.folder, log=router.log)
    wanted = {}
    for name, place in AT_REST.items():
        wanted[place] = canary = new_canary()
        SPILLS[name][0](places, Request(head=b"", body=f'{{"note": "{canary}"}}'.encode()))
    found = left_behind(spoilt, Tally(canaries=[*wanted.values()]))
    # SQLite may move what is written from its write-ahead log into the database at any moment.
    assert {text.partition(",")[0].removesuffix("-wal") for text in found} == {f"{ONE} {place}" for place in wanted}
    with closing(sqlite3.connect(router.home / "ledger.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = left_behind(spoilt, Tally(canaries=[wanted["state/ledger.db"]]))
    assert [text.partition(",")[0] for text in kept] == [f"{ONE} state/ledger.db"]


ONE = "LEFT BEHIND: 1 canaries in"
AT_REST = {
    "a line in the log": "output.log",
    "a row in the database": "state/ledger.db",
    "a packed file": "tmp/trace.gz",
    "a name of a file": "names of files",
}


@pytest.mark.slow
def test_what_changed_is_known() -> None:
    """Appended bytes, changed pages and their borders are new; what is as it was is not."""
    old = bytes(range(256)) * 64
    assert changed(old, old) == b""
    assert changed(old, old + b"appended").endswith(b"appended")
    page = old[:4090] + b"across the border" + old[4107:]
    assert b"across the border" in changed(old, page)
    assert len(changed(old, page)) < len(old)
    assert changed(b"longer before", b"short") == b"short"
