"""
`kill -9` during load: no hosted call without its durable intent (law 7), and a ledger that opens clean each time.

Every call that reaches a hosted tap carries the router's own request id; every intent in the ledger does too. So each
recorded call is looked up by id in the ledger that the dead process left behind, before anybody else writes to it.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fault_rig import CHAT, ask, open_intents, records, until
from process import Tap
from router import Router
from tap_behaviour import Behaviour, Fault
from tap_fleet import anthropic_entry, local_entry, openai_entry

from localfleet.storage.verify import verify

CLIENTS = 8
ID = "x-client-request-id"
MESSAGES = "/v1/messages"
KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    (CHAT, ask("mini")),
    (CHAT, ask("mini", stream=True)),
    (CHAT, ask("auto", stream=True)),
    (CHAT, ask("other")),
    (CHAT, ask("local")),
    (MESSAGES, ask("other", max_tokens=20)),
    (MESSAGES, ask("other", max_tokens=20, stream=True)),
    (CHAT, ask("auto", "My card is 4111 1111 1111 1111.", stream=True)),
)


@dataclass
class Load:
    """Callers that ask without pause, whether the router is there or not."""

    router: Router
    answered: list[str] = field(default_factory=list)
    """Request ids of complete hosted answers."""
    statuses: Counter[int] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)

    def call(self, seed: int) -> None:
        """One caller."""
        dice = random.Random(seed)
        while not self.over.is_set():
            path, body = dice.choice(KINDS)
            answer = self.router.post(path, body)
            self.statuses[answer.status] += 1
            if answer.status == 0:
                self.over.wait(0.2)
            elif not answer.broken and answer.headers["x-localfleet-tier"] not in {"local", "none"}:
                self.answered.append(answer.headers["x-localfleet-request-id"])

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ask from here to the end of the block."""
        threads = [threading.Thread(target=self.call, args=(seed,)) for seed in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join(35)
            assert not any(thread.is_alive() for thread in threads)


@dataclass
class Seen:
    """What all rounds together have shown."""

    calls: int = 0
    hosted_ids: set[str] = field(default_factory=set)
    unfinished: int = 0


def _script(tap: Tap, dice: random.Random) -> None:
    """Answers that take some time, each a little different, so that a kill falls into every phase of a request."""
    pace = [Behaviour(delay_s=dice.random() / 20, chunk_delay_s=dice.random() / 100) for _ in range(300)]
    pace[5:6] = [Behaviour(fault=Fault.STATUS, status=500), Behaviour(fault=Fault.DIE, after=2)]
    tap.script(*pace)


def _count(router: Router, taps: tuple[Tap, ...], seen: Seen) -> None:
    """Look every call up in the ledger that the dead process left; then forget the calls."""
    intents: Counter[str] = Counter()
    begun: dict[str, float] = {}
    for intent in records(router.home, "intent"):
        intents[intent["request_id"]] += 1
        begun.setdefault(intent["request_id"], intent["at"])
    for tap in taps:
        calls: Counter[str] = Counter()
        for call in tap.posts():
            assert call.headers[ID] in begun, "a hosted call without an intent"
            assert begun[call.headers[ID]] <= call.at
            calls[call.headers[ID]] += 1
        assert all(number <= intents[one] for one, number in calls.items()), "more calls than intents"
        seen.calls += calls.total()
        seen.hosted_ids.update(calls)
        tap.clear()
    seen.unfinished += open_intents(router.home)


def _check_books(router: Router, load: Load, seen: Seen) -> None:
    """Each intent has exactly one end; what a kill cut off is `unknown_after_restart`, never dropped, never free."""
    ends: dict[str, list[dict[str, Any]]] = {}
    for end in records(router.home, "receipt", "unsettled"):
        ends.setdefault(end["request_id"], []).append(end)
    assert all(len(of_one) == 1 for of_one in ends.values())
    assert {intent["request_id"] for intent in records(router.home, "intent")} <= set(ends)
    assert seen.hosted_ids <= set(ends)
    assert set(load.answered) <= set(ends)
    unsettled = [of_one[0] for of_one in ends.values() if of_one[0]["kind"] == "unsettled"]
    assert {end["outcome"] for end in unsettled} == {"unknown_after_restart"}
    assert all(end["cost_usd"] is None and float(end["reserved_usd"]) > 0 for end in unsettled)
    assert open_intents(router.home) == 0
    print(f"\n{seen.calls} hosted calls, {len(unsettled)} settled as unknown, answers by status {dict(load.statuses)}")


def _restart(router: Router) -> None:
    """Start again: the ledger and the hosted doors are open at once."""
    router.restart()
    assert router.get("/readyz").json["ledger"] == {"ok": True, "why": "", "unwritten": 0}


def _kill_during_load(router: Router, taps: tuple[Tap, ...], kills: int) -> None:
    dice = random.Random(kills)
    load, seen = Load(router), Seen()
    with load.running():
        for _ in range(kills):
            for tap in taps:
                _script(tap, dice)
            before = len(load.answered)
            assert until(lambda before=before: len(load.answered) > before + 10)  # type: ignore[misc]  # a default argument binds the loop's value
            time.sleep(dice.random() / 2)
            router.kill()
            _count(router, taps[:2], seen)
            _restart(router)
            assert verify(router.home).ok
    assert router.stop() == 0
    _count(router, taps[:2], seen)
    assert seen.unfinished > kills / 4, "the kills hit nothing: this test showed nothing"
    _restart(router)
    _check_books(router, load, seen)
    assert router.stop() == 0
    assert verify(router.home).ok
    assert router.output().count(b"The ledger is open.") == kills + 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "provider"), [(5, "anthropic"), pytest.param(50, "openai", marks=pytest.mark.timeout(420))]
)
def test_no_egress_without_a_durable_record(
    local_tap: Tap, openai_tap: Tap, anthropic_tap: Tap, tmp_path: Path, *, kills: int, provider: str
) -> None:
    """
    Law 7, with the process killed in mid-flight: every call of the taps is in the ledger, which opens clean.

    The second hosted door is spoken to directly, or as Anthropic's: natively for Messages, through litellm for chat.
    """
    second = {"openai": openai_entry, "anthropic": anthropic_entry}[provider](anthropic_tap, tier="other")
    settings = {
        "version": 1,
        "local": {"box": local_entry(local_tap)},
        "hosted": {"mini": openai_entry(openai_tap), "other": second},
    }
    with Router.start(tmp_path, settings) as router:
        _kill_during_load(router, (openai_tap, anthropic_tap, local_tap), kills)
